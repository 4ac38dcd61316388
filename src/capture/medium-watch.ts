/**
 * Finds out that a source's own volumes hold what no host wrote: a verify record says of a piece something else than the one
 * before, and no record in between wrote there. What is known follows from the journal's records in their order alone:
 * - A write forgets its pieces durably before the checkpoint covers it; replayed after a crash it forgets again (I6).
 * - A verify record that is not newer than what is known was seen before the crash, and is passed over.
 * - A change is durable before the table goes on from what it found, and is gone only after the table has it as it was.
 * Where this cannot be kept, nothing is known; no write waits for it.
 */
import { LSN_NONE, type AttachedVolume, type Lsn, type VolumeIndex } from '../journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../journal/record.ts';
import { parseVerify, VERIFY_DATA_MAX, verifyDigest } from '../journal/verify.ts';
import { describeError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { DigestTable } from './digest-table.ts';
import {
  MEDIUM_CHANGES_MAX,
  readMediumChanges,
  writeMediumChanges,
  type MediumChange,
} from './medium-changes.ts';

export interface MediumReport {
  readonly changes: readonly MediumChange[];
  /** Why it is not known what the volumes held; undefined: it is, as far as records spoke of it. */
  readonly trouble: string | undefined;
}

/** Bytes. */
export interface MediumRange {
  readonly volume: VolumeIndex;
  readonly offset: number;
  readonly length: number;
}

export class MediumWatch {
  readonly #files: Files;
  readonly #folder: string;
  readonly #sizes: ReadonlyMap<VolumeIndex, number>;
  readonly #table: DigestTable;
  #changes = new Map<string, MediumChange>();
  /** As they were again, and noted still. */
  readonly #leaving = new Map<string, MediumChange>();
  #hasUnnoted = false;
  #mustDrop = false;
  #trouble: string | undefined;

  constructor(files: Files, folder: string, volumes: readonly AttachedVolume[]) {
    this.#files = files;
    this.#folder = folder;
    this.#sizes = new Map(volumes.map(({ index, size }) => [index, size]));
    this.#table = new DigestTable(files, { folder, volumes, beforeWriting: () => this.#noteNew() });
  }

  /** @throws the operating system's errors */
  open(): void {
    this.#changes = new Map(
      readMediumChanges(this.#files, this.#folder).map((change) => [keyOf(change), change]),
    );
    this.#keeping(() => this.#table.open());
  }

  get report(): MediumReport {
    return { changes: [...this.#changes.values()], trouble: this.#trouble };
  }

  /** Records that the volumes hold now, in order. What follows of them is durable on return. @throws the operating system's errors */
  apply(records: readonly JournalRecord[]): void {
    this.#keeping(() => {
      for (const record of records) this.#see(record);
      this.#table.sync();
      this.#noteNew();
      if (this.#leaving.size === 0) return;
      writeMediumChanges(this.#files, this.#folder, [...this.#changes.values()]);
      this.#leaving.clear();
    });
  }

  /** What the volumes hold where a record up to this one told of a change is right. Durable on return. @throws the operating system's errors */
  accept(upTo: Lsn): readonly MediumChange[] {
    const accepted = [...this.#changes.values()].filter(({ lsn }) => lsn <= upTo);
    const left = new Map([...this.#changes].filter(([, { lsn }]) => lsn > upTo));
    writeMediumChanges(this.#files, this.#folder, [...left.values()]);
    this.#changes = left;
    this.#leaving.clear();
    return accepted;
  }

  /**
   * Since when all of the range is known to be what it is, and up to which record; undefined where that is not known.
   * @throws the operating system's errors
   */
  known({ volume, offset, length }: MediumRange): { readonly first: Lsn; readonly newest: Lsn } | undefined {
    let [first, newest] = [LSN_NONE, Number.MAX_SAFE_INTEGER as Lsn];
    for (const piece of piecesOf(offset, length)) {
      const known = this.#table.get(volume, piece);
      if (known === undefined) return undefined;
      if (known.first > first) first = known.first;
      if (known.newest < newest) newest = known.newest;
    }
    return { first, newest };
  }

  close(): void {
    this.#table.close();
  }

  #see(record: JournalRecord): void {
    const { kind, flags, volume, offset, length } = record;
    if (kind === RecordKind.verify) this.#compare(record);
    // What is copied of a volume does not change it.
    if ((kind !== RecordKind.write && kind !== RecordKind.zero) || (flags & RecordFlag.fromVolume) !== 0)
      return;
    if (!this.#table.exists) return;
    for (const piece of piecesOf(offset, length))
      if (this.#table.get(volume, piece) !== undefined) this.#table.set(volume, piece, undefined);
  }

  #compare(record: JournalRecord): void {
    const { volume, offset, lsn } = record;
    const told = parseVerify(record);
    const size = this.#sizes.get(volume) ?? 0;
    if (told === undefined || !isWholePieces(offset, told.length, size)) return;
    if (!this.#table.exists) {
      if (told.digest === undefined) return;
      this.#table.create();
      // So that it needs no room when there is something to note (I8).
      writeMediumChanges(this.#files, this.#folder, [...this.#changes.values()]);
    }
    for (const piece of piecesOf(offset, told.length)) {
      const bytes = Math.min(VERIFY_DATA_MAX, size - piece * VERIFY_DATA_MAX);
      this.#look({ volume, offset: piece * VERIFY_DATA_MAX, length: bytes }, lsn, told.digest);
    }
  }

  /** `told`: undefined where nothing is allocated, which reads as zeros. */
  #look(range: MediumRange, lsn: Lsn, told: Buffer | undefined): void {
    const piece = range.offset / VERIFY_DATA_MAX;
    const before = this.#table.get(range.volume, piece);
    const change = this.#changes.get(keyOf(range));
    if (before === undefined && change === undefined && told === undefined) return;
    const digest = told ?? zerosDigest(range.length);
    if (change !== undefined && change.lsn < lsn && change.digest === digest.toString('hex')) {
      this.#changes.delete(keyOf(range));
      this.#leaving.set(keyOf(range), change);
    } else if (before !== undefined && before.newest < lsn && !before.digest.equals(digest)) {
      if (change === undefined && this.#changes.size + this.#leaving.size >= MEDIUM_CHANGES_MAX) return;
      if (change === undefined)
        this.#add({ ...range, lsn, knownLsn: before.newest, digest: hex(before.digest) });
    }
    if (before !== undefined && before.newest >= lsn) return;
    const first = before?.digest.equals(digest) === true ? before.first : lsn;
    this.#table.set(range.volume, piece, { digest, first, newest: lsn });
  }

  #add(change: MediumChange): void {
    this.#changes.set(keyOf(change), change);
    this.#hasUnnoted = true;
  }

  /** Those that are as they were again stay until the table says so, too. */
  #noteNew(): void {
    if (!this.#hasUnnoted) return;
    const all = new Map([...this.#leaving, ...this.#changes]);
    writeMediumChanges(this.#files, this.#folder, [...all.values()]);
    this.#hasUnnoted = false;
  }

  /** What cannot be kept is forgotten, durably. @throws the operating system's errors */
  #keeping(act: () => void): void {
    try {
      if (this.#mustDrop) this.#table.drop();
      this.#mustDrop = false;
      act();
      this.#trouble = undefined;
    } catch (error) {
      this.#mustDrop = true;
      this.#table.drop();
      this.#mustDrop = false;
      this.#trouble = describeError(error);
    }
  }
}

function hex(digest: Buffer): string {
  return digest.toString('hex');
}

function keyOf({ volume, offset }: Pick<MediumRange, 'volume' | 'offset'>): string {
  return `${volume} ${offset}`;
}

function* piecesOf(offset: number, length: number): Generator<number> {
  const end = offset + length;
  for (let piece = Math.floor(offset / VERIFY_DATA_MAX); piece * VERIFY_DATA_MAX < end; piece += 1)
    yield piece;
}

/** What the patrol says is of whole pieces; of anything else nothing is learnt. */
function isWholePieces(offset: number, length: number, size: number): boolean {
  const end = offset + length;
  return offset % VERIFY_DATA_MAX === 0 && end <= size && (end % VERIFY_DATA_MAX === 0 || end === size);
}

const ZEROS = new Map<number, Buffer>();

/** Of a piece of so many zeros: whole ones, and each volume's last. */
function zerosDigest(length: number): Buffer {
  let digest = ZEROS.get(length);
  if (digest === undefined) ZEROS.set(length, (digest = verifyDigest(Buffer.alloc(length))));
  return digest;
}
