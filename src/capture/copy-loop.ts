/** Brings over a part of what the volumes hold at a time, between which hosts are served, as long as the journal has room. */
import type { Clock, Timer } from '../platform/clock.ts';
import type { JournalWriter } from './journal-writer.ts';

/** Bytes of data read in one step. */
const STEP_BYTES = 1024 * 1024;
/** Parts that one step looks at. */
const STEP_PARTS = 64;
/** Milliseconds between looks at whether a pause is over. */
const PAUSE = 100;
/** Milliseconds until a step that failed is tried again. */
const RETRY = 2000;

export interface CopyLoopOptions {
  readonly clock: Clock;
  readonly writer: JournalWriter;
  readonly paused: () => boolean;
  readonly onDone: () => void;
  /** A step failed and is tried again until it succeeds; undefined when it has. */
  readonly onTrouble: (error: unknown) => void;
  readonly next: () => Step;
}

/** The bytes of data that were read for a record's worth; `wait`: until it is woken; a promise: until that resolves. */
export type Step = number | 'wait' | 'done' | Promise<void>;

export class CopyLoop {
  readonly #options: CopyLoopOptions;
  #timer: Timer | undefined;
  #waiting = false;
  #stopped = false;
  #troubled = false;

  constructor(options: CopyLoopOptions) {
    this.#options = options;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Goes on now. */
  wake(): void {
    this.#later(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #later(delay: number): void {
    this.#timer?.cancel();
    if (!this.#stopped && !this.#waiting) this.#timer = this.#options.clock.after(delay, () => this.#step());
  }

  #step(): void {
    const { writer, paused, next, onDone, onTrouble } = this.#options;
    try {
      let data = 0;
      for (let part = 0; part < STEP_PARTS && data < STEP_BYTES; part += 1) {
        if (paused()) {
          this.#later(PAUSE);
          return;
        }
        const room = writer.room();
        if (room !== undefined) {
          this.#waitFor(room);
          return;
        }
        const done = next();
        if (this.#troubled) onTrouble(undefined);
        this.#troubled = false;
        if (done === 'done') onDone();
        if (done === 'done' || done === 'wait') return;
        if (done instanceof Promise) {
          this.#waitFor(done);
          return;
        }
        data += done;
      }
      this.#later(0);
    } catch (error) {
      // A journal that failed says so itself, and nothing can be appended to it.
      if (writer.failure !== undefined) return;
      this.#troubled = true;
      onTrouble(error);
      this.#later(RETRY);
    }
  }

  #waitFor(ready: Promise<void>): void {
    this.#waiting = true;
    void ready.then(() => {
      this.#waiting = false;
      this.#later(0);
    });
  }
}
