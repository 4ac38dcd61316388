import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../../src/platform/errors.ts';

const MIB = 1024 * 1024;

/** To the last block, root's own included. Returns the folder to remove. */
export function fill(disk: string): string {
  const folder = join(disk, 'filler');
  mkdirSync(folder, { recursive: true });
  // What is freed counts as free only after a while, and a small file finds a block where a large one does not.
  while ([MIB, 4096, 400].map((size) => addFiles(folder, size)).some((made) => made > 0));
  return folder;
}

/** Files of this size, until there is no room; returns how many. */
function addFiles(folder: string, size: number): number {
  for (let written = 0; ; written += 1) {
    const path = join(folder, randomUUID());
    try {
      writeFileSync(path, Buffer.alloc(size, 1), { flush: true });
    } catch (error) {
      assert.equal(errorCode(error), 'ENOSPC');
      rmSync(path, { force: true });
      return written;
    }
  }
}
