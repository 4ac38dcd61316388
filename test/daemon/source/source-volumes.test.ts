import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { VolumeConfig } from '../../../src/config/config.ts';
import { refuseEmptied, volumeFilesOf } from '../../../src/daemon/source/volume-files.ts';
import { placeVolumes } from '../../../src/daemon/source/source-volumes.ts';
import type { AttachedVolume, VolumeIndex } from '../../../src/journal/ids.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { makeImage } from '../../../src/volume/image-file.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { Crash, TamperedFiles } from '../../support/tampered-files.ts';

const SIZE = 64 * 1024;
const known = (index: number, name: string): AttachedVolume => ({
  index: index as VolumeIndex,
  name,
  size: SIZE,
});
const wanted = (name: string): VolumeConfig => ({ name, path: `/volumes/${name}`, size: SIZE });
const unsized = (name: string): VolumeConfig => ({ ...wanted(name), size: undefined });

const none = { volumes: [] };
const held = { volumes: [known(0, 'a')] };

describe('a source’s volumes', () => {
  let disk: MemoryDisk;
  beforeEach(() => {
    disk = new MemoryDisk({ clones: false });
    disk.makeDirectory('/volumes');
  });
  const make = (name: string, size = SIZE): void => disk.open(`/volumes/${name}`, 'create').truncate(size);

  it('keep the index they once got, whatever their order; an index is never given to another', () => {
    for (const name of ['a', 'b', 'c']) make(name);
    const placed = placeVolumes(
      disk,
      ['c', 'b', 'a'].map((name) => wanted(name)),
      { volumes: [known(0, 'a'), known(4, 'gone')] },
    );
    assert.deepEqual(
      placed.map(({ name, index }) => [name, index]),
      [
        ['c', 5],
        ['b', 6],
        ['a', 0],
      ],
    );
  });

  it('are made, sparse, when they are not there yet and their size is known, for good (I6)', () => {
    const [placed] = placeVolumes(disk, [wanted('a')], none);
    assert.equal(placed?.size, SIZE);
    disk.cutPower(() => false);
    assert.equal(disk.stat('/volumes/a')?.size, SIZE);
  });

  it('are made whole by the next start wherever the one that made them died', () => {
    for (let n = 1, dead = true; dead; n += 1) {
      disk.remove('/volumes/a');
      const files = new TamperedFiles(disk);
      files.dieAt(n, 'after');
      try {
        placeVolumes(files, [wanted('a')], none);
        dead = false;
      } catch (error) {
        assert.ok(error instanceof Crash);
      }
      assert.equal(placeVolumes(disk, [wanted('a')], none)[0]?.size, SIZE, `died at call ${n}`);
    }
  });

  it('are not made anew when they held data: a missing one is refused, with what to do', () => {
    assert.throws(() => placeVolumes(disk, [wanted('a')], held), {
      code: 'VOLUME_MISSING',
      message: 'volume a (/volumes/a) is not there, and it held data',
    });
    assert.deepEqual(disk.list('/volumes'), []);
    make('a', 0);
    assert.throws(() => placeVolumes(disk, [wanted('a')], held), { code: 'VOLUME_SIZE' });
  });

  it('are refused when their size is not what the configuration says, not whole sectors, or unknown', () => {
    make('a', SIZE + 512);
    assert.throws(() => placeVolumes(disk, [wanted('a')], none), { code: 'VOLUME_SIZE' });
    assert.equal(placeVolumes(disk, [unsized('a')], none).length, 1);
    make('b', SIZE + 100);
    assert.throws(() => placeVolumes(disk, [unsized('b')], none), { code: 'VOLUME_SIZE' });
    assert.throws(() => placeVolumes(disk, [unsized('c')], none), { code: 'VOLUME_SIZE' });
  });

  it('may be larger than the configuration says once they held data, but never smaller than they were', () => {
    make('a', 2 * SIZE);
    assert.equal(placeVolumes(disk, [wanted('a')], held)[0]?.size, 2 * SIZE);
    make('a', SIZE - 512);
    for (const volume of [wanted('a'), unsized('a')])
      assert.throws(() => placeVolumes(disk, [volume], held), { code: 'VOLUME_SIZE' });
    make('a', SIZE);
    assert.throws(() => placeVolumes(disk, [{ ...wanted('a'), size: 2 * SIZE }], held), {
      code: 'VOLUME_SIZE',
    });
  });

  it('go on with a resize that was begun, unless the file did not get its size', () => {
    const growing = { index: 0 as VolumeIndex, size: 2 * SIZE };
    const placed = (): number | undefined =>
      placeVolumes(disk, [wanted('a')], { ...held, growing })[0]?.grewFrom;
    make('a', SIZE);
    assert.equal(placed(), undefined);
    make('a', 2 * SIZE);
    assert.equal(placed(), SIZE);
    // Somebody else made it larger, and may have put something there: that is no resize.
    make('a', 3 * SIZE);
    assert.equal(placed(), undefined);
  });

  it('are refused where another file is in the place of one, to which nothing was written: it would be served as zeros', () => {
    const path = join(temporaryFolder(), 'a');
    const places = [{ name: 'a', path }];
    makeImage(nodeFiles, path, SIZE);
    const before = volumeFilesOf(nodeFiles, places);
    assert.doesNotThrow(() => refuseEmptied(nodeFiles, places, before), 'it was empty before, too');
    nodeFiles.rename(path, `${path}.old`);
    makeImage(nodeFiles, path, SIZE);
    assert.throws(() => refuseEmptied(nodeFiles, places, before), { code: 'VOLUME_EMPTY' });
    assert.doesNotThrow(() => refuseEmptied(nodeFiles, places, []), 'the journal has nothing of it');
    const file = nodeFiles.open(path, 'write');
    file.write(Buffer.alloc(512), 4096);
    file.close();
    assert.doesNotThrow(() => refuseEmptied(nodeFiles, places, before), 'one that was restored, say');
  });
});
