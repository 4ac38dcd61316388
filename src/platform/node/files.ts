import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../errors.ts';
import type { Files, FileStat, OpenFile, OpenMode } from '../files.ts';
import { beginDataSync } from './background-sync.ts';
import { blockDeviceSize } from './block-device.ts';
import {
  allocateBlocks,
  forgetCached,
  nextData,
  punchHole,
  readCached,
  startReading,
  startWriting,
} from './native.ts';

/** ext4 on Linux 6.16 and later makes later small overwrites slow in what was written in larger pieces. */
const WRITE_PIECE = 64 * 1024;

const FLAGS: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
  'create-new': fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
};

/** Bytes. What is read in order to have it in memory, by all threads of the pool at once, and looked at by nobody. */
const unseen = Buffer.allocUnsafeSlow(256 * 1024);

/** None is open. No system call takes it, whereas a number that was closed may be another file's by then. */
const CLOSED = -1;

class NodeFile implements OpenFile {
  readonly path: string;
  #fd: number;
  /** Bytes of a block device, whose fstat says 0. */
  readonly #deviceSize: number | undefined;
  readonly #opened: Set<OpenFile> | undefined;

  constructor(path: string, mode: OpenMode, opened?: Set<OpenFile>) {
    this.path = path;
    this.#fd = fs.openSync(path, FLAGS[mode], 0o600);
    this.#opened = opened?.add(this);
    this.#deviceSize = fs.fstatSync(this.#fd).isBlockDevice() ? blockDeviceSize(path) : undefined;
  }

  size(): number {
    return this.#deviceSize ?? fs.fstatSync(this.#fd).size;
  }

  read(into: Uint8Array, position: number): number {
    let done = 0;
    while (done < into.length) {
      const count = fs.readSync(this.#fd, into, done, into.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  readNow(into: Uint8Array, position: number): number | Promise<void> {
    switch (readCached(this.#fd, into, position)) {
      case 'filled':
        return into.length;
      case 'cold':
        return bringIn(this.#fd, position, into.length);
      case 'unknown':
        return this.read(into, position);
    }
  }

  startReading(position: number, length: number): void {
    startReading(this.#fd, position, length);
  }

  write(from: Uint8Array, position: number): void {
    let done = 0;
    while (done < from.length) {
      const piece = Math.min(from.length - done, WRITE_PIECE);
      done += fs.writeSync(this.#fd, from, done, piece, position + done);
    }
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  startWriting(position: number, length: number): void {
    startWriting(this.#fd, position, length);
  }

  syncNow(): void {
    fs.fdatasyncSync(this.#fd);
  }

  beginSync(): () => void {
    return beginDataSync(this.#fd) ?? (() => this.syncNow());
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#fd, size);
  }

  allocate(size: number): void {
    if (!allocateBlocks(this.#fd, size)) fs.ftruncateSync(this.#fd, size);
  }

  punchHole(position: number, length: number): boolean {
    return punchHole(this.#fd, position, length);
  }

  nextData(position: number): { readonly start: number; readonly end: number } | undefined {
    return nextData(this.#fd, position, this.size());
  }

  forgetCached(position: number, length: number): boolean {
    return forgetCached(this.#fd, position, length);
  }

  shareWithGroup(): void {
    if (process.platform !== 'win32') fs.fchmodSync(this.#fd, 0o640);
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = CLOSED;
    this.#opened?.delete(this);
    fs.closeSync(fd);
  }
}

/** The file may be closed meanwhile, and another have its number: what is read of that is looked at by nobody either. */
async function bringIn(fd: number, position: number, length: number): Promise<void> {
  for (let done = 0; done < length; done += unseen.length) {
    const count = Math.min(unseen.length, length - done);
    await new Promise<void>((resolve, reject) => {
      fs.read(fd, unseen, 0, count, position + done, (error) => (error === null ? resolve() : reject(error)));
    });
  }
}

function kindOf(stat: fs.Stats): FileStat['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isBlockDevice() ? 'block-device' : 'other';
}

function clone(from: string, to: string): boolean {
  try {
    fs.copyFileSync(from, to, fs.constants.COPYFILE_FICLONE_FORCE | fs.constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EIO' || code === 'EEXIST' || code === 'ENOENT') throw error;
    return false;
  }
}

function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const fd = fs.openSync(directory, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

async function removeLater(path: string): Promise<void> {
  try {
    await fs.promises.unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function syncDirectoryLater(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await fs.promises.open(directory, fs.constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes what is missing and syncs the directory above each that it made. */
function makeDirectory(directory: string): void {
  if (fs.existsSync(directory)) return;
  const parent = dirname(directory);
  makeDirectory(parent);
  fs.mkdirSync(directory, { recursive: true, mode: 0o750 });
  syncDirectory(parent);
}

export const nodeFiles: Files = {
  open: (path, mode) => new NodeFile(path, mode),
  stat(path) {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const kind = kindOf(stat);
    return {
      kind,
      size: kind === 'block-device' ? blockDeviceSize(path) : stat.size,
      modifiedAt: stat.mtimeMs,
      // A file system gives the number of one that was removed to the next at once.
      identity: `${stat.ino}-${stat.birthtimeMs}`,
    };
  },
  list: (directory) => fs.readdirSync(directory),
  makeDirectory,
  rename: (from, to) => fs.renameSync(from, to),
  remove: (path) => fs.rmSync(path, { force: true }),
  removeLater,
  removeTree: (directory) => fs.rmSync(directory, { force: true, recursive: true }),
  syncDirectory,
  syncDirectoryLater,
  clone,
  freeSpace(path) {
    const { bavail, bsize } = fs.statfsSync(path);
    return bavail * bsize;
  },
};

/** What one of several has open, so that it can be closed when that one has ended, however it did. */
export class LentFiles {
  readonly files: Files;
  readonly #open = new Set<OpenFile>();
  #isOver = false;

  constructor() {
    this.files = {
      ...nodeFiles,
      open: (path, mode) => {
        assert(!this.#isOver, `${path} is opened by one that has ended`);
        return new NodeFile(path, mode, this.#open);
      },
    };
  }

  end(): void {
    this.#isOver = true;
    for (const file of this.#open) {
      try {
        file.close();
      } catch {
        // Of what was written and never synced nothing was promised.
      }
    }
  }
}
