/** Sealed segments: `journal/segment/reader.ts`. */
import assert from 'node:assert/strict';
import { RECORD_PAYLOAD_MAX, RecordKind } from '../../../src/journal/record.ts';
import {
  decodeHeader,
  encodeHeader,
  encodeTrailer,
  HEADER_SIZE,
  SEGMENT_FORMAT,
  TABLE_ENTRY_SIZE,
  TRAILER_SIZE,
  TRAILER_TAG_AT,
} from '../../../src/journal/segment/format.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { FRAME_SIZE_MAX, SegmentRefused, type SegmentReader } from '../../../src/journal/segment/segment.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB, resultOrRefusal } from './expect.ts';
import { MemoryFiles } from './memory-files.ts';
import { journalRecords, sampleSegment } from './samples.ts';
import { assembleSegment, KEY, Keep, PACKED, type Form } from './segment-file.ts';

const REFUSALS = ['NOT_A_SEGMENT', 'DAMAGED', 'TRUNCATED', 'WRONG_KEY', 'FORGED'];
const PATH = '/inbox/segment';
const FRAME_MAGIC = Buffer.from('BFFR');

export function segmentTarget(form: Form): FuzzTarget {
  return {
    seeds: seeds(),
    dictionary: ['BFSEG\r\n\x1a', 'BFEND\r\n\x1a', 'BFFR'].map((word) => Buffer.from(word, 'latin1')),
    lengthMax: 4096,
    // Frames are read one at a time, each twice here, but all that is asked for is counted.
    memory: (input) => 4 * MIB + 256 * input.length + 2 * frames(input) * (FRAME_SIZE_MAX + MIB),
    run: (input) => read(assembleSegment(input, form), form.encrypted ? KEY : undefined),
  };
}

function frames(input: Buffer): number {
  let count = 0;
  for (let at = input.indexOf(FRAME_MAGIC); at >= 0; at = input.indexOf(FRAME_MAGIC, at + 4)) count += 1;
  return count;
}

/** With what to keep in front of each. */
export function seeds(): Buffer[] {
  const records = journalRecords();
  const segments = [records, records.slice(0, 2), []].map((some) => sampleSegment(some));
  const packed = sampleSegment([...records.slice(0, 3), ...records.slice(3)], 1);
  packed.writeUInt32BE(PACKED, HEADER_SIZE + 24);
  const twoFrames = Buffer.concat([
    ...[segments[1], segments[1], segments[1]].map((bytes, i) => {
      assert.ok(bytes !== undefined);
      if (i === 0) return bytes.subarray(0, HEADER_SIZE);
      return i === 1 ? framesOf(bytes) : Buffer.concat([framesOf(bytes), bytes.subarray(-TRAILER_SIZE - 24)]);
    }),
  ]);
  const assembled = [...segments, packed, twoFrames].map((bytes) => Buffer.concat([Buffer.from([0]), bytes]));
  return [...assembled, Buffer.concat([Buffer.from([Keep.all]), segments[0] ?? Buffer.alloc(0)])];
}

const framesOf = (file: Buffer): Buffer => file.subarray(HEADER_SIZE, file.length - TRAILER_SIZE - 24);

function read(bytes: Buffer, key: Buffer | undefined): void {
  const files = new MemoryFiles({ [PATH]: bytes });
  const reader = resultOrRefusal(() => openSegment(files, PATH, key), REFUSALS, SegmentRefused);
  if (reader === undefined) return;
  checkCanonical(reader, bytes);
  const records = resultOrRefusal(() => collect(reader), REFUSALS, SegmentRefused);
  // Read again from the start: the same.
  assert.equal(resultOrRefusal(() => collect(reader), REFUSALS, SegmentRefused)?.join(), records?.join());
  if (records !== undefined) assert.equal(records.length, reader.totals.records);
}

/** What is accepted is what the encoder makes of it: no second form of the same segment. */
function checkCanonical({ header, totals }: SegmentReader, bytes: Buffer): void {
  const { keying } = decodeHeader(bytes.subarray(0, HEADER_SIZE), PATH, SEGMENT_FORMAT);
  const encoded = encodeHeader(header, header.encrypted ? keying : undefined, SEGMENT_FORMAT);
  // All but the version, of which two are read, and the checksum over it.
  assert.ok([1, 2].includes(bytes.readUInt16BE(8)));
  assert.ok(encoded.subarray(10, 252).equals(bytes.subarray(10, 252)), 'another header');
  const end = bytes.length - TRAILER_SIZE;
  const trailer = encodeTrailer(totals, end - TABLE_ENTRY_SIZE * totals.frames);
  const written = bytes.subarray(end, end + TRAILER_TAG_AT);
  assert.ok(trailer.subarray(0, TRAILER_TAG_AT).equals(written), 'another trailer');
}

/** The records in words. */
function collect(reader: SegmentReader): string[] {
  const { first, last } = reader.header;
  const found: string[] = [];
  for (const frame of reader.frames()) {
    for (const { kind, flags, volume, lsn, offset, length, payload } of frame) {
      assert.ok(lsn >= first && lsn <= last);
      assert.ok(Object.values(RecordKind).includes(kind));
      assert.ok(payload.length <= RECORD_PAYLOAD_MAX);
      found.push([kind, flags, volume, lsn, offset, length, payload.length].join(' '));
    }
  }
  return found;
}
