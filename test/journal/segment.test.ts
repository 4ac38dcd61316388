import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { encodeRecord, RecordKind } from '../../src/journal/record.ts';
import { openSegment } from '../../src/journal/segment/reader.ts';
import { SegmentRefused, type SegmentHeader } from '../../src/journal/segment/segment.ts';
import { writeSegment } from '../support/segment-file.ts';
import { encodeVerify, verifyDigest } from '../../src/journal/verify.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { nodeRandom } from '../../src/platform/node/random.ts';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';

const SEED = 0x1234_5678;
const KEY = Buffer.alloc(32, 7);

const facts: Omit<SegmentHeader, 'encrypted' | 'compressed'> = {
  group: { name: 'oracle', id: '0123456789abcdef0123456789abcdef' },
  epoch: { number: epoch(3), id: 'fedcba9876543210fedcba9876543210' },
  first: lsn(41),
  last: lsn(44),
  digestBefore: '11'.repeat(32),
  digestAfter: '22'.repeat(32),
  firstTime: 1_790_000_000_000,
  lastTime: 1_790_000_000_900,
  overwrittenDropped: false,
  recordSeed: SEED,
};

const volume = (index: number): VolumeIndex => index as VolumeIndex;
const write = (at: number, offset: number, payload: Buffer): Buffer =>
  encodeRecord({ kind: RecordKind.write, flags: 0, volume: volume(1), lsn: lsn(at), offset }, payload, SEED);

function sample(): Buffer[] {
  const marker = Buffer.from('{"id":"00112233445566778899aabbccddeeff","kind":"snapshot","name":"noon"}');
  return [
    encodeRecord(
      { kind: RecordKind.clock, flags: 0, volume: volume(0), lsn: lsn(41), offset: 1_790_000_000_000 },
      Buffer.alloc(0),
      SEED,
    ),
    write(42, 4096, Buffer.alloc(1024, 'blockferry ')),
    write(43, 8192, seededRandom('payload').bytes(512)),
    encodeRecord(
      { kind: RecordKind.marker, flags: 0, volume: volume(0), lsn: lsn(44), offset: 1_790_000_000_900 },
      marker,
      SEED,
    ),
  ];
}

/** With what came with version 2. */
function verified(): Buffer[] {
  const verify = { kind: RecordKind.verify, flags: 0, volume: volume(1), lsn: lsn(43), offset: 4096 };
  const payload = { length: 1024, pass: 7, digest: verifyDigest(Buffer.alloc(1024, 'blockferry ')) };
  return sample().with(2, encodeRecord(verify, encodeVerify(payload), SEED));
}

interface Shape {
  readonly key?: Buffer;
  readonly compression?: number;
  readonly records?: readonly Buffer[];
  readonly random?: typeof nodeRandom;
}

let files = 0;
function written(folder: string, shape: Shape = {}): string {
  files += 1;
  const path = join(folder, `segment-${files}`);
  writeSegment(nodeFiles, path, facts, shape.records ?? sample(), 1536, {
    key: shape.key,
    compression: shape.compression ?? 1,
    random: shape.random ?? nodeRandom,
  });
  return path;
}

function codeOf(path: string, key?: Buffer): string {
  try {
    const reader = openSegment(nodeFiles, path, key);
    try {
      reader.verify();
    } finally {
      reader.close();
    }
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof SegmentRefused, String(error));
    assert.ok(error.message.includes(path), 'a refusal names the file');
    return error.code;
  }
}

