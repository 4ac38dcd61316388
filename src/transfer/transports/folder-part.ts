/** What a folder transport writes under a name of its own until it is whole. */
import { constants } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { errorCode } from '../../platform/errors.ts';
import { TransportError, type LocalFile, type Pace } from '../transport.ts';
import type { BoundedCalls } from './bounded-calls.ts';
import { changed, readLocal, READ_CHUNK } from './local-file.ts';
import { paced } from './paced.ts';
import type { ReportProgress } from './progress.ts';
import { ReadAhead, type SpareBuffers } from './read-ahead.ts';
import { syncPart } from './sync-part.ts';

/** A server that is not trusted may put a link where a file of ours goes (I12). Windows has no such flag. */
export const NO_FOLLOW = (constants.O_NOFOLLOW as number | undefined) ?? 0;

/** One transfer into a part. */
export interface PartCopy {
  readonly source: LocalFile;
  readonly input: FileHandle;
  readonly path: string;
  readonly progress: ReportProgress;
  readonly pace: Pace | undefined;
  /** @throws TransportError `Cancelled` once the transfer is aborted */
  readonly check: () => void;
  readonly spare: SpareBuffers;
}

export interface OpenPart {
  readonly file: FileHandle;
  /** Whether there was none before, so that it holds nothing. */
  readonly isFresh: boolean;
}

/** Hardly ever is a part there, and to find that out by making it costs one call where looking costs three. */
export async function openPart(calls: BoundedCalls, path: string): Promise<OpenPart> {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return { file: await calls.run(() => open(path, flags | constants.O_EXCL, 0o644)), isFresh: true };
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  await isOrdinaryFile(calls, path);
  return { file: await calls.run(() => open(path, flags | NO_FOLLOW, 0o644)), isFresh: false };
}

/** The part holds the whole source, durably, when this resolves. */
export async function writePart(
  calls: BoundedCalls,
  { file, isFresh }: OpenPart,
  copy: PartCopy,
): Promise<void> {
  const held = isFresh ? 0 : await verifiedPrefix(calls, file, copy);
  if (!isFresh) await calls.run(() => file.truncate(held));
  await copyFrom(held, { calls, part: file, copy });
  await calls.run(() => syncPart(file));
  const { size } = await calls.run(() => file.stat());
  if (size !== copy.source.size) throw changed({ path: copy.path, size: copy.source.size }, size);
}

/** False when nothing is there. A pipe would hold up whoever opens it, so what is no ordinary file is refused. */
export async function isOrdinaryFile(calls: BoundedCalls, path: string): Promise<boolean> {
  const status = await calls.unlessAbsent(() => lstat(path));
  if (status === undefined) return false;
  if (status.isFile()) return true;
  throw new TransportError('Exists', `${path} is no ordinary file`, { remedy: `move ${path} away` });
}

/** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
export async function fill(
  calls: BoundedCalls,
  file: FileHandle,
  into: Buffer,
  position: number,
): Promise<number> {
  let length = 0;
  while (length < into.length) {
    const rest = into.length - length;
    const { bytesRead } = await calls.run(() => file.read(into, length, rest, position + length));
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

/** Bytes at the start of the part that equal the source's, a chunk at a time; of a part longer than the source none. */
async function verifiedPrefix(calls: BoundedCalls, part: FileHandle, copy: PartCopy): Promise<number> {
  const { size } = await calls.run(() => part.stat());
  if (size > copy.source.size) return 0;
  const ours = Buffer.allocUnsafe(READ_CHUNK);
  const theirs = Buffer.allocUnsafe(READ_CHUNK);
  let position = 0;
  while (position < size) {
    copy.check();
    const length = await fill(calls, part, theirs, position);
    if (length === 0) break;
    await readLocal(copy, ours.subarray(0, length), position);
    if (ours.compare(theirs, 0, length, 0, length) !== 0) break;
    position += length;
    copy.progress(position);
  }
  return position;
}

async function copyFrom(
  start: number,
  { calls, part, copy }: { calls: BoundedCalls; part: FileHandle; copy: PartCopy },
): Promise<void> {
  const { source, input, pace, check, progress } = copy;
  progress(start);
  const reader = new ReadAhead({ local: source, file: input, start, pace }, copy.spare);
  let position = start;
  try {
    for (let chunk = await reader.next(); chunk?.position === position; chunk = await reader.next()) {
      for await (const piece of paced(chunk.bytes, pace)) {
        check();
        // One at a time: on a share whose server is away each would hold one of the process's few threads for files.
        await write(calls, part, piece, position);
        position += piece.length;
        progress(position);
      }
      chunk.release();
    }
  } finally {
    await reader.stop();
  }
  if (position !== source.size) throw changed(source, position);
}

async function write(calls: BoundedCalls, file: FileHandle, from: Buffer, position: number): Promise<void> {
  let length = 0;
  while (length < from.length) {
    const rest = from.length - length;
    const { bytesWritten } = await calls.run(() => file.write(from, length, rest, position + length));
    length += bytesWritten;
  }
}
