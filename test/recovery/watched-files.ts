import type { Files, OpenFile } from '../../src/platform/files.ts';

export interface Call {
  readonly name: string;
  readonly path: string;
}

/** The process is gone. */
export class Death extends Error {}

/**
 * Shows every platform call before it is made. When `before` throws, the call is not made; of a write, its first half
 * is, because a system call for a long one may be cut.
 */
export function watchedFiles(
  files: Files,
  before: (call: Call) => void,
): Files & { readonly closeAll: () => void; readonly openCount: () => number } {
  const opened = new Set<OpenFile>();
  const watch =
    <A extends unknown[], R>(name: string, call: (...args: A) => R, path?: string) =>
    (...args: A): R => {
      before({ name, path: path ?? String(args[0]) });
      return call(...args);
    };
  const watchedFile = (file: OpenFile): OpenFile => ({
    path: file.path,
    size: watch('size', () => file.size(), file.path),
    read: watch('read', (into, position) => file.read(into, position), file.path),
    readNow: (into, position) => file.readNow(into, position),
    write: (from, position) => {
      try {
        before({ name: 'write', path: file.path });
      } catch (error) {
        if (error instanceof Death && !error.message.includes('already')) {
          file.write(from.subarray(0, Math.floor(from.length / 2)), position);
        }
        throw error;
      }
      file.write(from, position);
    },
    sync: watch('sync', () => file.sync(), file.path),
    syncNow: watch('syncNow', () => file.syncNow(), file.path),
    beginSync: () => watch('syncNow', file.beginSync(), file.path),
    shareWithGroup: () => file.shareWithGroup(),
    truncate: watch('truncate', (size) => file.truncate(size), file.path),
    allocate: watch('allocate', (size) => file.allocate(size), file.path),
    punchHole: watch('punchHole', (position, length) => file.punchHole(position, length), file.path),
    startReading: watch('startReading', (position, length) => file.startReading(position, length), file.path),
    startWriting: (position, length) => file.startWriting(position, length),
    forgetCached: watch('forgetCached', (position, length) => file.forgetCached(position, length), file.path),
    nextData: watch('nextData', (position) => file.nextData(position), file.path),
    close: () => {
      opened.delete(file);
      file.close();
    },
  });
  return {
    open: watch('open', (path, mode) => {
      const file = files.open(path, mode);
      opened.add(file);
      return watchedFile(file);
    }),
    stat: watch('stat', (path) => files.stat(path)),
    list: watch('list', (directory) => files.list(directory)),
    makeDirectory: watch('makeDirectory', (directory) => files.makeDirectory(directory)),
    rename: watch('rename', (from, to) => files.rename(from, to)),
    remove: watch('remove', (path) => files.remove(path)),
    removeLater: watch('remove', (path) => files.removeLater(path)),
    removeTree: watch('removeTree', (directory) => files.removeTree(directory)),
    syncDirectory: watch('syncDirectory', (directory) => files.syncDirectory(directory)),
    syncDirectoryLater: watch('syncDirectoryLater', (directory) => files.syncDirectoryLater(directory)),
    clone: watch('clone', (from, to) => files.clone(from, to)),
    freeSpace: watch('freeSpace', (path) => files.freeSpace(path)),
    openCount: () => opened.size,
    closeAll: () => {
      for (const file of opened) file.close();
      opened.clear();
    },
  };
}

/** Dies at the `at`-th call, counted from 1, and at every later one. */
export function dyingFiles(
  files: Files,
  at: number,
): ReturnType<typeof watchedFiles> & { readonly dead: () => boolean } {
  let calls = 0;
  const watched = watchedFiles(files, () => {
    calls += 1;
    if (calls === at) throw new Death('dead');
    if (calls > at) throw new Death('already dead');
  });
  return { ...watched, dead: () => calls >= at };
}
