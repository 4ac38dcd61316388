/** Files of a seed, which an operator brings on a drive: `journal/seed/seed-file.ts`. */
import assert from 'node:assert/strict';
import { lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import { encodeRecord, RecordFlag, RecordKind } from '../../../src/journal/record.ts';
import { openSeedFile, seedWriter, type SeedFileFacts } from '../../../src/journal/seed/seed-file.ts';
import { SEED_FORMAT } from '../../../src/journal/segment/format.ts';
import { FRAME_SIZE_MAX, SegmentRefused } from '../../../src/journal/segment/segment.ts';
import { seededRandom } from '../../support/random.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB, resultOrRefusal } from './expect.ts';
import { MemoryFiles } from './memory-files.ts';
import { EPOCH, GROUP, SEED } from './samples.ts';
import { assembleSegment, Keep, KEY } from './segment-file.ts';

const REFUSALS = ['NOT_A_SEGMENT', 'DAMAGED', 'TRUNCATED', 'WRONG_KEY', 'FORGED', 'FOREIGN'];
const PATH = '/drive/oracle-00112233-00002.seed';
const FACTS: SeedFileFacts = {
  group: GROUP,
  epoch: EPOCH,
  seed: '00112233445566778899aabbccddeeff',
  number: 2,
  begun: lsn(7),
};
const FRAME_MAGIC = Buffer.from('BFFR');

export function seedFileTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    dictionary: ['BFSED\r\n\x1a', 'BFEND\r\n\x1a', 'BFFR'].map((word) => Buffer.from(word, 'latin1')),
    lengthMax: 4096,
    memory: (input) => 4 * MIB + 256 * input.length + frames(input) * (FRAME_SIZE_MAX + MIB),
    run: (input) => read(assembleSegment(input, { compressed: true, encrypted: true, format: SEED_FORMAT })),
  };
}

function frames(input: Buffer): number {
  let count = 0;
  for (let at = input.indexOf(FRAME_MAGIC); at >= 0; at = input.indexOf(FRAME_MAGIC, at + 4)) count += 1;
  return count;
}

/** With what to keep in front of each. */
function seeds(): Buffer[] {
  const records = [0, 4096].map((offset) =>
    encodeRecord(
      {
        ...{ kind: RecordKind.write, flags: RecordFlag.fromVolume, volume: 0 as VolumeIndex },
        ...{ lsn: FACTS.begun, offset },
      },
      Buffer.alloc(64, `at ${offset} `),
      SEED,
    ),
  );
  const files = [records, [], records.slice(0, 1)].map((some) => {
    const memory = new MemoryFiles();
    const options = { key: undefined, compression: 0, random: seededRandom('seed file') };
    const writer = seedWriter(memory.open('file', 'create-new'), FACTS, SEED, options);
    for (const record of some) writer.add(record);
    writer.finish(64 * some.length);
    return memory.content.get('file') ?? Buffer.alloc(0);
  });
  return files.flatMap((file) => [0, Keep.all].map((keep) => Buffer.concat([Buffer.from([keep]), file])));
}

function read(bytes: Buffer): void {
  const files = new MemoryFiles({ [PATH]: bytes });
  resultOrRefusal(
    () => {
      const reader = openSeedFile(files, PATH, KEY, FACTS);
      assert.deepEqual([reader.header.group, reader.header.epoch], [GROUP, EPOCH]);
      let count = 0;
      for (const frame of reader.frames()) {
        for (const record of frame) assert.equal(record.lsn, FACTS.begun);
        count += frame.length;
      }
      assert.equal(count, reader.totals.records);
    },
    REFUSALS,
    SegmentRefused,
  );
}
