/** What arrives in parts is resumed from what is there: of what a failed sync lost no later one says anything (I6). */
import type { FileHandle } from 'node:fs/promises';

/** Durable on return; where it fails nothing is left to resume from. @throws the file system's errors */
export async function syncPart(part: Pick<FileHandle, 'datasync' | 'truncate'>): Promise<void> {
  try {
    await part.datasync();
  } catch (error) {
    await part.truncate(0).catch(() => undefined);
    throw error;
  }
}
