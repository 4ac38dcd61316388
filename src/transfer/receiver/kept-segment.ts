/** A segment of the outbox that is given out. */
import { constants, type Stats } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { errorCode } from '../../platform/errors.ts';
import { NO_FOLLOW } from '../transports/folder-part.ts';

/** Bytes read at a time of what is sent: a slow client has a data connection's time without a byte for so many. */
const KEPT_CHUNK = 64 * 1024;

/** Undefined when it is not there. */
export async function openKept(path: string): Promise<KeptSegment | undefined> {
  const stat = await statFile(path);
  return stat && new KeptSegment(await open(path, constants.O_RDONLY | NO_FOLLOW), stat.size);
}

/** To be closed. */
export class KeptSegment {
  readonly #handle: FileHandle;
  readonly size: number;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  /** What lies behind `from`. A chunk is good until the next one is asked for. */
  async *chunks(from: number): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafe(KEPT_CHUNK);
    for (let position = from; position < this.size;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Undefined for what is not there and for what is no regular file. */
export async function statFile(path: string): Promise<Stats | undefined> {
  try {
    const stat = await lstat(path);
    return stat.isFile() ? stat : undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
