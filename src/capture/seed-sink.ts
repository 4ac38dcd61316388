/** Puts what a volume holds into a seed file, as records. */
import type { Lsn, VolumeIndex } from '../journal/ids.ts';
import {
  encodeRecordInPlace,
  RECORD_HEADER_SIZE,
  RECORD_PAYLOAD_MAX,
  RecordFlag,
  RecordKind,
} from '../journal/record.ts';
import { splitAtZeros } from '../journal/seal.ts';
import type { SegmentWriter } from '../journal/segment/writer.ts';
import type { VolumeContent } from '../volume/volume-set.ts';

/** Bytes of a volume. */
interface Range {
  readonly start: number;
  readonly end: number;
}

export class SeedSink {
  readonly writer: SegmentWriter;
  readonly #recordSeed: number;
  readonly #lsn: Lsn;
  #records = 0;
  #dataBytes = 0;

  constructor(writer: SegmentWriter, recordSeed: number, begun: Lsn) {
    this.writer = writer;
    this.#recordSeed = recordSeed;
    this.#lsn = begun;
  }

  get records(): number {
    return this.#records;
  }

  /** Of volume. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  /** What an older copy at the destination may hold there must go. */
  zero(volume: VolumeIndex, { start, end }: Range): void {
    const bytes = Buffer.allocUnsafe(RECORD_HEADER_SIZE);
    const header = { ...this.#header(volume), kind: RecordKind.zero, offset: start, length: end - start };
    encodeRecordInPlace(bytes, 0, header, this.#recordSeed);
    this.writer.add(bytes);
    this.#records += 1;
  }

  /** Its holes as zeros. */
  content(volume: VolumeIndex, file: VolumeContent, { start, end }: Range): void {
    for (let at = start; at < end;) {
      const data = file.nextData(at);
      const dataStart = Math.min(end, data?.start ?? end);
      if (dataStart > at) this.zero(volume, { start: at, end: dataStart });
      const dataEnd = Math.min(end, data?.end ?? end, dataStart + RECORD_PAYLOAD_MAX);
      if (dataEnd > dataStart) this.#data(volume, file, { start: dataStart, end: dataEnd });
      at = dataEnd;
    }
  }

  #data(volume: VolumeIndex, file: VolumeContent, { start, end }: Range): void {
    const length = end - start;
    const bytes = Buffer.allocUnsafe(RECORD_HEADER_SIZE + length);
    const payload = bytes.subarray(RECORD_HEADER_SIZE);
    file.read(payload, start);
    const record = { ...this.#header(volume), kind: RecordKind.write, offset: start, length, payload };
    encodeRecordInPlace(bytes, 0, record, this.#recordSeed);
    for (const piece of splitAtZeros(record, this.#recordSeed)) {
      this.writer.add(piece);
      this.#records += 1;
      this.#dataBytes += piece.length - RECORD_HEADER_SIZE;
    }
  }

  #header(volume: VolumeIndex) {
    return { flags: RecordFlag.fromVolume, volume, lsn: this.#lsn };
  }
}
