import { watch as watchWith } from 'chokidar';

/** Calls back when something in the folder changed. An event may be missed: callers look again from time to time. */
export function watch(folder: string, onChange: () => void): () => void {
  const watcher = watchWith(folder, { depth: 0, ignoreInitial: true, persistent: true });
  watcher.on('all', onChange);
  // What cannot be watched (a share, too many watches) is still looked at from time to time.
  watcher.on('error', () => undefined);
  return () => void watcher.close();
}
