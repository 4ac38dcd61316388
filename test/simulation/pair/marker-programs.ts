/** Programs that markers run: they succeed, fail, hang, are killed, or cannot be started, and have an effect or none. */
import type { Command, CommandResult, Processes } from '../../../src/platform/processes.ts';
import type { Dice } from '../platform/dice.ts';
import type { Machine } from '../platform/machine.ts';

export interface MarkerRun {
  readonly id: string;
  readonly lsn: number;
  readonly attempt: number;
  readonly name: string;
  ended: boolean;
}

export interface ProgramWatcher {
  /** A program begins; what it sees is the volumes as they are now. */
  began(run: MarkerRun): void;
  /** It came to its end, in whatever way. */
  ended(run: MarkerRun): void;
}

/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 5000;

export class MarkerPrograms implements Processes {
  readonly #machine: Machine;
  readonly #dice: Dice;
  readonly #watcher: ProgramWatcher;
  /** How likely a program is to do anything but succeed. */
  trouble: number;

  constructor(machine: Machine, dice: Dice, watcher: ProgramWatcher, trouble: number) {
    this.#machine = machine;
    this.#dice = dice;
    this.#watcher = watcher;
    this.trouble = trouble;
  }

  run(command: Command): Promise<CommandResult> {
    const { environment, timeLimit, signal } = command;
    const run: MarkerRun = {
      id: environment['BLOCKFERRY_MARKER_ID'] ?? '',
      lsn: Number(environment['BLOCKFERRY_LSN']),
      attempt: Number(environment['BLOCKFERRY_ATTEMPT']),
      name: environment['BLOCKFERRY_MARKER'] ?? '',
      ended: false,
    };
    this.#watcher.began(run);
    const { result, time } = this.#fate(timeLimit);
    return new Promise((resolve) => {
      const finish = (ended: CommandResult): void => {
        timer.cancel();
        signal.removeEventListener('abort', abort);
        if (run.ended) return;
        run.ended = true;
        this.#watcher.ended(run);
        resolve(ended);
      };
      const abort = (): void => {
        this.#machine.loop.after(this.#dice.fraction() * GRACE, () => finish({ kind: 'aborted' }));
      };
      const timer = this.#machine.loop.after(time, () => finish(result));
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
    });
  }

  #fate(timeLimit: number): { result: CommandResult; time: number } {
    const time = this.#dice.fraction() * 300;
    if (!this.#dice.chance(this.trouble)) return { result: { kind: 'exited', exitCode: 0 }, time };
    switch (this.#dice.below(4)) {
      case 0:
        return { result: { kind: 'exited', exitCode: 3 }, time };
      case 1:
        return { result: { kind: 'killed', signal: 'SIGSEGV' }, time };
      case 2:
        return { result: { kind: 'timed-out' }, time: timeLimit + this.#dice.fraction() * GRACE };
      default:
        return { result: { kind: 'not-started', reason: 'ENOENT' }, time: 0 };
    }
  }
}
