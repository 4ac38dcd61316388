/**
 * What a host protocol (a *front end*: NBD now, iSCSI later) asks of what it serves, and all it knows of it. A source's
 * engine implements it, on the group's host thread, and so does a view of a recovery point, on the thread that destages.
 */

/** A host's request that cannot be served; `code` says which protocol error to answer with. */
export type HostErrorCode = 'EIO' | 'ENOSPC' | 'EINVAL' | 'EPERM' | 'ESHUTDOWN';

export class HostError extends Error {
  readonly code: HostErrorCode;

  /** `cause`: an error that nobody foresaw; its stack is worth keeping. */
  constructor(code: HostErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'HostError';
    this.code = code;
  }
}

/** Bytes in front of each payload of a {@link WriteRun} that the journal overwrites with its record header. */
export const WRITE_HEADROOM = 28;
/** Payload bytes of one write at most: a front end hands over a longer one in pieces, in order, as they arrive. */
export const WRITE_LENGTH_MAX = 256 * 1024;
/** A run, head-room included, is at most this long. */
export const WRITE_RUN_MAX = 1024 * 1024;

/**
 * Writes that arrived together, lying one behind the other in one buffer, each payload preceded by
 * {@link WRITE_HEADROOM} bytes: [28][payload 0][28][payload 1]… The buffer is the caller's again after the call,
 * with the head-room overwritten.
 */
export interface WriteRun {
  readonly buffer: Buffer;
  /** Where the first head-room starts. */
  readonly start: number;
  readonly count: number;
  /** Byte offsets in the volume, multiples of 512; the first `count` entries count. */
  readonly offsets: Float64Array;
  /** Bytes, multiples of 512, at most {@link WRITE_LENGTH_MAX}. */
  readonly lengths: Uint32Array;
}

/** `hole`: reads as zeros and holds no block; `zero`: reads as zeros. */
export interface Extent {
  readonly length: number;
  readonly kind: 'data' | 'zero' | 'hole';
}

/** Extents in order, neighbours of one kind joined, as many as there may be. */
export class ExtentList {
  readonly extents: { length: number; kind: Extent['kind'] }[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** False when there is no place for it any more. */
  add(length: number, kind: Extent['kind']): boolean {
    const newest = this.extents.at(-1);
    if (newest?.kind === kind) newest.length += length;
    else if (this.extents.length === this.#max) return false;
    else this.extents.push({ length, kind });
    return true;
  }
}

export interface HostVolume {
  readonly name: string;
  /** Hosts are told so, and `write` and `zero` throw `EPERM`. */
  readonly readOnly: boolean;
  /** Bytes, a multiple of 512; fixed while it is served. */
  readonly size: number;

  /**
   * Undefined when writes and zeros are taken now; otherwise a promise that settles when it is worth trying again.
   * A front end stops reading from its hosts meanwhile.
   */
  room(): Promise<void> | undefined;
  /** Journals the run with one append (I1). Call only when `room()` is undefined. @throws HostError for the whole run */
  write(run: WriteRun): void;
  /** The range reads as zeros from now on: trim, write-zeroes. `length` below 2^32. @throws HostError */
  zero(offset: number, length: number, options: { readonly keepAllocated: boolean }): void;
  /** Fills `into` with what the volume holds now, undestaged writes included. @throws HostError */
  read(offset: number, into: Buffer): void;
  /**
   * The same, if that waits for no medium. Otherwise the promise settles when `read` can be expected to wait for none, and `into`
   * holds anything. @throws HostError
   */
  readNow(offset: number, into: Buffer): Promise<void> | undefined;
  /** What is where, from `offset` on, at most `max` extents and no further than `length` bytes. @throws HostError */
  extents(offset: number, length: number, max: number): Extent[];
  /**
   * Resolves when every write answered before this call is durable; concurrent calls share syncs (I1). `alone`: nobody else is
   * kept waiting when the thread waits for the medium itself. @throws HostError
   */
  flush(alone: boolean): Promise<void>;
}
