import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { sealedName } from '../../src/journal/names.ts';
import {
  encodeRecord,
  encodeRecordInPlace,
  RECORD_HEADER_SIZE,
  RecordFlag,
  RecordKind,
} from '../../src/journal/record.ts';
import { writeSegment } from '../support/segment-file.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { nodeRandom } from '../../src/platform/node/random.ts';
import { cli, MARKER_ID, MARKER_TIME, temporaryFolder, type CliResult } from '../api/fixture.ts';

const SEED = 0x1234_5678;
const KEY = Buffer.alloc(32, 7);
const RANGE = { epoch: epoch(1), first: lsn(10), last: lsn(14) };
const FACTS = {
  group: { name: 'oracle', id: '1'.repeat(32) },
  epoch: { number: RANGE.epoch, id: '2'.repeat(32) },
  first: RANGE.first,
  last: RANGE.last,
  digestBefore: '3'.repeat(64),
  digestAfter: '4'.repeat(64),
  firstTime: MARKER_TIME - 1000,
  lastTime: MARKER_TIME,
  overwrittenDropped: true,
  recordSeed: SEED,
};

/** A clock, an attach, a write, a zero and a marker. */
function records(): Buffer[] {
  const header = (kind: RecordKind, at: number, offset = 0, flags = 0) => ({
    kind,
    flags,
    volume: (kind === RecordKind.zero ? 1 : 0) as VolumeIndex,
    lsn: lsn(at),
    offset,
  });
  const zero = Buffer.alloc(RECORD_HEADER_SIZE);
  encodeRecordInPlace(
    zero,
    0,
    { ...header(RecordKind.zero, 13, 8192, RecordFlag.keepAllocated), length: 1024 ** 2 },
    SEED,
  );
  const attach = { volumes: [{ index: 0, name: 'data', size: 4096 }] };
  const marker = { id: MARKER_ID, kind: 'snapshot', name: 'night\u001b[2Jly' };
  return [
    encodeRecord(header(RecordKind.clock, 10, MARKER_TIME - 1000), Buffer.alloc(0), SEED),
    encodeRecord(header(RecordKind.attach, 11), Buffer.from(JSON.stringify(attach)), SEED),
    encodeRecord(header(RecordKind.write, 12, 4096), Buffer.alloc(2048, 'a'), SEED),
    zero,
    encodeRecord(header(RecordKind.marker, 14, MARKER_TIME), Buffer.from(JSON.stringify(marker)), SEED),
  ];
}

const lineSchema = z.looseObject({
  type: z.enum(['segment', 'record', 'verified', 'refused']),
  path: z.string(),
});

