/** What is brought here, in a local file under a name of its own until it is whole. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { TransportError, type LocalFile, type Pace, type TransferOptions } from '../transport.ts';
import { fileError } from './file-errors.ts';
import { NO_FOLLOW } from './folder-part.ts';
import { monotonicProgress, type ReportProgress } from './progress.ts';
import { absent, tooLarge } from './refusals.ts';
import { resumeOffset } from './resume.ts';
import { syncPart } from './sync-part.ts';

/**
 * Opens the target, has `bring` write what lies behind {@link LocalPart.position}, and sees that it is the whole and durable.
 * @throws TransportError of the local file, or `Integrity` when there was less than its size
 */
export async function receiveInto(
  target: LocalFile,
  options: Pick<TransferOptions, 'onProgress'>,
  bring: (part: LocalPart) => Promise<void>,
): Promise<void> {
  const part = await LocalPart.open(target, monotonicProgress(target.size, options.onProgress));
  try {
    await bring(part);
    await part.finish();
  } finally {
    await part.close();
  }
}

/** Before anything is taken in. `size`: the server's word, undefined when there is no such file. @throws TransportError */
export function checkRemoteSize(what: string, size: number | undefined, expected: number): void {
  if (size === undefined) throw absent(what);
  if (size > expected) throw tooLarge(what, expected);
  if (size < expected) throw tooShort(what, size, expected);
}

/** Written in order, from the position on. */
export class LocalPart {
  readonly size: number;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #progress: ReportProgress;
  #position: number;

  /** @throws TransportError */
  static async open(target: LocalFile, progress: ReportProgress): Promise<LocalPart> {
    let file;
    try {
      file = await open(target.path, constants.O_RDWR | constants.O_CREAT | NO_FOLLOW, 0o600);
      const { size } = await file.stat();
      const start = resumeOffset(size, target.size);
      if (size !== start) await file.truncate(start);
      progress(start);
      return new LocalPart(target, file, { start, progress });
    } catch (error) {
      await file?.close();
      throw fileError(error, `writing ${target.path}`, target.path);
    }
  }

  private constructor(
    target: LocalFile,
    file: FileHandle,
    { start, progress }: { readonly start: number; readonly progress: ReportProgress },
  ) {
    this.size = target.size;
    this.#path = target.path;
    this.#file = file;
    this.#position = start;
    this.#progress = progress;
  }

  /** Bytes that are here. */
  get position(): number {
    return this.#position;
  }

  /** @throws TransportError `TooLarge` where they would go past the size: what a server sends is not written on its word alone */
  async write(bytes: Buffer): Promise<void> {
    if (this.#position + bytes.length > this.size) throw tooLarge(this.#path, this.size);
    await this.#attempt(async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#position);
        done += bytesWritten;
        this.#position += bytesWritten;
      }
    });
    this.#progress(this.#position);
  }

  /** @throws TransportError `Integrity` when it is not whole */
  async finish(): Promise<void> {
    if (this.#position !== this.size) throw tooShort(this.#path, this.#position, this.size);
    await this.#attempt(() => syncPart(this.#file));
  }

  async close(): Promise<void> {
    await this.#attempt(() => this.#file.close());
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw fileError(error, `writing ${this.#path}`, this.#path);
    }
  }
}

export interface RemoteReader {
  /** Bytes of one read. */
  readonly step: number;
  /** Reads under way at once. */
  readonly atOnce: number;
  readonly pace: Pace | undefined;
  /** Fewer only where the file ends. A buffer that is given out may be used again after so many further reads. */
  readonly read: (position: number, length: number) => Promise<Buffer>;
}

interface PendingRead {
  readonly length: number;
  readonly bytes: Promise<Buffer>;
}

/** Writes all that lies behind the part's position, several reads under way at once: one a round trip would leave a line idle. */
export async function readInto(part: LocalPart, { step, atOnce, pace, read }: RemoteReader): Promise<void> {
  const underWay: PendingRead[] = [];
  let asked = part.position;
  try {
    while (part.position < part.size) {
      while (underWay.length < atOnce && asked < part.size) {
        const wanted = Math.min(step, part.size - asked);
        const length = (await pace?.(wanted)) ?? wanted;
        const bytes = read(asked, length);
        // Whoever waits for it hears of it; until then nobody does.
        bytes.catch(() => undefined);
        underWay.push({ length, bytes });
        asked += length;
      }
      const next = underWay.shift();
      if (next === undefined) return;
      const bytes = await next.bytes;
      await part.write(bytes);
      // The file ends before its size: what is missing is told by the part.
      if (bytes.length < next.length) return;
    }
  } finally {
    await Promise.allSettled(underWay.map(({ bytes }) => bytes));
  }
}

function tooShort(what: string, size: number, expected: number): TransportError {
  return new TransportError('Integrity', `${what}: there are ${size} bytes where ${expected} were listed`, {
    remedy: 'see what else writes there; it is asked for again',
  });
}
