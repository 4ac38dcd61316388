/** One site: its daemon's group on its machine, started again whenever it dies, as a service manager does it. */
import type { Log } from '../../../src/platform/log.ts';
import type { World } from '../../../src/daemon/world.ts';
import type { RunningGroup } from '../../../src/daemon/running-group.ts';
import type { Processes } from '../../../src/platform/processes.ts';
import { describeError } from '../../../src/platform/errors.ts';
import type { Machine } from '../platform/machine.ts';
import { DEATH, Program } from '../platform/program.ts';

export interface SiteOptions<G> {
  readonly machine: Machine;
  readonly clones: boolean;
  readonly processes: Processes;
  readonly log: Log;
  readonly start: (world: World, log: Log) => Promise<G>;
  /** What the daemon is built on, of this program. */
  readonly world: (program: Program) => World;
  readonly onDeath: (power: boolean) => void;
  readonly onUncaught: (error: unknown) => void;
}

/** Milliseconds. */
const RESTART_MAX = 400;
const START_RETRY = 1000;

export class Site<G extends { stop(): Promise<void> } = RunningGroup> {
  readonly #options: SiteOptions<G>;
  #program: Program | undefined;
  #group: G | undefined;
  #starts = 0;
  #wanted = false;
  #stopping = false;
  /** Why the newest start failed. */
  startError: string | undefined;

  constructor(options: SiteOptions<G>) {
    this.#options = options;
  }

  get program(): Program | undefined {
    return this.#program?.alive === true ? this.#program : undefined;
  }

  get group(): G | undefined {
    return this.program === undefined || this.#stopping ? undefined : this.#group;
  }

  start(): void {
    this.#wanted = true;
    const { machine, clones, processes, log } = this.#options;
    this.#starts += 1;
    this.#group = undefined;
    const program = new Program({
      machine,
      clones,
      processes,
      dice: machine.dice.fork(`program ${this.#starts}`),
      onDeath: (power) => this.#died(power),
      onUncaught: (error) => this.#options.onUncaught(error),
    });
    this.#program = program;
    this.#options.start(this.#options.world(program), log).then(
      (group) => {
        if (!program.alive) return;
        this.#group = group;
        this.startError = undefined;
      },
      (error: unknown) => {
        if (!program.alive) return;
        this.startError = describeError(error);
        log.error(`start failed: ${this.startError}`);
        // The daemon's process ends with an error.
        program.die();
        this.#options.onDeath(false);
        machine.loop.after(START_RETRY, () => this.#startAgain());
      },
    );
  }

  kill(power: boolean): void {
    this.program?.kill(power);
  }

  /** In order, and started again afterwards. */
  restart(): void {
    const { program, group } = this;
    if (program === undefined || group === undefined) return;
    this.#stopping = true;
    const ended = (error?: unknown): void => {
      if (!program.alive) return;
      if (error !== undefined) this.#options.log.warn(`stop failed: ${describeError(error)}`);
      program.die();
      this.#died(false);
    };
    group.stop().then(() => ended(), ended);
    // A service manager that has waited long enough.
    program.after(90_000, () => ended('it takes too long'));
  }

  #died(power: boolean): void {
    this.#stopping = false;
    const { machine, onDeath, log } = this.#options;
    log.warn(power ? 'power failed' : DEATH);
    onDeath(power);
    machine.loop.after(20 + machine.dice.fraction() * RESTART_MAX, () => this.#startAgain());
  }

  #startAgain(): void {
    if (this.#wanted && this.program === undefined) this.start();
  }
}