describe('blockferry inspect', () => {
  let folder: string;
  let plain: string;
  let sealed: string;
  let keyFile: string;

  before(() => {
    folder = temporaryFolder();
    plain = join(folder, sealedName(RANGE));
    sealed = join(folder, 'encrypted.seg');
    keyFile = join(folder, 'key');
    writeFileSync(keyFile, `${KEY.toString('hex')}\n`);
    const options = { compression: 1, random: nodeRandom };
    writeSegment(nodeFiles, plain, FACTS, records(), 2048, { ...options, key: undefined });
    writeSegment(nodeFiles, sealed, FACTS, records(), 2048, { ...options, key: KEY });
  });
  after(() => rmSync(folder, { recursive: true }));

  const inspect = (...args: string[]): Promise<CliResult> => cli(['inspect', ...args]);
  const jsonOf = ({ out }: CliResult): z.infer<typeof lineSchema>[] =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => lineSchema.parse(JSON.parse(line)));

  it('shows the header, the totals and that every checksum holds', async () => {
    const { exitCode, out, error } = await inspect(plain);
    assert.deepEqual([exitCode, error], [0, '']);
    assert.match(out, /^.*\.seg\n {2}group +oracle, id 1{32}\n {2}epoch +1, id 2{32}\n {2}LSN +10 to 14\n/);
    assert.match(out, / {2}time +2026-11-21 01:45:59 to 2026-11-21 01:46:00 at the source\n/);
    assert.match(out, / {2}form +not encrypted, compressed, overwritten data left out\n/);
    assert.match(out, / {2}holds +5 records in 1 frame, 2\.0 KiB of volume data in a file of /);
    assert.match(out, / {2}verified: every checksum holds\n$/);
  });

  it('with --records shows every record in a line', async () => {
    const { out } = await inspect('--records', plain);
    const lines = out.split('\n').filter((line) => /^ {6,}\d+ {2}[a-z]/i.test(line));
    assert.deepEqual(
      lines.map((line) => line.trim()),
      [
        '10  clock      2026-11-21 01:45:59',
        '11  attach     {"volumes":[{"index":0,"name":"data","size":4096}]}',
        '12  write      volume 0, offset 4096, 2048 bytes',
        '13  zero       volume 1, offset 8192, 1048576 bytes, keepAllocated',
        `14  marker     2026-11-21 01:46:00, {"id":"${MARKER_ID}","kind":"snapshot","name":"night\\u001b[2Jly"}`,
      ],
    );
  });

  it('answers --json with a line for the segment, each record and the verdict', async () => {
    const lines = jsonOf(await inspect('--json', '--records', plain));
    assert.deepEqual(
      lines.map(({ type }) => type),
      ['segment', 'record', 'record', 'record', 'record', 'record', 'verified'],
    );
    assert.deepEqual(lines[3], {
      type: 'record',
      path: plain,
      lsn: 12,
      kind: 'write',
      volume: 0,
      offset: 4096,
      length: 2048,
      flags: [],
    });
  });

  it('opens an encrypted segment with its key alone', async () => {
    const { exitCode, out } = await inspect('--key-file', keyFile, sealed);
    assert.equal(exitCode, 0);
    assert.match(out, /form +encrypted, /);
    const base64 = join(folder, 'base64-key');
    writeFileSync(base64, KEY.toString('base64'));
    assert.equal((await inspect('--key-file', base64, sealed)).exitCode, 0);
    const none = await inspect(sealed);
    assert.equal(none.exitCode, 5);
    assert.match(none.out, /refused, WRONG_KEY: /);
    const wrong = join(folder, 'wrong-key');
    writeFileSync(wrong, '0'.repeat(64));
    assert.equal((await inspect('--key-file', wrong, sealed)).exitCode, 5);
  });

  it('exits 5 for a key file that holds no key, without repeating what it holds', async () => {
    const bad = join(folder, 'bad-key');
    writeFileSync(bad, 'hunter2');
    const { exitCode, error } = await inspect('--key-file', bad, sealed);
    assert.equal(exitCode, 5);
    assert.match(error, /does not hold 64 hexadecimal digits/);
    assert.doesNotMatch(error, /hunter2/);
    assert.equal((await inspect('--key-file', join(folder, 'none'), sealed)).exitCode, 5);
  });

  it('refuses a changed, a cut, a renamed segment and what is none, with code, reason and remedy (I4)', async () => {
    const changed = join(folder, 'changed.seg');
    const bytes = readFileSync(plain);
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    writeFileSync(changed, bytes);
    const cut = join(folder, 'cut.seg');
    copyFileSync(plain, cut);
    truncateSync(cut, bytes.length - 5);
    const renamed = join(folder, sealedName({ ...RANGE, first: lsn(11) }));
    copyFileSync(plain, renamed);
    const none = join(folder, 'none.seg');
    writeFileSync(none, 'x'.repeat(1000));
    const empty = join(folder, 'empty.seg');
    writeFileSync(empty, '');
    const result = await inspect('--json', changed, cut, renamed, none, empty, plain);
    assert.equal(result.exitCode, 5);
    const lines = jsonOf(result);
    const refusals = lines.filter(({ type }) => type === 'refused');
    assert.deepEqual(
      refusals.map(({ path }) => path),
      [changed, cut, renamed, none, empty],
    );
    assert.equal(refusals[2]?.['code'], 'FOREIGN');
    assert.equal(refusals[3]?.['code'], 'NOT_A_SEGMENT');
    for (const { message, remedy } of refusals) assert.ok(message !== '' && remedy !== '');
    // What is whole is looked at all the same.
    assert.deepEqual(lines.at(-1), { type: 'verified', path: plain });
  });

  it('exits 1 for a file that cannot be read, and names it', async () => {
    const { exitCode, out } = await inspect(join(folder, 'nowhere.seg'));
    assert.equal(exitCode, 1);
    assert.match(out, /refused, SEGMENT_UNREADABLE: .*nowhere\.seg cannot be read: ENOENT/);
  });
});
