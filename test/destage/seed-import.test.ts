import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import type { DestinationFacts } from '../../src/destage/destination-facts.ts';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { encodeRecord, RecordFlag, RecordKind } from '../../src/journal/record.ts';
import { seedFileName, writeManifest } from '../../src/journal/seed/manifest.ts';
import { seedWriter } from '../../src/journal/seed/seed-file.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { nodeRandom } from '../../src/platform/node/random.ts';
import { temporaryFolder } from '../support/folder.ts';
import { systemError } from '../support/tampered-files.ts';
import { KEY, Site, Stream, unsyncedFiles, write } from './stream.ts';

const SEED = 'ef'.repeat(16);
const RECORD_SEED = 7;
const FACTS = {
  group: { name: 'g', id: 'ab'.repeat(16) },
  epoch: { number: epoch(1), id: 'cd'.repeat(16) },
  seed: SEED,
  begun: lsn(2),
};

/** Each of these files fills the block of its number. */
function writeDrive(
  root: string,
  { numbers, end }: { numbers: readonly number[]; end?: { total: number; skipped: readonly number[] } },
): string {
  const drive = join(root, `drive-${numbers.join('-')}`);
  mkdirSync(drive);
  const files = numbers.map((number) => {
    const path = join(drive, seedFileName('g', SEED, number));
    const file = nodeFiles.open(path, 'create-new');
    const options = { key: KEY, compression: 0, random: nodeRandom };
    const writer = seedWriter(file, { ...FACTS, number }, RECORD_SEED, options);
    const header = { kind: RecordKind.write, flags: RecordFlag.fromVolume, volume: 0 as VolumeIndex };
    const block = Buffer.alloc(4096, 0xa0 + number);
    writer.add(encodeRecord({ ...header, lsn: FACTS.begun, offset: number * 4096 }, block, RECORD_SEED));
    writer.finish(block.length);
    file.close();
    const bytes = readFileSync(path);
    return { number, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  writeManifest(unsyncedFiles, drive, { ...FACTS, files, end }, KEY);
  return drive;
}

/** To the end of what was ordered. */
async function imported(back: DestinationBack, drive: string): Promise<DestinationFacts> {
  let facts = await back.importSeed(drive);
  while (facts.seedJob?.state === 'waiting' || facts.seedJob?.state === 'reading')
    facts = await back.stepSeed();
  return facts;
}

describe('a destination that takes a seed in', () => {
  /** Stands at the record that names the seed; hosts wrote to block 1 since. */
  async function prepare(): Promise<{ root: string; site: Site; stream: Stream; back: DestinationBack }> {
    const root = temporaryFolder();
    const [stream, site] = [new Stream(join(root, 'source'), KEY, unsyncedFiles), new Site(root)];
    const back = site.start(unsyncedFiles);
    for (const path of [
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin', seed: SEED }),
      stream.seal(write(0, 4096, 1), { kind: 'init-end' }),
    ])
      await back.receive([site.deliver(path)]);
    await back.applySome();
    const { state } = await back.applySome();
    assert.deepEqual([state.applied, state.seed?.state, state.consistent], [2, 'awaited', false]);
    return { root, site, stream, back };
  }

  const blocks = (site: Site): number[] =>
    [1, 2, 3].map((block) => site.content()[0]?.readUInt8(block * 4096) ?? 0);

  it('takes drives in any order, and what follows only behind the last of them (I3)', async () => {
    const { root, site, back } = await prepare();
    const last = writeDrive(root, { numbers: [3], end: { total: 3, skipped: [] } });
    const first = writeDrive(root, { numbers: [1, 2] });
    const half = await imported(back, last);
    assert.deepEqual([half.seed?.files, half.seed?.total, half.state.seed?.state], [1, 3, 'awaited']);
    assert.equal((await back.applySome()).state.applied, 2);
    assert.equal((await imported(back, first)).state.seed?.state, 'imported');
    assert.deepEqual(blocks(site), [0xa1, 0xa2, 0xa3]);
    const { state } = await back.applySome();
    assert.deepEqual([state.applied, state.consistent], [4, true]);
    assert.deepEqual(blocks(site), [1, 0xa2, 0xa3]);
    await back.close();
  });

  it('reads nothing more of a seed that is whole, whatever is ordered: its volumes have gone on (I3)', async () => {
    const { root, site, back } = await prepare();
    const last = writeDrive(root, { numbers: [2], end: { total: 2, skipped: [1] } });
    const skipped = writeDrive(root, { numbers: [1] });
    assert.equal((await imported(back, last)).state.seed?.state, 'imported');
    await back.applySome();
    const again = await imported(back, skipped);
    assert.equal(again.seedJob?.state, 'done');
    await back.close();
    // What is noted of its files is lost, say.
    rmSync(join(site.folder, 'seed-import.json'));
    const next = site.start(unsyncedFiles);
    assert.equal((await imported(next, skipped)).seedJob?.state, 'done');
    await imported(next, last);
    assert.deepEqual(blocks(site), [1, 0xa2, 0]);
    await next.close();
  });

  it('ends with the file that makes the seed whole, though the drive has one more that was given up (I3)', async () => {
    const { root, site, back } = await prepare();
    await imported(back, writeDrive(root, { numbers: [4], end: { total: 4, skipped: [3] } }));
    const facts = await imported(back, writeDrive(root, { numbers: [1, 2, 3] }));
    assert.deepEqual([facts.state.seed?.state, facts.seedJob?.state], ['imported', 'done']);
    assert.deepEqual(blocks(site), [0xa1, 0xa2, 0]);
    await back.close();
  });

  it('goes on after a crash between its last file and the note that it was the last (I6)', async () => {
    const { root, site, back } = await prepare();
    await back.close();
    let isDown = false;
    const failing = site.start({
      ...unsyncedFiles,
      open(path, mode) {
        if (isDown && path.endsWith('destination-state.json')) throw systemError('EIO');
        return unsyncedFiles.open(path, mode);
      },
    });
    const drive = writeDrive(root, { numbers: [1], end: { total: 1, skipped: [] } });
    isDown = true;
    await assert.rejects(async () => imported(failing, drive), /EIO/);
    await failing.close();
    const next = site.start(unsyncedFiles);
    assert.equal((await next.facts()).state.seed?.state, 'imported');
    assert.equal((await next.applySome()).state.applied, 4);
    await next.close();
  });

  it('rests on none in a copy as of a point, of a source that replicates on an interval', async () => {
    const root = temporaryFolder();
    const [stream, site] = [new Stream(join(root, 'source'), KEY, unsyncedFiles), new Site(root)];
    const back = site.start(unsyncedFiles);
    const point = { lsn: lsn(1), time: 1_790_000_000_000 };
    const copy = stream.seal(
      { kind: 'attach', names: ['a', 'b'] },
      { kind: 'init-begin', point },
      write(0, 4096, 1),
      { kind: 'init-end' },
    );
    await back.receive([site.deliver(copy)]);
    const { state } = await back.applySome();
    assert.deepEqual([state.applied, state.seed, state.consistent], [4, undefined, true]);
    await back.close();
  });

  it('goes on without a seed that was given up, and is of use again behind another full copy', async () => {
    const { root, site, stream, back } = await prepare();
    const drive = writeDrive(root, { numbers: [1], end: { total: 1, skipped: [] } });
    await back.giveUpSeed();
    const { state } = await back.applySome();
    assert.deepEqual([state.applied, state.seed?.state, state.consistent], [4, 'given-up', false]);
    await assert.rejects(async () => back.importSeed(drive), { code: 'SEED_GIVEN_UP' });
    await assert.rejects(async () => back.giveUpSeed(), { code: 'SEED_NOT_AWAITED' });
    await back.receive([site.deliver(stream.seal({ kind: 'init-begin' }, { kind: 'init-end' }))]);
    const after = await back.applySome();
    assert.deepEqual([after.state.seed, after.state.consistent], [undefined, true]);
    await back.close();
  });
});
