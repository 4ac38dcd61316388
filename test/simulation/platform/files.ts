/** The product's view of a machine's disk: every call can fail, or be the last thing that its program does. */
import { dirname } from 'node:path';
import type { Files, OpenFile, OpenMode } from '../../../src/platform/files.ts';
import { systemError } from './disk.ts';
import { PAGE, type Inode } from './inode.ts';
import type { CallFault, CallKind, Machine } from './machine.ts';

/** The program whose files they are. */
export interface FilesOwner {
  readonly machine: Machine;
  /** Whether its file systems share blocks. */
  readonly clones: boolean;
  /** @throws Death */
  check(): void;
  /** What to throw at the one who is in the middle of a call. */
  kill(power: boolean): Error;
  after(delay: number, then: () => void): unknown;
}

type Failure = Extract<CallFault, { kind: 'error' }>;

export class SimulatedFiles implements Files {
  readonly #program: FilesOwner;
  readonly #machine: Machine;

  constructor(program: FilesOwner) {
    this.#program = program;
    this.#machine = program.machine;
  }

  open(path: string, mode: OpenMode): OpenFile {
    return this.call('open', path, () => {
      const { disk } = this.#machine;
      const inode = disk.find(path);
      if (inode !== undefined && mode === 'create-new') throw systemError('EEXIST', path);
      if (inode === undefined && (mode === 'read' || mode === 'write')) throw systemError('ENOENT', path);
      return new SimulatedFile(this, this.#program, path, inode ?? disk.create(path), mode !== 'read');
    });
  }

  stat(path: string): ReturnType<Files['stat']> {
    return this.call('stat', path, () => this.#machine.disk.stat(path));
  }

  /** In an order of its own, as real directories are. */
  list(directory: string): string[] {
    return this.call('list', directory, () => {
      const names = this.#machine.disk.list(directory);
      for (let i = names.length - 1; i > 0; i -= 1) {
        const other = this.#machine.dice.below(i + 1);
        [names[i], names[other]] = [names[other]!, names[i]!];
      }
      return names;
    });
  }

  makeDirectory(directory: string): void {
    this.call('make-directory', directory, () => this.#machine.disk.makeDirectory(directory));
  }

  rename(from: string, to: string): void {
    this.call('rename', to, () => {
      this.#machine.disk.rename(from, to);
      this.#machine.tell((watcher) => watcher.renamed?.(from, to));
    });
  }

  remove(path: string): void {
    this.call('remove', path, () => this.#remove(path));
  }

  removeLater(path: string): Promise<void> {
    return this.later('remove', path, () => this.#remove(path));
  }

  removeTree(directory: string): void {
    this.call('remove', directory, () => this.#machine.disk.removeTree(directory));
  }

  syncDirectory(directory: string): void {
    this.call('sync-directory', directory, () => this.#machine.disk.syncDirectory(directory));
  }

  syncDirectoryLater(directory: string): Promise<void> {
    return this.later('sync-directory', directory, () => this.#machine.disk.syncDirectory(directory));
  }

  clone(from: string, to: string): boolean {
    return this.call('clone', to, () => {
      const { disk } = this.#machine;
      const source = disk.find(from);
      if (source === undefined) throw systemError('ENOENT', from);
      if (disk.find(to) !== undefined) throw systemError('EEXIST', to);
      if (!this.#program.clones) return false;
      if (!disk.stat(dirname(to))) throw systemError('ENOENT', to);
      disk.link(to, source.copy());
      return true;
    });
  }

  freeSpace(path: string): number {
    return this.call('stat', path, () => this.#machine.disk.freeAt(path));
  }

  /** Every call goes through here. `partly`: what a call that fails has done before it does. */
  call<T>(kind: CallKind, path: string, effect: () => T, partly?: (failure: Failure) => void): T {
    const fault = this.#enter(kind, path);
    if (fault?.kind === 'error') {
      partly?.(fault);
      throw systemError(fault.code, path);
    }
    const result = effect();
    if (fault !== undefined) throw this.#program.kill(fault.power);
    return result;
  }

  /** A call that waits for the medium, off the thread. */
  later(
    kind: CallKind,
    path: string,
    effect: () => void,
    partly?: (failure: Failure) => void,
  ): Promise<void> {
    const fault = this.#enter(kind, path);
    return new Promise((resolve, reject) => {
      this.#program.after(this.#machine.dice.fraction() * 8, () => {
        if (fault?.kind === 'error') {
          partly?.(fault);
          reject(systemError(fault.code, path));
          return;
        }
        effect();
        if (fault === undefined) resolve();
        else reject(this.#program.kill(fault.power));
      });
    });
  }

  #remove(path: string): void {
    if (this.#machine.disk.find(path) === undefined) return;
    this.#machine.tell((watcher) => watcher.removing?.(path));
    this.#machine.disk.remove(path);
  }

  #enter(kind: CallKind, path: string): CallFault | undefined {
    this.#program.check();
    this.#machine.calls += 1;
    const fault = this.#machine.fault({ kind, path });
    if (fault?.kind === 'death' && fault.before) throw this.#program.kill(fault.power);
    return fault;
  }
}

class SimulatedFile implements OpenFile {
  readonly path: string;
  readonly #files: SimulatedFiles;
  readonly #machine: Machine;
  readonly #inode: Inode;
  readonly #writable: boolean;
  #open = true;

  constructor(files: SimulatedFiles, program: FilesOwner, path: string, inode: Inode, writable: boolean) {
    this.path = path;
    this.#files = files;
    this.#machine = program.machine;
    this.#inode = inode;
    this.#writable = writable;
  }

  size(): number {
    return this.#call('size', () => this.#inode.size);
  }

  read(into: Uint8Array, position: number): number {
    const failed = (): void => this.#machine.tell((watcher) => watcher.failedToRead?.(this.path));
    return this.#call('read', () => this.#inode.read(into, position), failed);
  }

  /** One in four has to be waited for. */
  readNow(into: Uint8Array, position: number): number | Promise<void> {
    if (Math.floor(position / PAGE) % 4 > 0) return this.read(into, position);
    return this.#files.later('read', this.path, () => undefined);
  }

  /** A write that fails may have written its beginning. */
  write(from: Uint8Array, position: number): void {
    const put = (bytes: Uint8Array): void => {
      if (bytes.length === 0) return;
      this.#inode.modifiedAt = this.#machine.wall();
      this.#inode.write(bytes, position);
    };
    const putPart = (bytes: Uint8Array): void => {
      put(bytes);
      this.#machine.tell((watcher) => watcher.failedToWrite?.(this.path, position, from));
    };
    this.#change(
      'write',
      () => {
        const missing = this.#inode.pagesMissing(position, from.length);
        const room = missing === 0 ? 0 : this.#machine.disk.freeAt(this.path);
        if (missing * PAGE > room) {
          const fits = Math.floor(room / PAGE) * PAGE;
          putPart(from.subarray(0, Math.min(fits, from.length - 1)));
          throw systemError('ENOSPC', this.path);
        }
        put(from);
        this.#machine.tell((watcher) => watcher.wrote?.(this.path, position, from));
      },
      ({ part }) => putPart(from.subarray(0, Math.floor(part * from.length))),
    );
  }

  sync(): Promise<void> {
    this.#check();
    const { made } = this.#inode;
    return this.#files.later(
      'sync',
      this.path,
      () => this.#inode.syncUpTo(made),
      (failure) => this.#dropIf(failure),
    );
  }

  syncNow(): void {
    this.#check();
    this.#files.call(
      'sync',
      this.path,
      () => this.#inode.sync(),
      (failure) => this.#dropIf(failure),
    );
  }

  beginSync(): () => void {
    this.#check();
    const { made } = this.#inode;
    return () => {
      this.#check();
      this.#files.call(
        'sync',
        this.path,
        () => this.#inode.syncUpTo(made),
        (failure) => this.#dropIf(failure),
      );
    };
  }

  startReading(): void {
    // All of it is in memory.
  }

  startWriting(): void {
    // What is not synced reaches the medium or not, as it may without this.
  }

  #dropIf({ drops }: Failure): void {
    if (drops === true) this.#inode.dropDirty();
    this.#machine.tell((watcher) => watcher.failedToSync?.(this.path));
  }

  shareWithGroup(): void {
    // There are no users.
  }

  truncate(size: number): void {
    this.#change('resize', () => this.#inode.resize(size));
  }

  allocate(size: number): void {
    this.#change('resize', () => {
      const missing = this.#inode.pagesMissing(0, size);
      if (missing > 0 && missing * PAGE > this.#machine.disk.freeAt(this.path))
        throw systemError('ENOSPC', this.path);
      this.#inode.reserve(size);
    });
  }

  forgetCached(): boolean {
    return true;
  }

  punchHole(position: number, length: number): boolean {
    return this.#change('punch', () => {
      this.#inode.punch(position, length);
      return true;
    });
  }

  nextData(position: number): { readonly start: number; readonly end: number } | undefined {
    return this.#call('size', () => this.#inode.nextData(position));
  }

  close(): void {
    this.#open = false;
  }

  #check(): void {
    if (!this.#open) throw systemError('EBADF', this.path);
  }

  #call<T>(kind: CallKind, effect: () => T, partly?: (failure: Failure) => void): T {
    this.#check();
    return this.#files.call(kind, this.path, effect, partly);
  }

  #change<T>(kind: CallKind, effect: () => T, partly?: (failure: Failure) => void): T {
    if (!this.#writable) throw systemError('EBADF', this.path);
    return this.#call(kind, effect, partly);
  }
}
