import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HostError, WRITE_HEADROOM, type HostVolume } from '../../src/nbd/front-end.ts';
import { BlockRanges } from '../../src/recovery/block-ranges.ts';
import { removeScratches, Scratch } from '../../src/recovery/scratch.ts';
import { ScratchTable } from '../../src/recovery/scratch-table.ts';
import { ScratchVolume } from '../../src/recovery/scratch-volume.ts';
import { MemoryVolume } from '../support/memory-volume.ts';
import { MemoryDisk } from './memory-disk.ts';

const SECTOR = 512;
const SECTORS = 131;
const SIZE = SECTORS * SECTOR;
const FOLDER = '/scratch';

function write(volume: HostVolume, writes: readonly { offset: number; data: Buffer }[]): void {
  const headroom = Buffer.alloc(WRITE_HEADROOM);
  volume.write({
    buffer: Buffer.concat([Buffer.alloc(64), ...writes.flatMap(({ data }) => [headroom, data])]),
    start: 64,
    count: writes.length,
    offsets: Float64Array.from(writes, ({ offset }) => offset),
    lengths: Uint32Array.from(writes, ({ data }) => data.length),
  });
}

function contentOf(volume: HostVolume): Buffer {
  const content = Buffer.alloc(volume.size);
  volume.read(0, content);
  return content;
}

class NearlyFull extends MemoryDisk {
  override freeSpace(): number {
    return 2 ** 27;
  }
}

/** Two volumes of one scratch file, over others that nothing may change. */
function volumes(size = 2 ** 20): { disk: MemoryDisk; bases: MemoryVolume[]; over: ScratchVolume[] } {
  const disk = new MemoryDisk({ clones: false });
  const scratch = new Scratch(disk, { folder: FOLDER, number: 1, size });
  const bases = ['a', 'b'].map((name) => {
    const base = new MemoryVolume(name, SIZE);
    write(base, [{ offset: 40 * SECTOR, data: Buffer.alloc(50 * SECTOR, name) }]);
    return base;
  });
  return { disk, bases, over: bases.map((base, number) => new ScratchVolume(base, scratch, number)) };
}

const range = fc.tuple(fc.nat(SECTORS - 1), fc.integer({ min: 1, max: 60 })).map(([at, length]) => {
  return { offset: at * SECTOR, length: Math.min(length, SECTORS - at) * SECTOR };
});
const change = fc.record({ volume: fc.nat(1), range, fill: fc.nat(255), isTrim: fc.boolean() });

