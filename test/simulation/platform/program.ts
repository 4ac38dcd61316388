/** A program that runs on a machine until it ends or is killed, and the platform as it sees it. */
import type { Clock } from '../../../src/platform/clock.ts';
import type { Platform } from '../../../src/platform/platform.ts';
import type { Processes } from '../../../src/platform/processes.ts';
import type { Dice } from './dice.ts';
import { SimulatedFiles } from './files.ts';
import type { Scheduled } from './loop.ts';
import { lossPolicy, type Machine } from './machine.ts';

export const DEATH = 'the simulated program is dead';

/** Thrown at whatever a dead program still tries; nothing that it does has an effect. */
export class Death extends Error {
  constructor() {
    super(DEATH);
    this.name = 'Death';
  }
}

export interface ProgramOptions {
  readonly machine: Machine;
  readonly dice: Dice;
  /** Whether its file systems share blocks. */
  readonly clones: boolean;
  readonly processes: Processes;
  readonly onDeath: (power: boolean) => void;
  /** Something was thrown that nobody caught, which ends a process. */
  readonly onUncaught: (error: unknown) => void;
}

export class Program {
  readonly machine: Machine;
  readonly clones: boolean;
  readonly platform: Platform;
  readonly dice: Dice;
  readonly #options: ProgramOptions;
  #alive = true;

  constructor(options: ProgramOptions) {
    this.machine = options.machine;
    this.clones = options.clones;
    this.dice = options.dice;
    this.#options = options;
    const { machine } = options;
    const clock: Clock = {
      now: () => machine.wall(),
      monotonic: () => machine.loop.now,
      after: (delay, then) => this.after(delay, then),
    };
    const files = new SimulatedFiles(this);
    this.platform = { clock, files, random: options.dice, processes: options.processes };
    machine.register(this);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** @throws Death */
  check(): void {
    if (!this.#alive) throw new Death();
  }

  after(delay: number, then: () => void): Scheduled {
    return this.machine.loop.after(delay, () => {
      if (!this.#alive) return;
      try {
        then();
      } catch (error) {
        if (this.alive) this.#options.onUncaught(error);
      }
    });
  }

  /** From outside, as SIGKILL does it, or with the power. What to throw at the one who is in the middle of a call. */
  kill(power: boolean): Death {
    if (this.#alive) {
      this.die();
      if (power) this.machine.losePower(lossPolicy(this.machine.dice));
      this.#options.onDeath(power);
    }
    return new Death();
  }

  /** Without a word to anyone: the machine went down, or the program came to its end. */
  die(): void {
    this.#alive = false;
    this.machine.unregister(this);
  }
}

/** One that looks at what the machine's disk holds when all others have done their work. */
export function readerOn(machine: Machine, dice: Dice): Program {
  return new Program({
    machine,
    dice,
    clones: false,
    processes: { run: () => Promise.reject(new Error('a reader runs no programs')) },
    onDeath: () => undefined,
    onUncaught: (error) => machine.loop.fail(error),
  });
}
