import { watch as watchNames } from 'node:fs';
import { PART_SUFFIX } from '../journal/names.ts';

/**
 * Calls back when a name in the folder came or went. Not when something is written to one, nor of what is still arriving: that
 * would be hundreds of times for each segment. An event may be missed: callers look again from time to time.
 */
export function watch(folder: string, onChange: () => void): () => void {
  try {
    const watcher = watchNames(folder, (event, name) => {
      if (event === 'rename' && name?.endsWith(PART_SUFFIX) !== true) onChange();
    });
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    // What cannot be watched (a share, too many watches) is still looked at from time to time.
    return () => undefined;
  }
}
