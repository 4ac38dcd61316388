import { open, type FileHandle } from 'node:fs/promises';
import { TransportError, type LocalFile } from '../transport.ts';
import { fileError } from './file-errors.ts';

/** Bytes read from a local file at a time; with less, FTP uploads lose half their speed. */
export const READ_CHUNK = 1 << 20;

/** @throws TransportError when it cannot be opened, or `Integrity` when it has another size than it should */
export async function openLocalFile(source: LocalFile): Promise<FileHandle> {
  const action = `reading ${source.path}`;
  let file;
  try {
    file = await open(source.path, 'r');
    const { size } = await file.stat();
    if (size === source.size) return file;
    throw changed(source, size);
  } catch (error) {
    await file?.close();
    throw fileError(error, action, source.path);
  }
}

/** The error for a file that has not the size it was announced with. */
export function changed(source: LocalFile, size: number): TransportError {
  return new TransportError(
    'Integrity',
    `${source.path} has ${size} bytes where ${source.size} were expected`,
    {
      remedy: 'a file must not change while it is sent; see what else writes to it',
    },
  );
}

/** Fills the buffer. @throws TransportError when the file cannot be read, `Integrity` when it ends before */
export async function readLocal(
  { source, input }: { readonly source: LocalFile; readonly input: FileHandle },
  buffer: Buffer,
  offset: number,
): Promise<void> {
  let done = 0;
  try {
    while (done < buffer.length) {
      const { bytesRead } = await input.read(buffer, done, buffer.length - done, offset + done);
      if (bytesRead === 0) throw changed(source, offset + done);
      done += bytesRead;
    }
  } catch (error) {
    throw fileError(error, `reading ${source.path}`, source.path);
  }
}
