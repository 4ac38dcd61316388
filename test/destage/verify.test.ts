import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import { aheadTo } from '../../src/destage/state-file.ts';
import type { Verification } from '../../src/journal/verification.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { Site, Stream, verify, VOLUME_SIZE, write as writing } from './stream.ts';

/** A destination that holds a first write, and the stream that goes on. */
async function begun(): Promise<{ site: Site; stream: Stream; back: DestinationBack }> {
  const root = temporaryFolder();
  const stream = new Stream(join(root, 'source'));
  const site = new Site(root);
  const back = site.start();
  const begin = stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, writing(0, 0, 1), {
    kind: 'init-end',
  });
  await take(back, site, begin);
  return { site, stream, back };
}

async function take(back: DestinationBack, site: Site, ...paths: readonly string[]): Promise<Verification> {
  for (const path of paths) await back.receive([site.deliver(path)]);
  for (;;) {
    const facts = await back.applySome();
    if (facts.journalSegments === 0) return facts.state.verification;
  }
}

function flip(site: Site, name: string, at: number): void {
  const path = site.paths.get(name)!;
  const bytes = readFileSync(path);
  bytes[at]! ^= 4;
  writeFileSync(path, bytes);
}

/** The checkpoint cannot move: as if the process died between the volumes' sync and it. */
function withoutCheckpoint(fault: { on: boolean }): Files {
  return {
    ...nodeFiles,
    open: (path, mode) => {
      const file = nodeFiles.open(path, mode);
      if (!path.endsWith('destination-state.json')) return file;
      const write = file.write.bind(file);
      return Object.assign(file, {
        write: (bytes: Uint8Array, at: number) => {
          const applied = /"applied": (\d+)/.exec(Buffer.from(bytes).toString())?.[1];
          if (fault.on && Number(applied) > 4) throw Object.assign(new Error('EIO'), { code: 'EIO' });
          write(bytes, at);
        },
      });
    },
  };
}

describe('a replica compared with its source', () => {
  it('is what the source held at that very record, whatever came before and behind it', async () => {
    const { site, stream, back } = await begun();
    const all = verify(0, 0, VOLUME_SIZE);
    const found = await take(back, site, stream.seal(writing(0, 4096, 2), all, writing(0, 4096, 3), all));
    assert.deepEqual(found, {
      pass: 1,
      comparedBytes: 2 * VOLUME_SIZE,
      skippedBytes: 0,
      differed: 0,
      differing: [],
      found: 0,
      mended: 0,
      fromMedium: process.platform === 'linux',
    });
    await back.close();
  });

  it('that changed by itself is told at once and after a restart, once for each range, until it is right again', async () => {
    const { site, stream, back } = await begun();
    flip(site, 'a', 77);
    flip(site, 'b', 4096);
    const found = await take(back, site, stream.seal(verify(0, 0, 4096), verify(0, 4096, 4096)));
    assert.deepEqual(found.differing, [{ volume: 0, offset: 0, length: 4096, lsn: 5 }]);
    await back.close();
    const again = site.start();
    const more = await take(again, site, stream.seal(verify(0, 0, 4096, 2), verify(1, 0, VOLUME_SIZE, 2)));
    const offsets = more.differing.map(({ volume, offset, lsn }) => [volume, offset, lsn]);
    assert.deepEqual(offsets, [
      [0, 0, 5],
      [1, 0, 8],
    ]);
    assert.deepEqual([more.found, more.mended, more.differed], [2, 0, 2]);
    const mended = await take(again, site, stream.seal(writing(0, 0, 1), verify(0, 0, 8192, 0)));
    assert.deepEqual([mended.found, mended.mended, mended.differing.length], [2, 1, 1]);
    assert.equal(mended.pass, 2, 'what is looked at again is of no pass');
    await again.close();
  });

  for (const died of [false, true]) {
    it(`is not compared at a record that its volumes may be ahead of, after a ${died ? 'crash' : 'failure'} (I3)`, async () => {
      const { site, stream, back } = await begun();
      const segment = stream.seal(verify(0, 0, 4096), writing(0, 0, 9));
      await back.close();
      const fault = { on: true };
      const cut = site.start(withoutCheckpoint(fault));
      await cut.receive([site.deliver(segment)]);
      await assert.rejects(async () => cut.applySome(), { code: 'EIO' });
      assert.equal(site.content()[0]![0], 9, 'it is ahead');
      fault.on = false;
      const after = died ? site.start() : cut;
      const found = await take(after, site, stream.seal(verify(0, 0, 4096)));
      assert.deepEqual(found.differing, []);
      assert.deepEqual([found.comparedBytes, found.skippedBytes], [4096, 4096]);
      await after.close();
    });
  }

  it('makes no recovery point of its own where its volumes may be ahead of what is applied (I3)', async () => {
    const { site, stream, back } = await begun();
    await back.close();
    const fault = { on: true };
    const cut = site.start(withoutCheckpoint(fault));
    await cut.receive([site.deliver(stream.seal(writing(0, 0, 9)))]);
    await assert.rejects(async () => cut.applySome(), { code: 'EIO' });
    assert.equal(aheadTo((await cut.facts()).state), 5, 'it says so');
    const called = { id: 'a'.repeat(32), name: 'own' };
    fault.on = false;
    const after = site.start();
    await assert.rejects(async () => after.createSnapshot(called), { code: 'VOLUMES_AHEAD' });
    await after.applySome();
    assert.equal(aheadTo((await after.facts()).state), undefined);
    await after.createSnapshot(called);
    const made = site.snapshots.taken.get(called.id);
    assert.deepEqual(made?.content, site.content());
    await after.close();
  });

  it('is not compared there either when what cut it off rotted meanwhile, and came again (I3)', async () => {
    const { site, stream, back } = await begun();
    const segment = stream.seal(verify(0, 0, 4096), writing(0, 0, 9));
    await back.close();
    const cut = site.start(withoutCheckpoint({ on: true }));
    const name = site.deliver(segment);
    await cut.receive([name]);
    await assert.rejects(async () => cut.applySome(), { code: 'EIO' });
    const received = join(site.folder, 'journal', name);
    writeFileSync(received, readFileSync(received).fill(0, 0, 100));
    for (let start = 0; start < 2; start += 1) await site.start().close();
    const after = site.start();
    const found = await take(after, site, segment);
    assert.deepEqual([found.differing, found.skippedBytes], [[], 4096]);
    await after.close();
  });

  it('is not compared while it is being brought over', async () => {
    const { site, stream, back } = await begun();
    flip(site, 'a', 77);
    const found = await take(back, site, stream.seal({ kind: 'init-begin' }, verify(0, 0, 4096)));
    assert.deepEqual([found.differing, found.skippedBytes], [[], 4096]);
    await back.close();
  });

  it('is compared in each of several segments that are applied together', async () => {
    const { site, stream, back } = await begun();
    flip(site, 'a', 77);
    const found = await take(
      back,
      site,
      stream.seal(verify(1, 0, 4096), writing(1, 0, 2)),
      stream.seal(verify(0, 0, 4096)),
    );
    assert.equal(found.differing.length, 1);
    await back.close();
  });
});
