/** Writes and zeros that were passed by in their order and are not in the volumes yet. */
import { RECORD_HEADER_SIZE, RecordKind, type JournalRecord } from '../journal/record.ts';
import type { SetVolume, VolumeRange } from '../volume/volume-set.ts';

/** Bytes of records, of one segment or several: what a snapshot keeps of all that they overwrite takes one sync (I7). */
const TOGETHER_BYTES = 16 * 1024 * 1024;
/** Bytes of records that the snapshots are told of at a time before that, so that the medium has something to do meanwhile. */
const NEWS_BYTES = 2 * 1024 * 1024;

export interface GatheredRecords {
  readonly records: readonly JournalRecord[];
  /** A payload of each frame in which nothing else is looked at any more. */
  readonly frames: readonly Buffer[];
}

export class Gathered {
  #records: JournalRecord[] = [];
  #frames: Buffer[] = [];
  /** Of all records that were passed by: what is not gathered lies in the same frames. */
  #bytes = 0;
  #told = { count: 0, bytes: 0 };

  /** Whether memory allows no more. */
  get isFull(): boolean {
    return this.#bytes >= TOGETHER_BYTES;
  }

  add(record: JournalRecord): void {
    this.#records.push(record);
    this.pass(record);
  }

  /** One that is not for the volumes. */
  pass(record: JournalRecord): void {
    this.#bytes += RECORD_HEADER_SIZE + record.payload.length;
  }

  /** All records of the frame were passed by. */
  endFrame(frame: readonly JournalRecord[]): void {
    if (frame[0] !== undefined) this.#frames.push(frame[0].payload);
  }

  /** What was added since the last news, when it is worth telling. */
  news(): readonly JournalRecord[] {
    if (this.#bytes - this.#told.bytes < NEWS_BYTES) return [];
    const news = this.#records.slice(this.#told.count);
    this.#told = { count: this.#records.length, bytes: this.#bytes };
    return news;
  }

  /** All of it; it is empty from then on. */
  take(): GatheredRecords {
    const [records, frames] = [this.#records, this.#frames];
    [this.#records, this.#frames, this.#bytes] = [[], [], 0];
    this.#told = { count: 0, bytes: 0 };
    return { records, frames };
  }
}

/** Of writes: a trim may be as long as a volume. */
export function rangesWritten(
  records: readonly JournalRecord[],
  volumes: readonly Pick<SetVolume, 'index' | 'name'>[],
): VolumeRange[] {
  return records.flatMap(({ kind, volume, offset, length }) => {
    const name = volumes.find(({ index }) => index === volume)?.name;
    return kind !== RecordKind.write || name === undefined ? [] : [{ volume: name, offset, length }];
  });
}