describe('a sealed segment', () => {
  const folder = temporaryFolder();

  it('is the same wherever its records lie: in one piece, with others between them, or each for itself', () => {
    const bytesOf = (records: readonly Buffer[]): Buffer => {
      const shape = { records, key: KEY, random: seededRandom('salt') };
      return readFileSync(written(folder, shape));
    };
    const records = sample();
    const inOnePiece = (all: readonly Buffer[]): Buffer[] => {
      const whole = Buffer.concat(all);
      let at = 0;
      return all.map(({ length }) => whole.subarray(at, (at += length)));
    };
    const others = inOnePiece(records.flatMap((record) => [record, write(99, 0, Buffer.alloc(512))]));
    const between = others.filter((_, index) => index % 2 === 0);
    const alone = bytesOf(records.map((record) => Buffer.from(new Uint8Array(record).buffer)));
    assert.deepEqual(bytesOf(inOnePiece(records)), alone);
    assert.deepEqual(bytesOf(between), alone);
  });

  for (const [title, shape] of [
    ['plain', { compression: 0 }],
    ['compressed', { compression: 3 }],
    ['encrypted', { compression: 0, key: KEY }],
    ['compressed and encrypted', { compression: 1, key: KEY }],
  ] as const) {
    it(`gives back its header and records: ${title}`, () => {
      const key = 'key' in shape ? shape.key : undefined;
      const reader = openSegment(nodeFiles, written(folder, shape), key);
      const records = [...reader.frames()].flat();
      assert.deepEqual(reader.header, {
        ...facts,
        encrypted: key !== undefined,
        compressed: shape.compression > 0,
      });
      assert.deepEqual(
        records.map((record) => [record.kind, record.lsn, record.offset, record.payload.toString('hex')]),
        [
          [RecordKind.clock, 41, 1_790_000_000_000, ''],
          [RecordKind.write, 42, 4096, Buffer.alloc(1024, 'blockferry ').toString('hex')],
          [RecordKind.write, 43, 8192, seededRandom('payload').bytes(512).toString('hex')],
          [RecordKind.marker, 44, 1_790_000_000_900, sample()[3]?.subarray(28).toString('hex')],
        ],
      );
      assert.equal(reader.totals.records, 4);
      const memory = Buffer.alloc(64 * 1024);
      const again = [...reader.frames('whole', (bytes) => memory.subarray(0, bytes))].flat();
      assert.deepEqual(again, records);
      assert.ok(again.every(({ payload }) => payload.buffer === memory.buffer));
      reader.close();
    });
  }

  it('has those frames compressed that shrink, whatever the frames before them did', () => {
    const length = 256 * 1024;
    // Four records are a frame.
    const isText = Array.from('rrrrrrrrrrtrrrrrttttrrrr', (kind) => kind === 't');
    const text = Buffer.alloc(length, 'blockferry ');
    const payloads = isText.map((is, index) => (is ? text : seededRandom(`record ${index}`).bytes(length)));
    const records = payloads.map((payload, index) => write(42, index * length, payload));
    const reader = openSegment(nodeFiles, written(folder, { records }), undefined);
    const read = [...reader.frames()].flat();
    reader.close();
    assert.ok(read.every(({ payload }, index) => payload.equals(payloads[index] ?? text)));
    const least = isText.filter((is) => !is).length * length;
    const stored = reader.totals.fileBytes;
    assert.ok(
      stored > least && stored < least + length / 4,
      `${stored} bytes, of which ${least} do not shrink`,
    );
  });

  it('with any byte changed is refused, and never accepted with other content (I4)', () => {
    for (const shape of [{ compression: 1 }, { compression: 1, key: KEY }]) {
      const path = written(folder, shape);
      const good = readFileSync(path);
      for (let at = 0; at < good.length; at += 1) {
        const bad = Buffer.from(good);
        bad.writeUInt8(bad.readUInt8(at) ^ 0x10, at);
        writeFileSync(path, bad);
        assert.notEqual(codeOf(path, shape.key), 'accepted', `byte ${at} of ${good.length}`);
      }
    }
  });

  it('that passed its checks once and rots in any byte gives other content never, each byte checked once (I4)', () => {
    const contentOf = (path: string, key: Buffer | undefined): string => {
      const reader = openSegment(nodeFiles, path, key);
      try {
        return JSON.stringify([...reader.frames('rot')]);
      } finally {
        reader.close();
      }
    };
    for (const shape of [{ compression: 1 }, { compression: 0, key: KEY }]) {
      const path = written(folder, shape);
      const good = readFileSync(path);
      const content = contentOf(path, shape.key);
      const unnoticed: number[] = [];
      for (let at = 0; at < good.length; at += 3) {
        const bad = Buffer.from(good);
        bad.writeUInt8(bad.readUInt8(at) ^ 0x10, at);
        writeFileSync(path, bad);
        try {
          assert.equal(contentOf(path, shape.key), content, `byte ${at} of ${good.length}`);
          unnoticed.push(at);
        } catch (error) {
          if (!(error instanceof SegmentRefused)) throw error;
          assert.notEqual(error.code, 'FORGED', `byte ${at} is not called forged`);
        }
      }
      // The checksum alone of a frame that its tag covers.
      assert.deepEqual(unnoticed, shape.key === undefined ? [] : [285]);
    }
  });

  it('cut at any length is refused (I4)', () => {
    const path = written(folder, { key: KEY });
    const good = readFileSync(path);
    for (let length = 0; length < good.length; length += 1) {
      writeFileSync(path, good.subarray(0, length));
      assert.notEqual(codeOf(path, KEY), 'accepted', `${length} bytes of ${good.length}`);
    }
  });

  it('tells a wrong key, a missing key and a missing encryption from damage', () => {
    assert.equal(codeOf(written(folder, { key: KEY }), Buffer.alloc(32, 8)), 'WRONG_KEY');
    assert.equal(codeOf(written(folder, { key: KEY }), undefined), 'WRONG_KEY');
    assert.equal(codeOf(written(folder), KEY), 'WRONG_KEY');
  });

  it('refuses a frame that was swapped in from another segment of the same key (I12)', () => {
    const [a, b] = [
      written(folder, { key: KEY, compression: 0 }),
      written(folder, { key: KEY, compression: 0 }),
    ];
    const [first, second] = [readFileSync(a), readFileSync(b)];
    assert.equal(first.length, second.length);
    // The frame, its own checksum included, lies between the 256-byte header and the table and trailer.
    second.copy(first, 256, 256, second.length - 128 - 24);
    writeFileSync(a, first);
    assert.equal(codeOf(a, KEY), 'FORGED');
  });

  it('that is something else is told as such', () => {
    const path = join(folder, 'text');
    writeFileSync(path, 'not a segment at all\n'.repeat(100));
    assert.equal(codeOf(path), 'NOT_A_SEGMENT');
  });

  it('never makes the reader throw anything but a refusal, whatever bytes it is given', () => {
    const path = join(folder, 'fuzz');
    const good = readFileSync(written(folder, { compression: 1 }));
    const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(edits, fc.nat(good.length), (changes, length) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes.writeUInt8(value, at);
        writeFileSync(path, bytes.subarray(0, length));
        codeOf(path);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the bytes of its golden files, in both directions', () => {
    const golden = join(import.meta.dirname, '../golden');
    mkdirSync(golden, { recursive: true });
    for (const [name, shape] of [
      ['segment-v2-plain.seg', { compression: 0 }],
      ['segment-v2-encrypted.seg', { compression: 0, key: KEY, random: seededRandom('salt') }],
    ] as const) {
      const path = join(golden, name);
      const bytes = readFileSync(written(folder, { ...shape, records: verified() }));
      if (process.env.UPDATE_GOLDEN === '1' || !existsSync(path)) writeFileSync(path, bytes);
      assert.deepEqual(bytes, readFileSync(path), `${name}: the format changed; bump its version`);
      assert.equal(codeOf(path, 'key' in shape ? shape.key : undefined), 'accepted');
    }
  });

  it('reads what version 1 wrote', () => {
    const golden = join(import.meta.dirname, '../golden');
    assert.equal(codeOf(join(golden, 'segment-v1-plain.seg'), undefined), 'accepted');
    assert.equal(codeOf(join(golden, 'segment-v1-encrypted.seg'), KEY), 'accepted');
  });
});
