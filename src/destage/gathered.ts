/** Writes and zeros that were passed by in their order and are not in the volumes yet. */
import { RECORD_HEADER_SIZE, RecordKind, type JournalRecord } from '../journal/record.ts';
import { discard } from '../journal/segment/discard.ts';
import type { SetVolume, VolumeRange } from '../volume/volume-set.ts';

/**
 * Bytes of records, of one segment or several: what a snapshot keeps of all that they overwrite takes one sync (I7). As many
 * wait for that while more are gathered.
 */
const TOGETHER_BYTES = 8 * 1024 * 1024;

/** What is done with them. */
export interface GatheredSteps {
  /** These are to be written soon, after what was announced before. */
  readonly announce: (records: readonly JournalRecord[]) => void;
  readonly write: (records: readonly JournalRecord[]) => void;
}

interface Batch {
  readonly records: JournalRecord[];
  /** A payload of each frame in which nothing else is looked at any more. */
  readonly frames: Buffer[];
}

export class Gathered {
  readonly #steps: GatheredSteps;
  /** Announced, and not written yet. */
  #awaiting = emptyBatch();
  #batch = emptyBatch();
  /** Of all records that were passed by since: what is not gathered lies in the same frames. */
  #bytes = 0;

  constructor(steps: GatheredSteps) {
    this.#steps = steps;
  }

  add(record: JournalRecord): void {
    this.#batch.records.push(record);
    this.pass(record);
  }

  /** One that is not for the volumes. */
  pass(record: JournalRecord): void {
    this.#bytes += RECORD_HEADER_SIZE + record.payload.length;
  }

  /** All records of the frame were passed by: as many bytes as are worth it are announced, and those before them written. */
  endFrame(frame: readonly JournalRecord[]): void {
    if (frame[0] !== undefined) this.#batch.frames.push(frame[0].payload);
    if (this.#bytes >= TOGETHER_BYTES) this.#handOn();
  }

  /** All of it is written. */
  flush(): void {
    if (this.#awaiting.records.length > 0) this.#handOn();
    else this.#next();
    this.#writeAwaiting();
  }

  /** None of it is. */
  clear(): void {
    this.#next();
    this.#awaiting = emptyBatch();
  }

  #handOn(): void {
    this.#steps.announce(this.#batch.records);
    this.#writeAwaiting();
    this.#next();
  }

  #writeAwaiting(): void {
    const { records, frames } = this.#awaiting;
    this.#awaiting = emptyBatch();
    if (records.length > 0) this.#steps.write(records);
    discard(frames);
  }

  #next(): void {
    [this.#awaiting, this.#batch, this.#bytes] = [this.#batch, emptyBatch(), 0];
  }
}

function emptyBatch(): Batch {
  return { records: [], frames: [] };
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
