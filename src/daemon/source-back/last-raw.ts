/** The raw segment that was read last: sealing and destaging it read it once. */
import { RAW_SIZE_MAX } from '../../capture/recover.ts';
import { loadRaw, RawMemory, type ClosedRaw, type LoadedRaw } from '../../journal/raw-segment.ts';
import { assert } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';

/** One for all groups of a thread, each of whose calls is done with it when it returns. */
const MEMORY = new RawMemory();

export class LastRaw {
  readonly #files: Files;
  #loaded: { readonly path: string; readonly raw: LoadedRaw; readonly taken: number } | undefined;

  constructor(files: Files) {
    this.#files = files;
  }

  /** Payloads of what was loaded before are no longer valid. @throws the file system's errors */
  load({ path, header, last, end }: ClosedRaw): LoadedRaw {
    const before = this.#loaded;
    // Another group of this thread may have used the memory since.
    const isThere = before?.path === path && before.taken === MEMORY.taken;
    if (isThere && before.raw.header.first === header.first) return before.raw;
    const raw = loadRaw(this.#files, path, { sizeMax: RAW_SIZE_MAX, limit: last, end }, MEMORY);
    assert(raw?.end === end, `${path} does not hold what was journalled`);
    this.#loaded = { path, raw, taken: MEMORY.taken };
    return raw;
  }

  forget(): void {
    this.#loaded = undefined;
  }
}
