import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ChangeMap } from '../../src/capture/change-map.ts';
import { CHANGE_MAP_FILE, MAP_BLOCK_REGIONS, MAP_BLOCK_SIZE } from '../../src/journal/change-map-format.ts';
import { type VolumeIndex } from '../../src/journal/ids.ts';
import { RegionBits, regionCount, regionSizeOf } from '../../src/journal/region-bits.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { seededRandom } from '../support/random.ts';
import { Crash, TamperedFiles } from '../support/tampered-files.ts';

const KIB = 1024;
const REGION = 64 * KIB;
const PATH = `/group/${CHANGE_MAP_FILE}`;
const GOLDEN = join(import.meta.dirname, '../golden/change-map-v1');

const volume = (index: number, size: number): { index: VolumeIndex; size: number } => ({
  index: index as VolumeIndex,
  size,
});
/** The second takes two blocks, and ends in the middle of a region. */
const VOLUMES = [volume(0, 5 * REGION), volume(2, (MAP_BLOCK_REGIONS + 100) * REGION + 512)];
const ALL = VOLUMES.reduce((sum, { size }) => sum + size, 0);

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
function marks(disk: MemoryDisk, volumes = VOLUMES): Set<string> {
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

function write(disk: MemoryDisk, position: number, bytes: Buffer): void {
  const file = disk.open(PATH, 'write');
  file.write(bytes, position);
  file.syncNow();
  file.close();
}

function content(disk: MemoryDisk): Buffer {
  const file = disk.open(PATH, 'read');
  const bytes = Buffer.alloc(file.size());
  file.read(bytes, 0);
  file.close();
  return bytes;
}

describe('the change map', () => {
  it('has everything marked when it is new, and says how many bytes that is', () => {
    const map = ChangeMap.open(emptyDisk(), '/group', VOLUMES);
    assert.equal(map.marked, ALL);
    map.clear(2 as VolumeIndex, 0, VOLUMES[1]!.size);
    assert.equal(map.marked, 5 * REGION);
  });

  it('has no volume of more than 2^24 regions, and none smaller than 64 KiB', () => {
    assert.equal(regionSizeOf(512), REGION);
    assert.equal(regionSizeOf(2 ** 40), REGION);
    assert.equal(regionSizeOf(2 ** 40 + 512), 2 * REGION);
    const largest = Number.MAX_SAFE_INTEGER - 511;
    assert.ok(regionCount(largest, regionSizeOf(largest)) <= 2 ** 24);
  });

  it('is after a restart what was marked and cleared, region by region', () => {
    const range = fc.record({
      volume: fc.constantFrom(...VOLUMES),
      start: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.integer({ min: 1, max: 6 * REGION }),
      clear: fc.boolean(),
      restart: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), (steps) => {
        const disk = clean();
        const wanted = new Set<string>();
        let map = ChangeMap.open(disk, '/group', VOLUMES);
        for (const {
          volume: { index, size },
          start: at,
          length,
          clear,
          restart,
        } of steps) {
          const start = Math.min(Math.floor((at * size) / 512) * 512, size - 512);
          const end = Math.min(size, start + length);
          if (clear) map.clear(index, start, end);
          else map.mark(index, start, end);
          for (let region = 0; region * REGION < size; region += 1) {
            const [from, to] = [region * REGION, Math.min(size, (region + 1) * REGION)];
            if (clear ? from >= start && to <= end : from < end && to > start)
              wanted[clear ? 'delete' : 'add'](`${index}:${region}`);
          }
          if (!restart) continue;
          map.sync();
          map.close();
          map = ChangeMap.open(disk, '/group', VOLUMES);
        }
        map.sync();
        const bytes = [...wanted].map((name) => {
          const [index, region] = name.split(':').map(Number) as [number, number];
          const { size } = VOLUMES.find((candidate) => candidate.index === index)!;
          return Math.min(REGION, size - region * REGION);
        });
        assert.equal(
          map.marked,
          bytes.reduce((sum, value) => sum + value, 0),
        );
        assert.deepEqual(marks(disk), wanted);
      }),
      { numRuns: 30 },
    );
  });

  it('takes what it needs of the disk when it is made, and nothing later (I8)', () => {
    const disk = clean();
    const { length } = content(disk);
    assert.equal(length, 4 * MAP_BLOCK_SIZE);
    const map = ChangeMap.open(disk, '/group', VOLUMES);
    map.markAll();
    map.sync();
    assert.equal(content(disk).length, length);
  });

  it('takes a damaged block for one that has everything marked, and no other for that (I6)', () => {
    for (const at of [0, 1000, MAP_BLOCK_SIZE - 1]) {
      const disk = clean();
      const byte = content(disk)[2 * MAP_BLOCK_SIZE + at]!;
      write(disk, 2 * MAP_BLOCK_SIZE + at, Buffer.of(byte ^ 0x10));
      const found = marks(disk);
      assert.equal(found.size, MAP_BLOCK_REGIONS);
      assert.ok([...found].every((name) => name.startsWith('2:')));
    }
  });

  it('takes a block that strayed to another place for a damaged one', () => {
    const disk = clean();
    write(disk, 2 * MAP_BLOCK_SIZE, content(disk).subarray(3 * MAP_BLOCK_SIZE));
    assert.equal(marks(disk).size, MAP_BLOCK_REGIONS);
  });

  it('has everything marked when its header is damaged, it was cut short, or it holds anything else', () => {
    const random = seededRandom('map');
    const all = marks(emptyDisk()).size;
    const header = clean();
    write(header, 20, Buffer.of(1, 2, 3));
    assert.equal(marks(header).size, all);
    const cut = clean();
    cut.open(PATH, 'write').truncate(MAP_BLOCK_SIZE + 7);
    assert.equal(marks(cut).size, all);
    const noise = clean();
    write(noise, 0, random.bytes(4 * MAP_BLOCK_SIZE));
    assert.equal(marks(noise).size, all);
    assert.equal(ChangeMap.open(noise, '/group', VOLUMES).unreadable, 0, 'it was made anew');
  });

  it('keeps what it knows of volumes that stay as they are, and marks all of a new one and of one that grew', () => {
    const disk = clean();
    const first = ChangeMap.open(disk, '/group', VOLUMES);
    first.mark(0 as VolumeIndex, 0, 1);
    first.sync();
    first.close();
    const other = [volume(5, 3 * REGION), volume(0, 5 * REGION)];
    assert.deepEqual([...marks(disk, other)].sort(), ['0:0', '5:0', '5:1', '5:2']);
    const grown = [volume(5, 3 * REGION), volume(0, 6 * REGION)];
    assert.equal(marks(disk, grown).size, 9);
  });

  for (const when of ['before', 'after'] as const) {
    it(`is never marked too little, whatever a power cut ${when} any change leaves of it (I6)`, () => {
      const random = seededRandom(`map ${when}`);
      let dead = true;
      for (let n = 1; dead; n += 1) {
        const disk = clean();
        const files = new TamperedFiles(disk);
        files.dieAt(n, when);
        let synced = new Set<string>();
        try {
          const map = ChangeMap.open(files, '/group', [...VOLUMES, volume(7, REGION)]);
          map.mark(0 as VolumeIndex, REGION, 3 * REGION);
          map.mark(2 as VolumeIndex, 0, 512);
          map.mark(2 as VolumeIndex, MAP_BLOCK_REGIONS * REGION, MAP_BLOCK_REGIONS * REGION + 512);
          map.sync();
          synced = new Set(['0:1', '0:2', '2:0', `2:${MAP_BLOCK_REGIONS}`, '7:0']);
          map.clear(0 as VolumeIndex, REGION, 2 * REGION);
          map.clear(2 as VolumeIndex, MAP_BLOCK_REGIONS * REGION, VOLUMES[1]!.size);
          synced = new Set(['0:2', '2:0', '7:0']);
          map.sync();
          dead = false;
        } catch (error) {
          assert.ok(error instanceof Crash || String(error).includes('the process died'), String(error));
        }
        disk.cutPower(() => random.fraction() < 0.5);
        const found = marks(disk, [...VOLUMES, volume(7, REGION)]);
        for (const name of synced) assert.ok(found.has(name), `${name} after call ${n}`);
      }
    });
  }

  it('keeps the bytes of its golden file, in both directions', () => {
    const disk = clean();
    const map = ChangeMap.open(disk, '/group', VOLUMES);
    map.mark(0 as VolumeIndex, REGION, 3 * REGION);
    map.mark(2 as VolumeIndex, VOLUMES[1]!.size - 1, VOLUMES[1]!.size);
    map.sync();
    if (process.env['UPDATE_GOLDEN'] === '1') {
      mkdirSync(join(GOLDEN, '..'), { recursive: true });
      writeFileSync(GOLDEN, content(disk));
    }
    const golden = readFileSync(GOLDEN);
    assert.ok(content(disk).equals(golden));
    const other = clean();
    write(other, 0, golden);
    assert.deepEqual([...marks(other)], ['0:1', '0:2', `2:${MAP_BLOCK_REGIONS + 100}`]);
  });
});
