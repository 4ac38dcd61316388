/** Records and segments to begin with. */
import { epoch, lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import { encodeRecord, encodeRecordInPlace, RecordFlag, RecordKind } from '../../../src/journal/record.ts';
import { encodeCompare } from '../../../src/journal/compare.ts';
import { encodeVerify, verifyDigest } from '../../../src/journal/verify.ts';
import type { SegmentHeader } from '../../../src/journal/segment/segment.ts';
import { writeSegment } from '../../support/segment-file.ts';
import { seededRandom } from '../../support/random.ts';
import { MemoryFiles } from './memory-files.ts';

export const SEED = 0x1234_5678;
export const GROUP = { name: 'oracle', id: '0123456789abcdef0123456789abcdef' } as const;
export const EPOCH = { number: epoch(3), id: 'fedcba9876543210fedcba9876543210' } as const;
export const TIME = 1_790_000_000_000;

export const FACTS: Omit<SegmentHeader, 'encrypted' | 'compressed' | 'last'> = {
  group: GROUP,
  epoch: EPOCH,
  first: lsn(1),
  digestBefore: '00'.repeat(32),
  digestAfter: '22'.repeat(32),
  firstTime: TIME,
  lastTime: TIME + 900,
  overwrittenDropped: false,
  recordSeed: SEED,
};

type Kind = (typeof RecordKind)[keyof typeof RecordKind];

const plain = (kind: Kind, at: number, offset = 0, payload: Buffer | string = '', flags = 0): Buffer =>
  encodeRecord({ kind, flags, volume: 0 as VolumeIndex, lsn: lsn(at), offset }, Buffer.from(payload), SEED);

function zero(at: number, offset: number, length: number, flags = 0): Buffer {
  const bytes = Buffer.alloc(28);
  const header = { kind: RecordKind.zero, flags, volume: 0 as VolumeIndex, lsn: lsn(at), offset, length };
  encodeRecordInPlace(bytes, 0, header, SEED);
  return bytes;
}

const ATTACH = JSON.stringify({ volumes: [{ index: 0, name: 'data', size: 65536 }] });
const MARKER = JSON.stringify({ id: '00112233445566778899aabbccddeeff', kind: 'snapshot', name: 'noon' });

const VERIFIED = verifyDigest(Buffer.alloc(512, 'blockferry '));

const COMPARED = { length: 512, window: lsn(9), first: 0, pieceSize: 512, digests: [VERIFIED] };

/** A journal from its first record on, one kind of record after the other. */
export function journalRecords(): Buffer[] {
  return [
    plain(RecordKind.clock, 1, TIME),
    plain(RecordKind.attach, 2, 0, ATTACH),
    plain(RecordKind.initBegin, 3),
    plain(RecordKind.write, 4, 4096, Buffer.alloc(512, 'blockferry '), RecordFlag.fromVolume),
    plain(RecordKind.initEnd, 5),
    zero(6, 8192, 4096, RecordFlag.keepAllocated),
    plain(RecordKind.write, 7, 8192, seededRandom('write').bytes(64)),
    plain(RecordKind.verify, 8, 4096, encodeVerify({ length: 512, pass: 1, digest: VERIFIED })),
    plain(RecordKind.compare, 9, 4096, encodeCompare(COMPARED)),
    plain(RecordKind.marker, 10, TIME + 900, MARKER),
  ];
}

/** A segment as its writer makes it, neither compressed nor encrypted. */
export function sampleSegment(records: readonly Buffer[], compression = 0): Buffer {
  const files = new MemoryFiles();
  const last = lsn(Math.max(1, records.length));
  writeSegment(files, 'segment', { ...FACTS, last }, records, 0, {
    key: undefined,
    compression,
    random: seededRandom('segment'),
  });
  return files.content.get('segment') ?? Buffer.alloc(0);
}
