/**
 * Files as the engines see them. Calls are synchronous because the engines run in threads of their own, where a
 * synchronous call costs a fifth of an asynchronous one; only `sync`, which waits for the medium, is not.
 *
 * Failures are the operating system's: errors with a `code` such as `ENOSPC`, `EIO`, `ENOENT`.
 * Positions and lengths are bytes.
 */
export interface OpenFile {
  readonly path: string;
  /** Bytes; of a block device its capacity. */
  size(): number;
  /** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): number;
  /**
   * The same, if that waits for no medium. Otherwise what is to be read is brought into memory, off this thread, and the promise
   * settles when that is done, or has failed as `read` will. Where the platform cannot tell, it waits.
   */
  readNow(into: Uint8Array, position: number): number | Promise<void>;
  /** What lies in a range is on its way to memory from now on, so that a later read need not wait for it; it promises nothing. */
  startReading(position: number, length: number): void;
  /** Writes all of `from` at `position`, or throws. */
  write(from: Uint8Array, position: number): void;
  /** Data and size reach the medium (fdatasync), off this thread. */
  sync(): Promise<void>;
  /**
   * What was written in a range is on its way to the medium from now on, so that a later sync finds less to wait for; it
   * promises nothing. For a range in one piece: where blocks are strewn, it waits for the device to take them.
   */
  startWriting(position: number, length: number): void;
  /** The same, waited for here: for threads that have nothing else to do. */
  syncNow(): void;
  /**
   * The same begins, for what was written so far. The result, to be called once before the file is synced in another way or
   * closed, waits for it and throws what it failed with, which no other sync tells then. Where the platform cannot, all of it
   * is done when it is waited for.
   */
  beginSync(): () => void;
  truncate(size: number): void;
  /** Reserves blocks for [0, size) where the file system can, and sets the size. Throws `ENOSPC` if they are not there. */
  allocate(size: number): void;
  /** Deallocates a range, which then reads as zeros. False where that is not possible: write zeros instead. */
  punchHole(position: number, length: number): boolean;
  /**
   * The first extent of data at or after `position` (SEEK_DATA, SEEK_HOLE), or undefined when only a hole follows.
   * Where the file system cannot tell, everything is data.
   */
  nextData(position: number): { readonly start: number; readonly end: number } | undefined;
  /**
   * What the system's memory holds of a range is dropped, so that the next read comes from the medium; what has not reached
   * that is kept. False where the platform cannot.
   */
  forgetCached(position: number, length: number): boolean;
  /** Its group may read it (mode 0640): what is made is its owner's alone otherwise. No effect on Windows. */
  shareWithGroup(): void;
  close(): void;
}

/** `read`: must exist. `write`: must exist, read and write. `create`: made when missing. `create-new`: must not exist. */
export type OpenMode = 'read' | 'write' | 'create' | 'create-new';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'block-device' | 'other';
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Of one that takes its place under its name it is another, as far as the file system can tell. */
  readonly identity: string;
}

export interface Files {
  open(path: string, mode: OpenMode): OpenFile;
  /** Undefined when nothing is there. */
  stat(path: string): FileStat | undefined;
  /** Names in a directory, in no order. Throws `ENOENT` when it is missing. */
  list(directory: string): string[];
  /** Makes the directory and those above it. */
  makeDirectory(directory: string): void;
  /** Replaces `to` when it exists. Counts only after `syncDirectory` of both directories. */
  rename(from: string, to: string): void;
  /** Removes a file; no error when it is not there. */
  remove(path: string): void;
  /** The same off this thread: what a file has of blocks is given back while it goes on, which takes milliseconds. */
  removeLater(path: string): Promise<void>;
  /** Removes a directory and everything in it; no error when it is not there. */
  removeTree(directory: string): void;
  /** New names, renames and removals in this directory reach the medium. No effect on Windows, which journals them. */
  syncDirectory(directory: string): void;
  /** The same off this thread, for the host path. */
  syncDirectoryLater(directory: string): Promise<void>;
  /** `to` becomes a copy of `from` that shares its blocks (reflink); false where the file system cannot. */
  clone(from: string, to: string): boolean;
  /** Bytes that an unprivileged user can still write to the file system that holds `path`. */
  freeSpace(path: string): number;
}
