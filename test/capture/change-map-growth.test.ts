import assert from 'node:assert/strict';
import { ChangeMap, type VolumeToMap } from '../../src/capture/change-map.ts';
import { MAP_BLOCK_REGIONS } from '../../src/journal/change-map-format.ts';
import type { VolumeIndex } from '../../src/journal/ids.ts';
import { RegionBits, regionCount } from '../../src/journal/region-bits.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { seededRandom } from '../support/random.ts';
import { Crash, TamperedFiles } from '../support/tampered-files.ts';

const REGION = 64 * 1024;

const volume = (index: number, size: number): { index: VolumeIndex; size: number } => ({
  index: index as VolumeIndex,
  size,
});
/** The second takes two blocks, and ends in the middle of a region. */
const VOLUMES = [volume(0, 5 * REGION), volume(2, (MAP_BLOCK_REGIONS + 100) * REGION + 512)];

function emptyDisk(): MemoryDisk {
  const disk = new MemoryDisk({ clones: false });
  disk.makeDirectory('/group');
  return disk;
}

/** A map in which nothing is marked. */
function clean(disk = emptyDisk()): MemoryDisk {
  const map = ChangeMap.open(disk, '/group', VOLUMES);
  for (const { index, size } of VOLUMES) map.clear(index, 0, size);
  map.sync();
  map.close();
  return disk;
}

/** `volume:region` of all that is marked. */
function marks(disk: MemoryDisk, volumes: readonly VolumeToMap[] = VOLUMES): Set<string> {
  const map = ChangeMap.open(disk, '/group', volumes);
  const found = new Set<string>();
  for (const { index, regionSize, bits } of map.snapshot()) {
    const { size } = volumes.find((candidate) => candidate.index === index)!;
    const regions = new RegionBits(bits, regionCount(size, regionSize));
    for (let region = 0; region < regionCount(size, regionSize); region += 1)
      if (regions.has(region)) found.add(`${index}:${region}`);
  }
  map.close();
  return found;
}

describe('the change map of a volume that grows', () => {
  it('keeps its marks when a volume grows, in regions of whatever size, and marks nothing of what is new', () => {
    const [index, tebibyte] = [0 as VolumeIndex, 2 ** 40];
    for (const [from, to, wanted] of [
      [5 * REGION, 7 * REGION, ['0:3']],
      [5 * REGION - 512, (MAP_BLOCK_REGIONS + 3) * REGION, ['0:3']],
      [tebibyte, tebibyte + REGION, ['0:1']],
    ] as const) {
      const disk = emptyDisk();
      const map = ChangeMap.open(disk, '/group', [volume(0, from)]);
      map.clear(index, 0, from);
      map.mark(index, 3 * REGION, 3 * REGION + 1);
      map.grow(index, to);
      const there = (): string[] => [...marks(disk, [volume(0, to)])];
      assert.deepEqual(there(), wanted);
      map.mark(index, to - 1, to);
      map.sync();
      map.close();
      assert.equal(there().length, 2, 'what is marked later is there, too');
      // Whether an earlier run got so far or not.
      assert.equal(marks(disk, [{ ...volume(0, to), grewFrom: from }]).size, 2);
    }
  });

  for (const when of ['before', 'after'] as const) {
    it(`has all its marks whatever a power cut ${when} any change leaves while a volume grows (I6)`, () => {
      const random = seededRandom(`map grows ${when}`);
      for (let n = 1, dead = true; dead; n += 1) {
        const disk = clean();
        const files = new TamperedFiles(disk);
        const grown = [{ ...volume(0, 9 * REGION), grewFrom: VOLUMES[0]!.size }, VOLUMES[1]!];
        const before = ChangeMap.open(files, '/group', VOLUMES);
        before.mark(0 as VolumeIndex, REGION, REGION + 1);
        before.sync();
        files.dieAt(n, when);
        let last = REGION;
        try {
          before.grow(0 as VolumeIndex, 9 * REGION);
          before.mark(0 as VolumeIndex, 8 * REGION, 8 * REGION + 1);
          before.sync();
          last = 8 * REGION;
          dead = false;
        } catch (error) {
          assert.ok(error instanceof Crash);
        }
        disk.cutPower(() => random.fraction() < 0.5);
        const found = marks(disk, grown);
        assert.ok(found.has('0:1') && found.has(`0:${last / REGION}`), `died at call ${n}`);
        assert.ok(found.size <= 2, `died at call ${n}: ${found.size} regions are marked`);
      }
    });
  }
});
