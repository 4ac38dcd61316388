import assert from 'node:assert/strict';
import { findSealed } from '../../../src/daemon/source-back/sealed-file.ts';
import { BACKLOG_AGE } from '../../../src/journal/coalesce-plan.ts';
import { lsn, LSN_NONE, type Lsn } from '../../../src/journal/ids.ts';
import { RecordKind } from '../../../src/journal/record.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { VOLUME_SIZE } from '../../capture/engine.ts';
import type { MemoryDisk } from '../../recovery/memory-disk.ts';
import { seededRandom } from '../../support/random.ts';
import { systemError } from '../../support/tampered-files.ts';
import { SourceSite } from './source-site.ts';

/** What a destination's volume holds that applies what lies in the journal folder; before that it was brought into step. */
function shipped(disk: MemoryDisk): { readonly last: number; readonly a: Buffer } {
  const a = Buffer.alloc(VOLUME_SIZE);
  let [last, digest]: [number | undefined, string | undefined] = [undefined, undefined];
  for (const { path } of findSealed(disk, '/group')) {
    const reader = openSegment(disk, path, undefined);
    assert.equal(reader.header.first, (last ?? reader.header.first - 1) + 1);
    assert.equal(reader.header.digestBefore, digest ?? reader.header.digestBefore);
    for (const { kind, volume, offset, length, payload } of [...reader.frames()].flat()) {
      if (volume !== 0) continue;
      if (kind === RecordKind.write) payload.copy(a, offset);
      if (kind === RecordKind.zero) a.fill(0, offset, offset + length);
    }
    [last, digest] = [reader.header.last, reader.header.digestAfter];
    reader.close();
  }
  return { last: last ?? 0, a };
}

describe('a source group whose links send nothing', () => {
  let begun: Lsn | undefined;

  /** Two hundred times the same eight blocks of each volume: a backlog that has not waited long enough. */
  async function backlogged(segments = 200): Promise<SourceSite> {
    const site = await SourceSite.start({ begun: () => begun });
    assert.equal(await site.fill(segments), 'taken');
    return site;
  }

  beforeEach(() => (begun = LSN_NONE));

  it('merges what waits, each block once, and frees it when the destinations have it (I4, I5)', async () => {
    const site = await backlogged();
    await site.clock.pass(BACKLOG_AGE + 30_000);
    assert.ok(site.segments().length < 8, `${site.segments().length} segments are left`);
    assert.ok(site.group.bufferUsed < 1.5 * 16 * 32 * 1024, `${site.group.bufferUsed} bytes`);
    const { coalesced } = site.group;
    assert.ok(coalesced.segments > 150 && coalesced.bytesSaved > 4_000_000, JSON.stringify(coalesced));
    assert.ok(coalesced.ranges.length > 0);
    assert.ok(shipped(site.disk).a.equals(site.seen('a')));
    assert.deepEqual(
      site.group.sealed.map(({ name, bytes }) => [name, bytes]),
      findSealed(site.disk, '/group').map(({ name, bytes }) => [name, bytes]),
    );
    site.confirm();
    await site.clock.pass(1000);
    assert.deepEqual([site.segments(), site.group.coalesced.ranges], [[], []]);
    await site.group.stop();
  });

  it('merges nothing that a link has begun to send, nor when there are no links or it is switched off', async () => {
    begun = undefined;
    const site = await backlogged(20);
    const before = site.segments();
    await site.clock.pass(BACKLOG_AGE + 5000);
    assert.deepEqual(site.segments(), before);
    begun = site.group.sealed[10]!.range.last;
    await site.clock.pass(5000);
    assert.deepEqual(site.segments().slice(0, 11), before.slice(0, 11));
    assert.ok(site.segments().length < before.length);
    await site.group.stop();
  });

  it('gives a merge up when a link begins to send any of it meanwhile, and leaves nothing of it', async () => {
    const site = await backlogged(20);
    const before = site.segments();
    site.files.fault = ({ kind, path }) => {
      if (kind === 'write' && path.endsWith('merged.part')) begun = lsn(Number.MAX_SAFE_INTEGER);
      return undefined;
    };
    await site.clock.pass(BACKLOG_AGE + 5000);
    assert.equal(begun, Number.MAX_SAFE_INTEGER, 'it was begun');
    assert.deepEqual([site.segments(), site.group.coalesced.segments], [before, 0]);
    assert.ok(site.disk.list('/group/journal').every((name) => !name.endsWith('.part')));
    await site.group.stop();
  });

  it('shows the links nothing of what is being replaced', async () => {
    const site = await backlogged(20);
    const seen: number[] = [];
    site.files.fault = ({ kind, path }) => {
      if (kind === 'rename' && path.endsWith('merged.part')) seen.push(site.group.sealed.length);
      return undefined;
    };
    await site.clock.pass(BACKLOG_AGE + 5000);
    assert.equal(seen[0], 0);
    assert.ok(site.group.sealed.length > 0);
    await site.group.stop();
  });

  it('sends the segments as they are when the disk is full for a merged one (I8)', async () => {
    const site = await backlogged(20);
    const before = site.segments();
    site.files.fault = ({ path }) =>
      path.endsWith('merged.part') ? { when: 'half', error: systemError('ENOSPC') } : undefined;
    await site.clock.pass(BACKLOG_AGE + 3000);
    assert.deepEqual([site.segments(), site.waiting()], [before, []]);
    assert.equal(await site.fill(2), 'taken');
    await site.group.stop();
  });

  for (const when of ['before', 'after'] as const) {
    it(`has the originals or the merged one after it died ${when} any change and the power was cut (I6)`, async () => {
      const random = seededRandom(`merge ${when}`);
      let n = 1;
      for (let dead = true; dead; n += 1) {
        const site = await backlogged(6);
        await site.clock.pass(2000);
        const { sealed } = site.group;
        const { last, a } = shipped(site.disk);
        const start = site.files.changes.length;
        site.files.dieAt(start + n, when);
        try {
          await site.back.beginMerge(sealed);
          for (let kind = 'more'; kind === 'more';) ({ kind } = await site.back.stepMerge());
          await site.back.commitMerge();
          dead = false;
        } catch (error) {
          assert.match(String(error), /the process died/);
        }
        site.disk.cutPower(() => random.fraction() < 0.5);
        const after = shipped(site.disk);
        assert.equal(after.last, last, `call ${n}`);
        assert.ok(after.a.equals(a));
        const { length } = site.segments();
        assert.ok(length === sealed.length || length === 1, `${length} segments at call ${n}`);
      }
      assert.ok(n > 8, `${n} calls were tried`);
    });
  }
});
