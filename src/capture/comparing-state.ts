/** `comparing.json` in a source's group folder: what is marked is compared before it is sent, as the destinations have old copies. */
import { join } from 'node:path';
import type { Files } from '../platform/files.ts';
import { writeTwoCopies } from '../platform/two-copy-file.ts';

const FILE = 'comparing.json';

/** The file says it by being there: were it wrong, what is marked would come over all the same. */
export function readComparing(files: Files, folder: string): boolean {
  return files.stat(join(folder, FILE)) !== undefined;
}

/** Durable on return. @throws the file system's errors */
export function writeComparing(files: Files, folder: string, comparing: boolean): void {
  if (comparing === readComparing(files, folder)) return;
  if (comparing) {
    writeTwoCopies(files, join(folder, FILE), Buffer.from('{"version":1}\n'));
    return;
  }
  files.remove(join(folder, FILE));
  files.syncDirectory(folder);
}
