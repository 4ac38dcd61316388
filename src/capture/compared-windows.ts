/** A source's comparing copy, as whoever takes it from window to window calls it. */
import type { Lsn } from '../journal/ids.ts';
import { ComparingCopy, type AskedWindow, type EqualRange, type WindowOutcome } from './comparing-copy.ts';
import type { RegionCopyOptions } from './region-copy.ts';

export class ComparedWindows {
  #copy: ComparingCopy | undefined;
  #asked = Promise.withResolvers<AskedWindow | undefined>();

  /** `asked` resolves as `next` does, with the first window. */
  begin(options: RegionCopyOptions): {
    readonly copy: ComparingCopy;
    readonly asked: Promise<AskedWindow | undefined>;
  } {
    this.#asked = Promise.withResolvers();
    this.#copy = new ComparingCopy({ ...options, onAsked: (window) => this.#asked.resolve(window) });
    return { copy: this.#copy, asked: this.#asked.promise };
  }

  /** What differs is sent from now on; returns what is the same everywhere. */
  answer(outcome: WindowOutcome): readonly EqualRange[] {
    return this.#copy?.answer(outcome) ?? [];
  }

  /** What a window's answer came to is noted. Resolves with the next one; undefined: there is none, or the copy was stopped. */
  next(window: Lsn): Promise<AskedWindow | undefined> {
    if (this.#copy?.goOn(window) !== true) return Promise.resolve(undefined);
    this.#asked = Promise.withResolvers();
    return this.#asked.promise;
  }

  /** The copy is at its end, or was stopped. */
  end(): void {
    this.#copy = undefined;
    this.#asked.resolve(undefined);
  }
}
