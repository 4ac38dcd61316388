import { basename } from 'node:path';
import type { FileStat, Files, OpenFile } from '../../../src/platform/files.ts';

function missing(path: string): Error {
  return Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
}

const absent = (): never => {
  throw new Error('not a call that this parser should make');
};

/** Files in one folder, in memory. */
export class MemoryFiles implements Files {
  readonly content = new Map<string, Buffer>();

  constructor(files: Readonly<Record<string, Buffer>> = {}) {
    for (const [path, bytes] of Object.entries(files)) this.content.set(path, bytes);
  }

  open(path: string, mode: string): OpenFile {
    if (mode.startsWith('create')) this.content.set(path, Buffer.alloc(0));
    const bytes = (): Buffer => {
      const found = this.content.get(path);
      if (found === undefined) throw missing(path);
      return found;
    };
    bytes();
    return {
      path,
      size: () => bytes().length,
      read: (into, position) => {
        const part = bytes().subarray(Math.min(position, bytes().length), position + into.length);
        into.set(part);
        return part.length;
      },
      readNow: absent,
      write: (from, position) => {
        const end = position + from.length;
        let now = bytes();
        if (end > now.length) {
          now = Buffer.concat([now, Buffer.alloc(end - now.length)]);
          this.content.set(path, now);
        }
        now.set(from, position);
      },
      sync: () => Promise.resolve(),
      syncNow: () => undefined,
      beginSync: absent,
      shareWithGroup: () => undefined,
      truncate: (size) => {
        this.content.set(path, Buffer.from(bytes().subarray(0, size)));
      },
      allocate: absent,
      punchHole: () => false,
      startReading: () => undefined,
      startWriting: () => undefined,
      forgetCached: () => true,
      nextData: absent,
      close: () => undefined,
    };
  }

  stat(path: string): FileStat | undefined {
    const bytes = this.content.get(path);
    return bytes && { kind: 'file', size: bytes.length, modifiedAt: 0, identity: '' };
  }

  list(): string[] {
    return [...this.content.keys()].map((path) => basename(path));
  }

  rename(from: string, to: string): void {
    const bytes = this.content.get(from);
    if (bytes === undefined) throw missing(from);
    this.content.delete(from);
    this.content.set(to, bytes);
  }

  remove(path: string): void {
    this.content.delete(path);
  }

  makeDirectory(): void {
    // There is one folder.
  }

  syncDirectory(): void {
    // Nothing is ever lost.
  }

  syncDirectoryLater(): Promise<void> {
    return Promise.resolve();
  }

  removeLater(path: string): Promise<void> {
    this.remove(path);
    return Promise.resolve();
  }

  removeTree = absent;
  clone = (): boolean => false;
  freeSpace = (): number => Number.MAX_SAFE_INTEGER;
}
