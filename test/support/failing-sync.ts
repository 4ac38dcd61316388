import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { systemError } from './tampered-files.ts';

/** Every sync of a file's data by a handle of Node's fails with EIO while `act` runs. */
export async function whileSyncsFail(act: () => Promise<void>): Promise<void> {
  const handle = await open(tmpdir(), 'r');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  // eslint-disable-next-line @typescript-eslint/unbound-method -- put back as it was
  const { datasync } = prototype;
  prototype.datasync = () => Promise.reject(systemError('EIO'));
  try {
    await act();
  } finally {
    prototype.datasync = datasync;
  }
}
