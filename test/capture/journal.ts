/** A journal on a disk in memory: what was appended, and what a restart finds of it. */
import { JournalWriter } from '../../src/capture/journal-writer.ts';
import { recoverRaws } from '../../src/capture/recover.ts';
import { RAWS_SURE } from '../../src/capture/raw-pool.ts';
import type { ClosedRaw } from '../../src/journal/raw-segment.ts';
import { RecordKind, type JournalRecord } from '../../src/journal/record.ts';
import { epoch, lsn, LSN_NONE, type Lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import type { OperatorError } from '../../src/platform/errors.ts';
import type { Files } from '../../src/platform/files.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { seededRandom } from '../support/random.ts';
import { TamperedFiles } from '../support/tampered-files.ts';
import { SimulatedClock } from '../transfer/simulated-clock.ts';

export const JOURNAL = '/group/journal';
export const EPOCH = { number: epoch(1), id: 'ab'.repeat(16) };
const HEADROOM = 28;
const SECTOR = 512;

/** What a record was for, told by its payload's first number. */
export interface Seen {
  readonly lsn: Lsn;
  readonly kind: RecordKind;
  readonly tag: number;
}

export interface JournalOptions {
  readonly segmentSize?: number;
  readonly segmentAge?: number;
  readonly disk?: MemoryDisk;
  readonly next?: Lsn;
}

export class Journal {
  readonly disk: MemoryDisk;
  readonly files: TamperedFiles;
  readonly clock = new SimulatedClock();
  readonly closed: { readonly raw: ClosedRaw; readonly generation: number }[] = [];
  readonly failures: OperatorError[] = [];
  readonly writer: JournalWriter;
  /** Records of {@link write} that were taken, by the order in which they were. */
  readonly taken: number[] = [];

  constructor(options: JournalOptions = {}, prepare: (files: TamperedFiles) => void = () => undefined) {
    this.disk = options.disk ?? new MemoryDisk({ clones: false });
    this.disk.makeDirectory(JOURNAL);
    this.files = new TamperedFiles(this.disk);
    prepare(this.files);
    this.writer = new JournalWriter({
      files: this.files,
      clock: this.clock,
      random: seededRandom('journal'),
      folder: JOURNAL,
      segmentSize: options.segmentSize ?? 64 * 1024,
      segmentAge: options.segmentAge ?? 1000,
      rawsMax: RAWS_SURE,
      extents: () => 0,
      epoch: EPOCH,
      next: options.next ?? lsn(1),
      recovered: [],
      onClosed: (raw, generation) => this.closed.push({ raw, generation }),
      onFailed: (error) => this.failures.push(error),
    });
  }

  /** One run of writes, each with its tag as its payload's first number. @throws what the writer throws */
  write(tags: readonly number[], sectors = 1): void {
    const piece = HEADROOM + sectors * SECTOR;
    const buffer = Buffer.alloc(tags.length * piece);
    tags.forEach((tag, i) => buffer.writeUInt32BE(tag, i * piece + HEADROOM));
    const run = {
      buffer,
      start: 0,
      count: tags.length,
      offsets: Float64Array.from(tags, (tag) => tag * SECTOR),
      lengths: Uint32Array.from(tags, () => sectors * SECTOR),
    };
    this.writer.appendWrites(run, 0 as VolumeIndex, 0, () => undefined);
    this.taken.push(...tags);
  }

  /** A record of the group. */
  control(kind: RecordKind, tag: number): Lsn {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(tag);
    return this.writer.append({ kind, volume: 0 as VolumeIndex, flags: 0, offset: 0, payload });
  }

  /** What a restart finds, clock records left out. */
  recover(done: Lsn = LSN_NONE, files: Files = this.disk): { readonly seen: Seen[]; readonly last: Lsn } {
    const seen: Seen[] = [];
    const { last } = recoverRaws(files, JOURNAL, EPOCH, done, (raw) => {
      for (const record of raw.records) if (record.kind !== RecordKind.clock) seen.push(seenOf(record));
    });
    return { seen, last };
  }
}

function seenOf({ lsn: at, kind, payload }: JournalRecord): Seen {
  return { lsn: at, kind, tag: payload.length < 4 ? 0 : payload.readUInt32BE(0) };
}

export const tags = (seen: readonly Seen[]): number[] => seen.map(({ tag }) => tag);

/** Lets what waits for promises alone happen. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Whether a promise has settled by now. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const done = (): void => void (settled = true);
  promise.then(done, done);
  await settle();
  return settled;
}
