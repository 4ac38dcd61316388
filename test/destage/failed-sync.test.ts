import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { systemError, TamperedFiles } from '../support/tampered-files.ts';
import { assertVolumes, marker, Site, Stream, write } from './stream.ts';

describe('a destination whose volumes failed in a batch', () => {
  for (const call of ['sync', 'write'] as const) {
    it(`counts nothing of a batch of which a ${call} failed, though a later sync succeeds, and writes it again (I6)`, async () => {
      const root = temporaryFolder();
      const [stream, site] = [new Stream(join(root, 'source')), new Site(root)];
      const names = ['a', 'b'];
      const files = new TamperedFiles(nodeFiles);
      const back = site.start(files);
      await back.receive([
        site.deliver(stream.seal({ kind: 'attach', names }, { kind: 'init-begin' }, { kind: 'init-end' })),
      ]);
      const before = (await back.applySome()).state.applied;
      await back.receive([site.deliver(stream.seal(write(0, 0, 1)))]);
      await back.receive([
        site.deliver(stream.seal(write(0, 4096, 2), marker('snapshot', 'noon', 'ab'.repeat(16)))),
      ]);
      let failed = false;
      files.fault = ({ kind, path }) => {
        if (kind !== call || !path.endsWith('a.img') || failed) return undefined;
        failed = true;
        return { when: 'before', error: systemError('EIO') };
      };
      await assert.rejects(async () => back.applySome());
      assert.ok(failed);
      assert.equal((await back.facts()).state.applied, before);
      assert.equal(await writesOfApplying(back, files), 2);
      assertVolumes(site.content(), stream.volumes);
      await back.close();
    });
  }

  it('counts nothing of a batch of which a sync failed that had begun before its end, and writes it again (I6)', async () => {
    const root = temporaryFolder();
    const [stream, site] = [new Stream(join(root, 'source')), new Site(root)];
    let failures = 0;
    const open: Files['open'] = (path, mode) => {
      const file = nodeFiles.open(path, mode);
      if (!path.endsWith('a.img') || failures > 0) return file;
      const fail = (): void => {
        failures += 1;
        throw systemError('EIO');
      };
      return Object.assign(file, { beginSync: () => fail });
    };
    const files = new TamperedFiles({ ...nodeFiles, open });
    const back = site.start(files);
    await back.receive([
      site.deliver(
        stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
      ),
    ]);
    const before = (await back.applySome()).state.applied;
    const much = Array.from({ length: 2100 }, (_, i) => write(0, (i % 16) * 4096, i % 256));
    await back.receive([site.deliver(stream.seal(...much))]);
    await back.receive([site.deliver(stream.seal(write(0, 4096, 2)))]);
    await assert.rejects(async () => back.applySome());
    assert.equal(failures, 1);
    assert.equal((await back.facts()).state.applied, before);
    assert.equal(await writesOfApplying(back, files), much.length + 1);
    assertVolumes(site.content(), stream.volumes);
    await back.close();
  });

  it('gives a new volume its size again when it failed to sync that (I6)', async () => {
    const root = temporaryFolder();
    const [stream, site] = [new Stream(join(root, 'source')), new Site(root)];
    const files = new TamperedFiles(nodeFiles);
    const back = site.start(files);
    await back.receive([site.deliver(stream.seal({ kind: 'attach', names: ['a', 'b'] }))]);
    const sized = (): string[] =>
      files.changes.filter(({ kind }) => kind === 'truncate').map(({ path }) => path.slice(-5));
    files.fault = ({ kind, path }) =>
      kind === 'sync' && path.endsWith('b.img') ? { when: 'before', error: systemError('EIO') } : undefined;
    await assert.rejects(async () => back.applySome());
    assert.deepEqual(sized(), ['a.img', 'b.img']);
    files.fault = () => undefined;
    await back.applySome();
    assert.deepEqual(sized().slice(2), ['a.img', 'b.img']);
    await back.close();
  });
});

/** Applies what there is. Returns how many writes of the first volume that took. */
async function writesOfApplying(back: DestinationBack, files: TamperedFiles): Promise<number> {
  const start = files.changes.length;
  await back.applySome();
  const made = files.changes.slice(start);
  return made.filter(({ kind, path }) => kind === 'write' && path.endsWith('a.img')).length;
}
