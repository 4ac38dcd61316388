import { ExtentList, HostError, type Extent, type HostVolume } from '../nbd/front-end.ts';
import { describeError } from '../platform/errors.ts';
import type { SnapshotReader } from './snapshot-store.ts';

/** One volume of a recovery point as a front end serves it, read only. */
export class ViewedVolume implements HostVolume {
  readonly name: string;
  readonly size: number;
  readonly readOnly = true;
  readonly #reopen: () => SnapshotReader;
  #reader: SnapshotReader;

  /** `reopen`: opens it anew, in the store as it is then. @throws as `SnapshotStore.open` does */
  constructor(name: string, reopen: () => SnapshotReader) {
    this.name = name;
    this.#reopen = reopen;
    this.#reader = reopen();
    this.size = this.#reader.size;
  }

  room(): undefined {
    return undefined;
  }

  write(): never {
    throw readOnly(this.name);
  }

  zero(): never {
    throw readOnly(this.name);
  }

  read(offset: number, into: Buffer): void {
    this.#attempt(() => this.#reader.read(offset, into));
  }

  readNow(offset: number, into: Buffer): undefined {
    this.read(offset, into);
    return undefined;
  }

  extents(offset: number, length: number, max: number): Extent[] {
    const list = new ExtentList(max);
    this.#attempt(() => this.#reader.extents(offset, length, list));
    return list.extents;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Goes on with a reader of its own making; the one before is held until the new one is there, so that the snapshot is
   * never without a reader. @throws as `SnapshotStore.open` does: the one before stays
   */
  renew(): void {
    const reader = this.#reopen();
    this.#reader.close();
    this.#reader = reader;
  }

  close(): void {
    this.#reader.close();
  }

  /** A volume that was away and came back is found again: the next read is of what is there then. */
  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      try {
        this.renew();
      } catch {
        // The first error is the one to tell; this is tried again after the next.
      }
      throw new HostError('EIO', describeError(error));
    }
  }
}

function readOnly(name: string): HostError {
  return new HostError('EPERM', `${name} is mounted read-only`);
}
