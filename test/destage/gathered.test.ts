import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import { temporaryFolder } from '../support/folder.ts';
import { assertVolumes, Site, Stream, write } from './stream.ts';

const ID = '0123456789abcdef0123456789abcdef';

/** Writes of 4 KiB to either volume by turns. */
const sealWrites = (stream: Stream, count: number): string =>
  stream.seal(...Array.from({ length: count }, (_, i) => write(i % 2, (i % 16) * 4096, i % 251)));

describe('what is written together', () => {
  let stream: Stream;
  let site: Site;
  let back: DestinationBack;

  const apply = async (...paths: readonly string[]): Promise<void> => {
    for (const path of paths) await back.receive([site.deliver(path)]);
    while ((await back.applySome()).journalSegments > 0);
  };

  beforeEach(async () => {
    const root = temporaryFolder();
    stream = new Stream(join(root, 'source'));
    site = new Site(root);
    back = site.start();
    await apply(
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
    );
  });

  afterEach(() => back.close());

  it('is what several segments overwrite, a few MiB of it at most, where a snapshot keeps it (I7)', async () => {
    await back.createSnapshot({ id: ID, name: 'kept' });
    await apply(...[600, 4500].map((count) => sealWrites(stream, count)));
    assert.equal(site.snapshots.preserves, 3, 'twice 8 MiB, and the rest');
    assert.equal(site.snapshots.anticipated, 5100, 'all of it is said to come');
    assert.ok(site.snapshots.ahead > 2000, 'while what came before is still to be written');
    assertVolumes(site.content(), stream.volumes);
  });

  it('is a frame where no snapshot does', async () => {
    await apply(sealWrites(stream, 1000));
    assert.equal(site.snapshots.preserves, 4, '4 MiB');
    assert.equal(site.snapshots.anticipated, 0);
    assertVolumes(site.content(), stream.volumes);
  });
});