describe('a scratch file', () => {
  it('holds what was written and trimmed, of each volume what belongs to it, and leaves what is below alone', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), range, (changes, part) => {
        const { bases, over } = volumes();
        const below = bases.map((base) => Buffer.from(base.content));
        const models = below.map((content) => Buffer.from(content));
        for (const { volume, range: at, fill, isTrim } of changes) {
          if (isTrim) over[volume]!.zero(at.offset, at.length);
          else write(over[volume]!, [{ offset: at.offset, data: Buffer.alloc(at.length, fill) }]);
          models[volume]!.fill(isTrim ? 0 : fill, at.offset, at.offset + at.length);
        }
        over.forEach((volume, number) => {
          const model = models[number]!;
          assert.ok(contentOf(volume).equals(model));
          const some = Buffer.alloc(part.length);
          volume.read(part.offset, some);
          assert.ok(some.equals(model.subarray(part.offset, part.offset + part.length)));
          let at = part.offset;
          for (const { length, kind } of volume.extents(part.offset, part.length, 100)) {
            assert.ok(kind === 'data' || model.subarray(at, at + length).equals(Buffer.alloc(length)));
            at += length;
          }
          assert.equal(at, part.offset + part.length);
          assert.ok(bases[number]!.content.equals(below[number]!));
        });
      }),
      { numRuns: 150 },
    );
  });

  it('takes several writes of one run, and answers a flush', async () => {
    const [volume = assert.fail()] = volumes().over;
    write(volume, [
      { offset: 0, data: Buffer.alloc(SECTOR, 1) },
      { offset: 8192, data: Buffer.alloc(8 * SECTOR, 2) },
    ]);
    await volume.flush();
    assert.deepEqual([...contentOf(volume).subarray(511, 513)], [1, 0]);
    assert.deepEqual([...contentOf(volume).subarray(8191, 8193)], [0, 2]);
  });

  it('refuses what is over its limit with ENOSPC, what is there can be overwritten, and trimming makes room', () => {
    const [volume = assert.fail()] = volumes(4 * 4096).over;
    const put = (block: number): void =>
      write(volume, [{ offset: block * 4096, data: Buffer.alloc(4096, 9) }]);
    for (const block of [0, 5, 7, 9]) put(block);
    const isFull = (error: unknown): boolean => error instanceof HostError && error.code === 'ENOSPC';
    assert.throws(() => put(1), isFull);
    put(5);
    volume.zero(5 * 4096, 4096);
    put(1);
    assert.throws(() => put(2), isFull);
    assert.ok(
      contentOf(volume)
        .subarray(5 * 4096, 6 * 4096)
        .equals(Buffer.alloc(4096)),
    );
  });

  it('leaves room on its disk for those who need it more', () => {
    const scratch = new Scratch(new NearlyFull({ clones: false }), {
      folder: FOLDER,
      number: 1,
      size: 2 ** 30,
    });
    assert.throws(() => scratch.add(0, 0, Buffer.alloc(4096)), /\/scratch has less than/);
  });

  it('is gone when it is closed, and what an earlier process left is too', () => {
    const { disk } = volumes();
    const second = new Scratch(disk, { folder: FOLDER, number: 2, size: 2 ** 20 });
    disk.open(`${FOLDER}/notes.txt`, 'create').close();
    second.close();
    assert.deepEqual(disk.list(FOLDER).sort(), ['1.scratch', 'notes.txt']);
    removeScratches(disk, FOLDER);
    assert.deepEqual(disk.list(FOLDER), ['notes.txt']);
    removeScratches(disk, '/nowhere');
  });

  it('keeps its table as a map would, and its trimmed ranges as a set would', () => {
    const step = fc.record({
      key: fc.nat(40),
      length: fc.integer({ min: 1, max: 9 }),
      isDelete: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(1, 1024, 2 ** 41), (steps, stride) => {
        const [table, map] = [new ScratchTable(), new Map<number, number>()];
        const [ranges, set] = [new BlockRanges(), new Set<number>()];
        steps.forEach(({ key, length, isDelete }, place) => {
          if (isDelete) {
            assert.equal(table.delete(key * stride), map.get(key * stride));
            map.delete(key * stride);
          } else {
            table.set(key * stride, place);
            map.set(key * stride, place);
          }
          if (!isDelete) return;
          ranges.add(key, key + length);
          for (let i = key; i < key + length; i += 1) set.add(i);
        });
        assert.equal(table.count, map.size);
        for (let key = 0; key <= 40; key += 1) {
          assert.equal(table.find(key * stride), map.get(key * stride));
          assert.equal(ranges.has(key), set.has(key));
        }
        assert.deepEqual(
          table.within(0, 50 * stride > 2000 ? 2 ** 50 : 50).sort((a, b) => a - b),
          [...map.keys()].filter((key) => key < (50 * stride > 2000 ? 2 ** 50 : 50)).sort((a, b) => a - b),
        );
        const inside = [...ranges.within(5, 30)].flatMap(({ start, end }) =>
          Array.from({ length: end - start }, (_, i) => start + i),
        );
        assert.deepEqual(
          inside,
          [...set].filter((value) => value >= 5 && value < 30).sort((a, b) => a - b),
        );
      }),
      { numRuns: 200 },
    );
    const table = new ScratchTable();
    for (let key = 0; key < 5000; key += 1) table.set(key * 4099, key);
    for (let key = 0; key < 5000; key += 2) assert.equal(table.delete(key * 4099), key);
    for (let key = 0; key < 5000; key += 1)
      assert.equal(table.find(key * 4099), key % 2 === 0 ? undefined : key);
  });
});
