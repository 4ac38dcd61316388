/** Raw segments as a crash leaves them: `capture/recover.ts`; and that what is recovered can be sealed and read. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { recoverRaws } from '../../../src/capture/recover.ts';
import { lsn } from '../../../src/journal/ids.ts';
import { openName } from '../../../src/journal/names.ts';
import { encodeRawHeader, RAW_HEADER_SIZE, type LoadedRaw } from '../../../src/journal/raw-segment.ts';
import { planSeal, SEAL_START } from '../../../src/journal/seal.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { writeSegment } from '../../support/segment-file.ts';
import { seededRandom } from '../../support/random.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB } from './expect.ts';
import { MemoryFiles } from './memory-files.ts';
import { EPOCH, FACTS, GROUP, journalRecords, SEED, TIME } from './samples.ts';
import { mendRecords } from './segment-file.ts';

const FOLDER = '/journal';
/** Bits of an input's first byte. */
const Mode = { keepHeader: 1, keepRecords: 2, keepEpoch: 4, dropOverwritten: 8, seal: 16 } as const;
const FILES_MAX = 4;

/** An input: mode, what is done already, and files, each behind its length in two bytes. */
export function rawSegmentTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    lengthMax: 4096,
    memory: (input) => 8 * MIB + 512 * input.length,
    run,
  };
}

function seeds(): Buffer[] {
  const records = journalRecords();
  const raw = (first: number, some: readonly Buffer[]): Buffer => {
    const header = encodeRawHeader({
      epoch: EPOCH,
      first: lsn(first),
      seed: SEED,
      clock: TIME,
      durable: lsn(0),
    });
    const file = Buffer.concat([header, ...some]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(file.length);
    return Buffer.concat([length, file]);
  };
  const one = raw(1, records);
  const two = [raw(1, records.slice(0, 4)), raw(5, records.slice(4))];
  const zeros = records.map((record) => (record[4] === 1 ? Buffer.from(record).fill(0, 28) : record));
  return [[one], two, [raw(1, zeros)], [raw(1, [])]].flatMap((files) =>
    [0, Mode.seal, Mode.seal | Mode.dropOverwritten].map((mode) =>
      Buffer.concat([Buffer.from([mode, 0]), ...files]),
    ),
  );
}

function run(input: Buffer): void {
  const mode = input[0] ?? 0;
  const done = lsn(input[1] ?? 0);
  const files = new MemoryFiles(split(input.subarray(2), mode));
  const loaded: LoadedRaw[] = [];
  const recovered = recoverRaws(files, FOLDER, EPOCH, done, (raw) => {
    loaded.push(raw);
    if ((mode & Mode.seal) !== 0) seal(raw, (mode & Mode.dropOverwritten) !== 0);
  });
  const next = openName({ epoch: EPOCH.number, first: lsn(recovered.last + 1) });
  // Its name says where the journal ends.
  const kept = files.content.has(join(FOLDER, next)) ? 1 : 0;
  assert.equal(recovered.raws.length + recovered.empty.length + kept, files.content.size);
  let reached = done;
  for (const { header, last } of recovered.raws) {
    assert.ok(header.first <= reached + 1 && last > reached, 'joined to what was before');
    assert.equal(header.epoch.id, EPOCH.id);
    reached = last;
  }
  assert.equal(recovered.last, reached);
}

function split(bytes: Buffer, mode: number): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (let at = 0; at + 2 <= bytes.length && Object.keys(files).length < FILES_MAX;) {
    const end = Math.min(at + 2 + bytes.readUInt16BE(at), bytes.length);
    const file = Buffer.from(bytes.subarray(at + 2, end));
    at = end;
    if (file.length < RAW_HEADER_SIZE) continue;
    if ((mode & Mode.keepHeader) === 0) {
      file.write('BFRAW\r\n\x1a', 'latin1');
      file.writeUInt16BE(2, 8);
      if ((mode & Mode.keepEpoch) === 0) {
        file.writeUInt32BE(EPOCH.number, 12);
        file.write(EPOCH.id, 16, 16, 'hex');
      }
      file.writeUInt32BE(crc32(file.subarray(0, 60)), 60);
    }
    if ((mode & Mode.keepRecords) === 0) mendRecords(file.subarray(RAW_HEADER_SIZE), file.readUInt32BE(40));
    const first = Number(file.readBigUInt64BE(32));
    if (Number.isSafeInteger(first) && first > 0)
      files[`${FOLDER}/${openName({ epoch: EPOCH.number, first: lsn(first) })}`] = file;
  }
  return files;
}

/** What a source does next with what it recovered must come out at the destination. */
function seal(raw: LoadedRaw, dropOverwritten: boolean): void {
  const before = lsn(raw.header.first - 1);
  const position = { ...SEAL_START, shipped: before, digested: before };
  const { segment } = planSeal(raw, position, { ship: true, dropOverwritten });
  assert.ok(segment !== undefined);
  const files = new MemoryFiles();
  const { records, dataBytes, ...facts } = segment;
  const header = { ...FACTS, ...facts, epoch: raw.header.epoch, group: GROUP, recordSeed: raw.header.seed };
  writeSegment(files, 'sealed', header, records, dataBytes, {
    key: undefined,
    compression: 0,
    random: seededRandom('raw'),
  });
  const reader = openSegment(files, 'sealed', undefined);
  assert.equal([...reader.frames()].flat().length, records.length);
}
