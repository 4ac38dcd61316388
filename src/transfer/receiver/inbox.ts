import { constants } from 'node:fs';
import { open, opendir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import {
  INBOX_FOLDER,
  JOURNAL_FOLDER,
  OUTBOX_FOLDER,
  OUTBOX_STATUS_FOLDER,
  PART_SUFFIX,
  STATUS_FILE,
  STATUS_FOLDER,
} from '../../journal/names.ts';
import { TRAILER_SIZE, decodeTrailer } from '../../journal/segment/format.ts';
import { SegmentRefused } from '../../journal/segment/segment.ts';
import { STATUS_SIZE_MAX } from '../../journal/status.ts';
import { readSmallFile } from '../../platform/atomic-file.ts';
import type { Files } from '../../platform/files.ts';
import { LINK_TEST_READ_MAX } from '../link-test-name.ts';
import { NO_FOLLOW } from '../transports/folder-part.ts';
import { syncPart } from '../transports/sync-part.ts';
import { Allowance } from './allowance.ts';
import { openKept, statFile, type KeptSegment } from './kept-segment.ts';
import type { ListedEntry } from './listing.ts';
import type { ReceiverStream } from './options.ts';
import { Refusal } from './reply.ts';
import { inboxPlace, isAnswer, outboxPlace } from './tree.ts';

interface Claim {
  /** Makes its transfer end soon. */
  readonly end: () => void;
  readonly ended: Promise<void>;
}

/**
 * One stream's folder. Every name that comes in is one that `tree.ts` put together. Errors are the operating
 * system's, or a {@link Refusal}.
 */
export class Inbox {
  readonly allowance: Allowance;
  readonly #folder: string;
  readonly #inbox: string;
  readonly #files: Files;
  /** Segments, and the answer, whose part is being written or published, by name. */
  readonly #claims = new Map<string, Claim>();

  constructor(stream: ReceiverStream, files: Files) {
    this.#folder = stream.folder;
    this.#inbox = join(stream.folder, INBOX_FOLDER);
    this.#files = files;
    const { usedBytes } = stream;
    this.allowance = new Allowance({
      quota: stream.quota,
      used: usedBytes === undefined ? () => this.#measure() : () => Promise.resolve(usedBytes()),
      free: () => files.freeSpace(this.#inbox),
    });
  }

  makeFolder(): void {
    this.#files.makeDirectory(this.#inbox);
  }

  /**
   * Takes a segment's part for writing. An earlier writer is ended first and waited for: after a cut the sender comes
   * back before the lost connection is noticed here. Returns what gives it back.
   */
  async claim(name: string, end: () => void): Promise<() => void> {
    // No await between the last look and the claim: two that waited for the same writer must not both have it.
    for (let claim = this.#claims.get(name); claim !== undefined; claim = this.#claims.get(name)) {
      claim.end();
      await claim.ended;
    }
    return this.#claim(name, end);
  }

  /** Ends whoever writes the segment's part, so that its size stands still. */
  async endWriter(name: string): Promise<void> {
    const release = await this.claim(name, () => undefined);
    release();
  }

  /** The part, to be written from `from` on; call with the claim held. @throws Refusal 554 past its end */
  async openPart(name: string, from: number | 'end'): Promise<Part> {
    const path = this.#partPath(name);
    if (isAnswer(name)) this.#files.makeDirectory(this.#folderOf(name));
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | NO_FOLLOW, 0o600);
    try {
      const { size } = await handle.stat();
      if (from !== 'end' && from > size) throw new Refusal(554, `The part has ${size} bytes: resume there`);
      return new Part(handle, from === 'end' ? size : from);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The part becomes the segment, durably, in place of an earlier one. @throws Refusal 450 while it is written */
  async publish(name: string): Promise<void> {
    const release = this.#claimIdle(name);
    try {
      await this.publishClaimed(name);
    } finally {
      release();
    }
  }

  /** The same for who holds the claim. */
  async publishClaimed(name: string): Promise<void> {
    // Synced here too: the part may be left from before a power failure, its last bytes never confirmed to anyone.
    const handle = await open(this.#partPath(name), constants.O_RDWR | NO_FOLLOW);
    try {
      await syncPart(handle);
    } finally {
      await handle.close();
    }
    const folder = this.#folderOf(name);
    await rename(this.#partPath(name), join(folder, name));
    await this.#files.syncDirectoryLater(folder);
  }

  /** @throws Refusal 450 while it is written */
  async removePart(name: string): Promise<void> {
    const release = this.#claimIdle(name);
    try {
      await unlink(this.#partPath(name));
    } finally {
      release();
    }
  }

  async removeTest(name: string): Promise<void> {
    await unlink(join(this.#inbox, name));
  }

  /** A link test's file; undefined when it is not there, or longer than one that is read back. */
  async readTest(name: string): Promise<Buffer | undefined> {
    const path = join(this.#inbox, name);
    const stat = await statFile(path);
    if (stat === undefined || stat.size > LINK_TEST_READ_MAX) return undefined;
    const handle = await open(path, constants.O_RDONLY | NO_FOLLOW);
    try {
      const content = Buffer.alloc(LINK_TEST_READ_MAX);
      const { bytesRead } = await handle.read(content, 0, content.length, 0);
      return content.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  async removeKept(name: string): Promise<void> {
    await unlink(join(this.#folder, OUTBOX_FOLDER, name));
  }

  openKept(name: string): Promise<KeptSegment | undefined> {
    return openKept(join(this.#folder, OUTBOX_FOLDER, name));
  }

  /** A part or a segment; undefined when it is not there. */
  entry(
    kind: 'part' | 'segment' | 'test' | 'kept' | 'answer',
    name: string,
  ): Promise<ListedEntry | undefined> {
    if (kind === 'kept') return entryOf(join(this.#folder, OUTBOX_FOLDER), name);
    return entryOf(this.#folderOf(name), kind === 'part' ? name + PART_SUFFIX : name);
  }

  /** Parts and segments, in no order; anything else in the folder is not shown. */
  async *entries(kind: 'inbox' | 'outbox'): AsyncGenerator<ListedEntry> {
    const folder = join(this.#folder, kind === 'inbox' ? INBOX_FOLDER : OUTBOX_FOLDER);
    const placeOf = kind === 'inbox' ? inboxPlace : outboxPlace;
    if (this.#files.stat(folder) === undefined) return;
    for await (const { name } of await opendir(folder)) {
      if (placeOf(name) === undefined) continue;
      // Segments are taken away while this goes on.
      const entry = await entryOf(folder, name);
      if (entry !== undefined) yield entry;
    }
  }

  statusEntry(): Promise<ListedEntry | undefined> {
    return entryOf(join(this.#folder, STATUS_FOLDER), STATUS_FILE);
  }

  /** Whole, as one write of the destination left it; undefined when there is none yet. */
  readStatus(): Buffer | undefined {
    return readSmallFile(this.#files, join(this.#folder, STATUS_FOLDER, STATUS_FILE), STATUS_SIZE_MAX);
  }

  /** The same of what the other side put there. */
  readAnswer(): Buffer | undefined {
    const path = join(this.#folder, OUTBOX_STATUS_FOLDER, STATUS_FILE);
    return readSmallFile(this.#files, path, STATUS_SIZE_MAX);
  }

  #claim(name: string, end: () => void): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#claims.set(name, { end, ended: promise });
    return () => {
      this.#claims.delete(name);
      resolve(undefined);
    };
  }

  #claimIdle(name: string): () => void {
    if (this.#claims.has(name))
      throw new Refusal(450, 'This segment is being received on another connection');
    return this.#claim(name, () => undefined);
  }

  #partPath(name: string): string {
    return join(this.#folderOf(name), name + PART_SUFFIX);
  }

  /** Of what is written. */
  #folderOf(name: string): string {
    return isAnswer(name) ? join(this.#folder, OUTBOX_STATUS_FOLDER) : this.#inbox;
  }

  async #measure(): Promise<number> {
    let total = 0;
    for (const folder of [this.#inbox, join(this.#folder, JOURNAL_FOLDER)]) {
      if (this.#files.stat(folder) === undefined) continue;
      for await (const { name } of await opendir(folder))
        total += (await statFile(join(folder, name)))?.size ?? 0;
    }
    return total;
  }
}

/** An open part. Only its claim's holder has one. */
export class Part {
  readonly #handle: FileHandle;
  #size: number;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  /** Bytes; where the next ones go. */
  get size(): number {
    return this.#size;
  }

  /** What lies behind the place to resume at goes. */
  async truncate(): Promise<void> {
    await this.#handle.truncate(this.#size);
  }

  async append(chunks: readonly Buffer[], length: number): Promise<void> {
    const { bytesWritten } = await this.#handle.writev(chunks, this.#size);
    this.#size += bytesWritten;
    if (bytesWritten === length) return;
    // A short write comes before ENOSPC: what fits stays, the next call tells why the rest does not.
    const rest = Buffer.concat(chunks).subarray(bytesWritten);
    for (let done = 0; done < rest.length;) {
      const piece = await this.#handle.write(rest, done, rest.length - done, this.#size);
      this.#size += piece.bytesWritten;
      done += piece.bytesWritten;
    }
  }

  /** Whether its end is that of a segment of its size: nothing is missing. */
  async endsAsSegment(): Promise<boolean> {
    if (this.#size < TRAILER_SIZE) return false;
    const trailer = Buffer.alloc(TRAILER_SIZE);
    await this.#handle.read(trailer, 0, TRAILER_SIZE, this.#size - TRAILER_SIZE);
    try {
      decodeTrailer(trailer, this.#size, 'the part');
      return true;
    } catch (error) {
      if (error instanceof SegmentRefused) return false;
      throw error;
    }
  }

  /** Where it fails nothing is left to resume from. */
  sync(): Promise<void> {
    return syncPart(this.#handle);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function entryOf(folder: string, name: string): Promise<ListedEntry | undefined> {
  const stat = await statFile(join(folder, name));
  return stat && { name, kind: 'file', size: stat.size, modifiedAt: stat.mtimeMs };
}
