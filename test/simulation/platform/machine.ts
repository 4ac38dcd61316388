/** One site's computer: its disk and clocks, which outlive the programs that run on it. */
import { Disk, type LossPolicy } from './disk.ts';
import type { Dice } from './dice.ts';
import type { Loop } from './loop.ts';

export type CallKind =
  | 'open'
  | 'size'
  | 'read'
  | 'write'
  | 'sync'
  | 'resize'
  | 'punch'
  | 'stat'
  | 'list'
  | 'make-directory'
  | 'rename'
  | 'remove'
  | 'sync-directory'
  | 'clone';

/** A call of the product into the platform is about to be made. */
export interface Call {
  readonly kind: CallKind;
  readonly path: string;
}

/** What may go wrong at a call. */
export type CallFault =
  | {
      readonly kind: 'error';
      readonly code: 'EIO' | 'ENOSPC';
      readonly part: number;
      /** A sync that fails has given up what it was to write: the next one succeeds without it. */
      readonly drops?: boolean;
    }
  /** The program dies before the call has an effect, or when it has had it. */
  | { readonly kind: 'death'; readonly before: boolean; readonly power: boolean };

/** Told of what the product does to files, after it was done. */
export interface Watcher {
  wrote?(path: string, position: number, bytes: Uint8Array): void;
  /** A write failed, and may have left its beginning behind. */
  failedToWrite?(path: string, position: number, bytes: Uint8Array): void;
  failedToSync?(path: string): void;
  failedToRead?(path: string): void;
  renamed?(from: string, to: string): void;
  /** Before it is. */
  removing?(path: string): void;
}

export class Machine {
  readonly name: string;
  readonly loop: Loop;
  readonly dice: Dice;
  readonly disk = new Disk();
  /** Wall clock minus the time since the simulation began, milliseconds. */
  wallOffset: number;
  /** Asked at every call. */
  fault: (call: Call) => CallFault | undefined = () => undefined;
  watcher: Watcher = {};
  /** Calls made so far by all programs. */
  calls = 0;
  /** Every program that runs here and dies with the power. */
  readonly #running = new Set<{ die(): void }>();

  constructor(name: string, loop: Loop, dice: Dice, wallStart: number) {
    this.name = name;
    this.loop = loop;
    this.dice = dice;
    this.wallOffset = wallStart;
  }

  /** Milliseconds since 1970 by this machine. */
  wall(): number {
    return Math.round(this.loop.now + this.wallOffset);
  }

  /** An error of the watcher's own ends the run: the product would take it for one of its disk. */
  tell(what: (watcher: Watcher) => void): void {
    try {
      what(this.watcher);
    } catch (error) {
      this.loop.fail(error);
    }
  }

  register(program: { die(): void }): void {
    this.#running.add(program);
  }

  unregister(program: { die(): void }): void {
    this.#running.delete(program);
  }

  losePower(policy: LossPolicy): void {
    for (const program of [...this.#running]) program.die();
    this.#running.clear();
    this.disk.losePower(policy);
  }
}

/** What a power failure leaves: nothing that was not synced, everything, or a draw for each piece. */
export function lossPolicy(dice: Dice): LossPolicy {
  const mood = dice.below(4);
  const renamesWhole = dice.chance(0.8);
  if (mood === 0) return NOTHING_KEPT;
  if (mood === 1) return { name: () => true, renamesWhole, change: () => 'keep' };
  const bias = dice.fraction();
  return {
    name: () => dice.chance(bias),
    renamesWhole,
    change: () => {
      if (dice.chance(0.3)) return () => dice.chance(0.5);
      return dice.chance(bias) ? 'keep' : 'lose';
    },
  };
}

export const NOTHING_KEPT: LossPolicy = { name: () => false, renamesWhole: true, change: () => 'lose' };
