import { dirname } from 'node:path';
import type { Files } from '../platform/files.ts';

/**
 * Gives an image file its size, durably, name and all: without them a crash would take the volume away after it was
 * checkpointed (I6). One that has that size gets it again: the sync of an attempt before may have failed, after which others
 * succeed without what it was to write. @throws the file system's errors
 */
export function makeImage(files: Files, path: string, size: number): void {
  const file = files.open(path, 'create');
  try {
    file.truncate(size);
    file.syncNow();
  } finally {
    file.close();
  }
  files.syncDirectory(dirname(path));
}
