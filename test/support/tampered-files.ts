/** Any files, whose every call that changes something can be counted, made to fail, or be the last before the process dies. */
import type { Files, OpenFile } from '../../src/platform/files.ts';

export class Crash extends Error {
  constructor() {
    super('the process died');
  }
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code });
}

/** `before` or `after` the call had its effect; `half`: a write that reached the file in part. */
export interface Fault {
  readonly when: 'before' | 'half' | 'after';
  readonly error: Error;
}

export interface Change {
  readonly kind:
    | 'open'
    | 'write'
    | 'sync'
    | 'truncate'
    | 'allocate'
    | 'punch-hole'
    | 'make-directory'
    | 'rename'
    | 'remove'
    | 'sync-directory';
  readonly path: string;
  /** Counts up from 1. */
  readonly count: number;
}

export class TamperedFiles implements Files {
  readonly #files: Files;
  /** Every change so far. */
  readonly changes: Change[] = [];
  /** Asked before each change. */
  fault: (change: Change) => Fault | undefined = () => undefined;
  /** Syncs that do not block wait for this before they have their effect. */
  syncGate: Promise<void> | undefined;

  /** Reads that are not to be waited for wait for this: nothing is in memory. */
  readGate: Promise<void> | undefined;

  constructor(files: Files) {
    this.#files = files;
  }

  /** From the n-th change on nothing has an effect any more. */
  dieAt(n: number, when: 'before' | 'after'): void {
    this.fault = ({ count }) => {
      if (count < n) return undefined;
      return { when: count === n ? when : 'before', error: new Crash() };
    };
  }

  open(path: string, mode: Parameters<Files['open']>[1]): OpenFile {
    const open = (): OpenFile => this.#files.open(path, mode);
    return this.#wrap(mode === 'read' ? open() : this.#change('open', path, open));
  }

  stat(path: string): ReturnType<Files['stat']> {
    return this.#files.stat(path);
  }

  list(directory: string): string[] {
    return this.#files.list(directory);
  }

  makeDirectory(directory: string): void {
    this.#change('make-directory', directory, () => this.#files.makeDirectory(directory));
  }

  rename(from: string, to: string): void {
    this.#change('rename', from, () => this.#files.rename(from, to));
  }

  remove(path: string): void {
    this.#change('remove', path, () => this.#files.remove(path));
  }

  removeLater(path: string): Promise<void> {
    return Promise.try(() => this.remove(path));
  }

  removeTree(directory: string): void {
    this.#change('remove', directory, () => this.#files.removeTree(directory));
  }

  syncDirectory(directory: string): void {
    this.#change('sync-directory', directory, () => this.#files.syncDirectory(directory));
  }

  async syncDirectoryLater(directory: string): Promise<void> {
    await this.syncGate;
    this.syncDirectory(directory);
  }

  clone(from: string, to: string): boolean {
    return this.#files.clone(from, to);
  }

  freeSpace(path: string): number {
    return this.#files.freeSpace(path);
  }

  #change<R>(kind: Change['kind'], path: string, act: () => R, half?: () => void): R {
    const change = { kind, path, count: this.changes.length + 1 };
    this.changes.push(change);
    const fault = this.fault(change);
    if (fault?.when === 'before') throw fault.error;
    if (fault?.when === 'half') half?.();
    const result = fault?.when === 'half' ? undefined : act();
    if (fault !== undefined) throw fault.error;
    return result as R;
  }

  #wrap(file: OpenFile): OpenFile {
    const { path } = file;
    return {
      path,
      size: () => file.size(),
      read: (into, position) => file.read(into, position),
      readNow: (into, position) => this.readGate ?? file.readNow(into, position),
      write: (from, position) =>
        this.#change(
          'write',
          path,
          () => file.write(from, position),
          () => file.write(from.subarray(0, Math.floor(from.length / 2)), position),
        ),
      sync: async () => {
        await this.syncGate;
        this.#change('sync', path, () => file.syncNow());
      },
      syncNow: () => this.#change('sync', path, () => file.syncNow()),
      beginSync: () => {
        const wait = file.beginSync();
        return () => this.#change('sync', path, wait);
      },
      shareWithGroup: () => file.shareWithGroup(),
      truncate: (size) => this.#change('truncate', path, () => file.truncate(size)),
      allocate: (size) => this.#change('allocate', path, () => file.allocate(size)),
      punchHole: (position, length) =>
        this.#change('punch-hole', path, () => file.punchHole(position, length)),
      nextData: (position) => file.nextData(position),
      startReading: (position, length) => file.startReading(position, length),
      startWriting: (position, length) => file.startWriting(position, length),
      forgetCached: (position, length) => file.forgetCached(position, length),
      close: () => file.close(),
    };
  }
}
