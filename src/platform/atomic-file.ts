import { dirname } from 'node:path';
import { errorCode } from './errors.ts';
import type { Files } from './files.ts';

/**
 * Replaces a small file so that after a crash it holds the old content or the new, whole (I6). Durable on return.
 * `group`: whether its group may read it.
 */
export function replaceFile(
  files: Files,
  path: string,
  content: Uint8Array,
  { group }: { readonly group: boolean } = { group: false },
): void {
  const temporary = `${path}.new`;
  files.remove(temporary);
  const file = files.open(temporary, 'create-new');
  try {
    if (group) file.shareWithGroup();
    file.write(content, 0);
    file.syncNow();
  } finally {
    file.close();
  }
  files.rename(temporary, path);
  files.syncDirectory(dirname(path));
}

/** The whole of a small file, or undefined when it does not exist. @throws RangeError when it is longer than `limit` bytes */
export function readSmallFile(files: Files, path: string, limit: number): Buffer | undefined {
  let file;
  try {
    file = files.open(path, 'read');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const size = file.size();
    if (size > limit) throw new RangeError(`${path} has ${size} bytes; at most ${limit} are expected`);
    const content = Buffer.alloc(size);
    const count = file.read(content, 0);
    return content.subarray(0, count);
  } finally {
    file.close();
  }
}
