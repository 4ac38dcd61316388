/** What is done to the machines and the server, and taken back when its time is over. */
import type { Step, SiteName } from '../steps.ts';
import type { Call, CallFault, Machine } from '../platform/machine.ts';
import { FAIR, type FileServer } from './server.ts';

export type Trouble = Extract<Step, { kind: 'death' | 'io-error' | 'room' | 'clock' | 'weather' | 'freeze' }>;

export class Troubles {
  readonly #machines: Readonly<Record<SiteName, Machine>>;
  readonly #server: FileServer;
  readonly #note: (text: string) => void;
  /** Asked in turn at every call of a site, until they have happened. */
  readonly #armed: Readonly<Record<SiteName, ((call: Call) => CallFault | 'done' | undefined)[]>> = {
    source: [],
    destination: [],
  };

  constructor(
    machines: Readonly<Record<SiteName, Machine>>,
    server: FileServer,
    note: (text: string) => void,
  ) {
    this.#machines = machines;
    this.#server = server;
    this.#note = note;
    for (const site of ['source', 'destination'] as const) {
      machines[site].fault = (call) => this.#ask(site, call);
    }
  }

  do(step: Trouble): void {
    const { loop } = this.#server.machine;
    switch (step.kind) {
      case 'death': {
        let left = step.calls;
        this.#armed[step.site].push(() => {
          left -= 1;
          return left > 0 ? undefined : { kind: 'death', before: step.before, power: step.power };
        });
        return;
      }
      case 'io-error':
        this.#armError(step);
        return;
      case 'room': {
        const { disk } = this.#machines[step.site];
        disk.setCapacity(step.mount, disk.usedBy(step.mount) + step.bytes);
        loop.after(step.time, () => disk.setCapacity(step.mount, Infinity));
        return;
      }
      case 'clock':
        this.#machines[step.site].wallOffset += step.by;
        if (step.site === 'source') this.#server.line?.jumped(step.by);
        return;
      case 'weather':
        this.#server.weather = step.weather;
        loop.after(step.time, () => (this.#server.weather = FAIR));
        return;
      case 'freeze':
        this.#server.frozenUntil = loop.now + step.time;
    }
  }

  end(): void {
    for (const site of ['source', 'destination'] as const) {
      this.#armed[site].splice(0);
      for (const mount of ['buffer', 'other', 'volumes', 'snapshots'])
        this.#machines[site].disk.setCapacity(mount, Infinity);
    }
  }

  #armError({ site, call, code, skip, count, drops }: Extract<Trouble, { kind: 'io-error' }>): void {
    let seen = 0;
    const { dice } = this.#machines[site];
    this.#armed[site].push(({ kind }) => {
      if (kind !== call) return undefined;
      seen += 1;
      if (seen > skip + count) return 'done';
      return seen > skip ? { kind: 'error', code, part: dice.fraction(), drops: drops === true } : undefined;
    });
  }

  #ask(site: SiteName, call: Call): CallFault | undefined {
    const armed = this.#armed[site];
    for (let i = 0; i < armed.length; i += 1) {
      const answer = armed[i]!(call);
      if (answer === undefined) continue;
      if (answer === 'done' || answer.kind === 'death') armed.splice(i, 1);
      if (answer === 'done') {
        i -= 1;
        continue;
      }
      this.#note(
        `${site}: ${answer.kind === 'error' ? answer.code : answer.kind} at ${call.kind} ${call.path}`,
      );
      return answer;
    }
    return undefined;
  }
}
