import assert from 'node:assert/strict';
import type { Lsn } from '../../../src/journal/ids.ts';
import type { ClosedRaw } from '../../../src/journal/raw-segment.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import type { MemoryDisk } from '../../recovery/memory-disk.ts';
import { seededRandom } from '../../support/random.ts';
import { Crash, systemError, TamperedFiles } from '../../support/tampered-files.ts';
import { back, contentOf, copiedRaws, finish, OPTIONS } from './raws.ts';

/** The replication files that are there follow on each other from the first record to this one. */
function assertJoined(disk: MemoryDisk, to: number): void {
  let [last, digest]: [number, string | undefined] = [0, undefined];
  for (const name of disk
    .list('/group/journal')
    .filter((name) => name.endsWith('.seg'))
    .sort()) {
    const reader = openSegment(disk, `/group/journal/${name}`, OPTIONS.key);
    assert.deepEqual(
      [reader.header.first, reader.header.digestBefore],
      [last + 1, digest ?? reader.header.digestBefore],
    );
    reader.verify();
    [last, digest] = [reader.header.last, reader.header.digestAfter];
    reader.close();
  }
  assert.equal(last, to);
}

describe('what a source copied of its volumes, sealed', () => {
  it('leaves nothing to destage, once all before it is', async () => {
    const { disk, written, copied, others, end } = await copiedRaws();
    const object = back(disk);
    await object.open();
    const appliedBy = async (raw: ClosedRaw): Promise<Lsn> =>
      (await object.seal([raw], true)).checkpoint.applied;
    assert.deepEqual([await appliedBy(written), await appliedBy(copied)], [0, 0], 'what hosts wrote');
    for (const raw of [written, copied]) await object.apply(raw);
    disk.rename('/volumes/b', '/volumes/away');
    for (const raw of others) assert.equal(await appliedBy(raw), raw.last);
    assert.equal(await appliedBy(end), others.at(-1)?.last, 'its end is told by a record of its own');
    await object.close();
    const again = back(disk);
    assert.equal((await again.open()).checkpoint.applied, others.at(-1)?.last, 'durably');
  });

  it('counts for nothing of a resync that was wanted since the copy began (I3)', async () => {
    const { disk, written, copied, others, end } = await copiedRaws();
    const object = back(disk);
    await object.open();
    const before = (await object.markAll(false)).marked;
    const left = async (raw: ClosedRaw): Promise<number> => (await object.seal([raw], true)).marked;
    await left(written);
    assert.ok((await left(copied)) < before, 'of what is wanted by nobody else it does');
    await object.markWanted({ id: '0c'.repeat(16), volumes: [], anew: true }, false);
    for (const raw of [...others, end]) assert.equal(await left(raw), before);
    await object.close();
  });

  it('is so several raw segments at a time, with one write of the checkpoint, up to one that holds something else', async () => {
    const { disk, written, copied, others, end } = await copiedRaws();
    const files = new TamperedFiles(disk);
    const object = back(files);
    await object.open();
    assert.equal((await object.seal([written, copied], true)).sealed, 1, 'it is to be destaged');
    await object.apply(written);
    const behind = [copied, ...others, end];
    let writes = 0;
    files.fault = ({ kind, path }) => {
      if (kind === 'write' && path.endsWith('checkpoint.json')) writes += 1;
      return undefined;
    };
    const { sealed, files: made, checkpoint } = await object.seal(behind, true);
    assert.deepEqual([sealed, made.length, writes], [behind.length, behind.length, 2]);
    assert.deepEqual([checkpoint.applied, checkpoint.digested], [others.at(-1)?.last, end.last]);
    assertJoined(disk, end.last);
    await object.close();
    const again = back(disk);
    assert.equal((await again.open()).checkpoint.digested, end.last, 'durably');
  });

  it('goes alone where it was destaged before: it may hold anything', async () => {
    const { disk, written, copied } = await copiedRaws();
    const object = back(disk);
    await object.open();
    for (const raw of [written, copied]) await object.apply(raw);
    assert.equal((await object.seal([written, copied], true)).sealed, 1);
    assert.ok((await object.seal([copied], true)).checkpoint.copyBegun > 0);
    assertJoined(disk, copied.last);
  });

  for (const kind of ['write', 'sync', 'rename'] as const)
    it(`keeps those before one that fails (${kind}), and nothing of those behind it`, async () => {
      const { disk, written, copied, others, end } = await copiedRaws();
      const files = new TamperedFiles(disk);
      const object = back(files);
      await object.open();
      for (const raw of [written, copied]) {
        await object.seal([raw], true);
        await object.apply(raw);
      }
      const behind = [...others, end];
      assert.ok(behind.length > 2);
      const parts = new Set<string>();
      files.fault = (call) => {
        if (call.kind !== kind || !call.path.endsWith('.part')) return undefined;
        parts.add(call.path);
        return parts.size === 2 ? { when: 'before', error: systemError('ENOSPC') } : undefined;
      };
      const { sealed, files: made, checkpoint } = await object.seal(behind, true);
      assert.deepEqual([sealed, made.length, checkpoint.digested], [1, 1, behind[0]!.last]);
      assert.ok(!disk.list('/group/journal').some((name) => name.endsWith('.part')));
      files.fault = () => undefined;
      assert.equal((await object.seal(behind.slice(1), true)).sealed, behind.length - 1);
      assertJoined(disk, end.last);
    });

  it('has no hole behind the checkpoint after a death amid several, and comes to the same (I4, I6)', async () => {
    const random = seededRandom('several');
    let n = 1;
    for (let dead = true; dead; n += 1) {
      const { disk, written, copied, others, end } = await copiedRaws();
      const first = back(disk);
      await first.open();
      for (const raw of [written, copied]) {
        await first.seal([raw], true);
        await first.apply(raw);
      }
      await first.close();
      const files = new TamperedFiles(disk);
      files.dieAt(n, 'after');
      const told = new Map<string, Buffer>();
      try {
        const object = back(files);
        await object.open();
        const made = await object.seal([...others, end], true);
        for (const { path } of made.files) told.set(path, contentOf(disk, path));
        dead = false;
      } catch (error) {
        assert.ok(error instanceof Crash || String(error).includes('the process died'), String(error));
      }
      disk.cutPower(() => random.fraction() < 0.5);
      for (const [path, content] of told) assert.ok(contentOf(disk, path).equals(content), `call ${n}`);
      const { sealed } = await back(disk).open();
      assertJoined(disk, sealed.at(-1)?.range.last ?? 0);
      const before = sealed.map(({ path }) => contentOf(disk, path));
      await finish(disk, [...others, end]);
      sealed.forEach(({ path }, i) => assert.ok(contentOf(disk, path).equals(before[i]!), `call ${n}`));
      assertJoined(disk, end.last);
    }
    assert.ok(n > 30, `${n} calls were tried`);
  });

  it('is destaged all the same where the source keeps snapshots of its own, which are made at what is destaged', async () => {
    const { disk, written, copied, others } = await copiedRaws();
    const scratch = { folder: '/scratch', size: 2 ** 20 };
    const views = { address: { kind: 'tcp' as const, host: '127.0.0.1', port: 0 }, connections: 4, scratch };
    const snapshots = { folder: '/snapshots', views };
    const object = back(disk, { ...OPTIONS, snapshots });
    await object.open();
    for (const raw of [written, copied]) {
      await object.seal([raw], true);
      await object.apply(raw);
    }
    const [next] = others;
    assert.ok(next !== undefined);
    assert.equal((await object.seal([next], true)).checkpoint.applied, copied.last);
    assert.equal((await object.apply(next)).checkpoint.applied, next.last);
    await object.close();
  });
});
