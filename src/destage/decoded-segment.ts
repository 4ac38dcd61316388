/** Segments as they were decoded when they were checked, to be applied without being read and decrypted again. */
import type { JournalRecord } from '../journal/record.ts';
import { lastingMemory, Scratch } from '../journal/segment/lasting-memory.ts';
import type { SegmentHeader, SegmentReader } from '../journal/segment/segment.ts';

/** Bytes that a thread keeps decoded, of one group: four segments of the usual size. */
export const DECODED_MAX = 34 * 1024 * 1024;
/** Bytes, which most frames of a full segment need: a MiB, and the rest of its last record. */
const PIECE = 1_312 * 1024;
/** Pieces that a thread keeps to use again. */
const SPARE_MAX = 32;

const spare: Buffer[] = [];
/** For what there is no room for. */
const unseen = new Scratch();

/** What is applied of a segment. */
export type AppliedSegment = Pick<SegmentReader, 'header' | 'frames' | 'close'>;

export class DecodedSegment implements AppliedSegment {
  readonly header: SegmentHeader;
  #frames: (readonly JournalRecord[])[] = [];
  #pieces: Buffer[] = [];
  #bytes = 0;

  private constructor(header: SegmentHeader) {
    this.header = header;
  }

  /** Checks all of a segment. Undefined where it has more than `room` bytes. @throws SegmentRefused, and the file system's errors */
  static check(reader: SegmentReader, room: number): DecodedSegment | undefined {
    const segment = new DecodedSegment(reader.header);
    try {
      for (const frame of reader.frames('whole', (bytes) => segment.#take(bytes, room)))
        segment.#frames.push(frame);
      if (segment.#bytes <= room) return segment;
    } catch (error) {
      segment.close();
      throw error;
    }
    segment.close();
    return undefined;
  }

  /** Of its records. */
  get bytes(): number {
    return this.#bytes;
  }

  frames(): Iterable<readonly JournalRecord[]> {
    return this.#frames;
  }

  /** What is still to be done with its records must be before another segment is checked. */
  close(): void {
    spare.push(...this.#pieces.slice(0, SPARE_MAX - spare.length));
    [this.#frames, this.#pieces] = [[], []];
  }

  #take(bytes: number, room: number): Buffer {
    this.#bytes += bytes;
    if (this.#bytes > room) return unseen.take(bytes);
    if (bytes > PIECE || bytes < PIECE / 2) return Buffer.allocUnsafeSlow(bytes);
    const piece = spare.pop() ?? lastingMemory(PIECE);
    this.#pieces.push(piece);
    return piece.subarray(0, bytes);
  }
}
