/**
 * Gives up replication files that nobody needs any more (I5). While much is sealed they are kept to be written over, as far as
 * nobody misses their room.
 */
import type { Lsn } from '../../journal/ids.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { SourceBack } from '../source-back/source-back.ts';
import type { ReplicationFiles } from './replication-files.ts';

/** Bytes of what is kept: more than one word of a destination's frees. */
const SPARE_BYTES_MAX = 256 * 1024 * 1024;

export interface FreeingOptions {
  readonly files: ReplicationFiles;
  readonly back: Pick<Remote<SourceBack>, 'free' | 'dropSpares'>;
  /** What every destination has durably received; `LSN_NONE` while one has said nothing. Undefined: no destinations. */
  readonly received: () => Lsn | undefined;
  /** What is destaged here. */
  readonly applied: () => Lsn;
  /** Whether a link reads the file of this name. */
  readonly isSending: (name: string) => boolean;
  /** The buffer's, bytes. */
  readonly quota: () => number;
  /** Of the buffer's file system, bytes. */
  readonly free: () => number;
}

export class Freeing {
  readonly #options: FreeingOptions;
  #sealed = 0;
  #mayHaveSpares = false;

  constructor(options: FreeingOptions) {
    this.#options = options;
  }

  /**
   * I5: what is destaged here and durably received by every destination. @throws the file system's errors; what could not be removed
   * takes room, and is tried again
   */
  async free(): Promise<void> {
    const { files, back, received, applied, isSending } = this.#options;
    const upTo = Math.min(received() ?? Number.MAX_SAFE_INTEGER, applied());
    const spareBytes = this.#spareBytes();
    await files.free(upTo, async (file) => {
      const isKept = await back.free(file, isSending(file.name) ? 0 : spareBytes);
      if (isKept) this.#mayHaveSpares = true;
    });
  }

  /** The same, now and then; what was kept goes when nothing was sealed since the last time. */
  async tidy(): Promise<void> {
    await this.free();
    const before = this.#sealed;
    this.#sealed = this.#options.files.sealed;
    if (this.#sealed > before || !this.#mayHaveSpares) return;
    this.#mayHaveSpares = false;
    await this.#options.back.dropSpares();
  }

  /** Of the quota only what is not used, and of the disk half of what is free: replication files themselves come first (I8). */
  #spareBytes(): number {
    const { files, quota, free } = this.#options;
    return Math.min(SPARE_BYTES_MAX, quota() - files.bytes, free() / 2);
  }
}
