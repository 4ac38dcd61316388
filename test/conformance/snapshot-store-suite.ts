/** What every {@link SnapshotStore} must do, whatever is behind it. Tests of one kind of store are in test/recovery. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { changedBytes } from '../../src/recovery/changed-bytes.ts';
import type { SnapshotInfo } from '../../src/recovery/snapshot-store.ts';
import { Replica, hexId, throwsCode, type SnapshotPlace, type Step } from '../recovery/replica.ts';
import { Death, dyingFiles } from '../recovery/watched-files.ts';

export interface SnapshotBench {
  readonly kind: SnapshotInfo['kind'];
  /** A new place with two volumes of zeros, and no store yet. */
  readonly fresh: () => SnapshotPlace;
  /** Random runs of steps; what a disk costs decides how many. */
  readonly runs: number;
  /** How often to crash at each platform call; more than once where chance decides what is left. */
  readonly crashPasses: number;
  /** 1: at every call. A disk in memory is quick and loses power; on a real one only the process dies, and each death is slow. */
  readonly crashEvery: number;
}

const SECTOR = 512;

/** Sizes for the volumes of a place: several chunks of 64 KiB, and a last one that is not whole. */
export const VOLUME_SIZES = [5 * 65_536 + 3 * SECTOR, 2 * 65_536 + SECTOR] as const;

/** Even, unlike fast-check's own: in [0, 1). */
const fraction = fc.nat(999_999).map((n) => n / 1_000_000);

const write = fc
  .tuple(fc.nat(1), fraction, fc.integer({ min: 1, max: 200 }), fc.nat(255))
  .map(([volume, place, sectors, fill]) => {
    const size = VOLUME_SIZES[volume]!;
    const offset = Math.floor((place * size) / SECTOR) * SECTOR;
    return { volume, offset, length: Math.min(sectors * SECTOR, size - offset), fill };
  });

const writes = fc.array(write, { minLength: 1, maxLength: 6 });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: writes.map((some) => ({ kind: 'writes' as const, writes: some })) },
  { weight: 2, arbitrary: writes.map((some) => ({ kind: 'anticipate' as const, writes: some })) },
  { weight: 3, arbitrary: fc.nat(20).map((id) => ({ kind: 'snapshot' as const, id })) },
  { weight: 2, arbitrary: fc.nat(20).map((id) => ({ kind: 'delete' as const, id })) },
  { weight: 1, arbitrary: fc.nat(3).map((steps) => ({ kind: 'tidy' as const, steps })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

/** Short, because it is run once for every platform call that it makes. */
const CRASH_STEPS: readonly Step[] = [
  { kind: 'writes', writes: [{ volume: 0, offset: 0, length: 200_000, fill: 1 }] },
  { kind: 'snapshot', id: 1 },
  { kind: 'writes', writes: [{ volume: 0, offset: 70_000 - (70_000 % SECTOR), length: 1024, fill: 2 }] },
  {
    kind: 'anticipate',
    writes: [
      { volume: 0, offset: 0, length: 65_536, fill: 3 },
      { volume: 1, offset: 65_536, length: 512, fill: 3 },
    ],
  },
  {
    kind: 'writes',
    writes: [
      { volume: 0, offset: 65_536, length: 512, fill: 3 },
      { volume: 1, offset: 2 * 65_536, length: 512, fill: 4 },
      { volume: 0, offset: 0, length: 131_072, fill: 5 },
    ],
  },
  { kind: 'snapshot', id: 2 },
  { kind: 'writes', writes: [{ volume: 0, offset: 65_024, length: 1024, fill: 6 }] },
  { kind: 'snapshot', id: 1 },
];

/** The same for deleting: one in the middle, the newest, and the oldest, each handed over while the volumes are written. */
const DELETE_STEPS: readonly Step[] = [
  { kind: 'writes', writes: [{ volume: 0, offset: 0, length: 200_000, fill: 1 }] },
  { kind: 'snapshot', id: 1 },
  { kind: 'writes', writes: [{ volume: 0, offset: 0, length: 512, fill: 2 }] },
  { kind: 'snapshot', id: 2 },
  {
    kind: 'writes',
    writes: [
      { volume: 0, offset: 512, length: 131_072, fill: 3 },
      { volume: 1, offset: 2 * 65_536, length: 512, fill: 4 },
    ],
  },
  { kind: 'snapshot', id: 3 },
  { kind: 'writes', writes: [{ volume: 0, offset: 131_072, length: 512, fill: 5 }] },
  { kind: 'anticipate', writes: [{ volume: 0, offset: 196_608, length: 65_536, fill: 5 }] },
  { kind: 'delete', id: 2 },
  { kind: 'tidy' },
  { kind: 'delete', id: 3 },
  { kind: 'writes', writes: [{ volume: 0, offset: 65_536, length: 131_072, fill: 6 }] },
  { kind: 'tidy' },
  { kind: 'snapshot', id: 4 },
  { kind: 'writes', writes: [{ volume: 1, offset: 0, length: 131_072, fill: 7 }] },
  { kind: 'delete', id: 1 },
  { kind: 'tidy' },
];

export function snapshotStoreSuite(title: string, make: () => SnapshotBench): void {
  describe(`the snapshot store, ${title}`, function () {
    this.timeout(600_000);
    let bench: SnapshotBench;
    before(() => {
      bench = make();
    });

    it('keeps every snapshot as the volumes were, whatever is written, made again or restarted (I3, I9)', () => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 4, maxLength: 25 }), (steps) => {
          const replica = new Replica(bench.fresh());
          for (const action of steps) replica.run(action);
          replica.check();
          replica.checkVolumes();
          replica.run({ kind: 'restart' });
          replica.check();
          replica.store.close();
        }),
        { numRuns: bench.runs },
      );
    });

    for (const [doing, steps] of [
      ['making', CRASH_STEPS],
      ['deleting', DELETE_STEPS],
    ] as const) {
      it(`is whole after a crash at any platform call while ${doing}: a snapshot is there or is not (I6, I7)`, () => {
        for (let pass = 0; pass < bench.crashPasses; pass += 1) {
          let at = 1;
          while (crashAt(bench.fresh(), steps, at)) at += bench.crashEvery;
          assert.ok(at > 60, `there were only ${at} calls`);
        }
      });
    }

    it('keeps nothing of snapshots that were deleted once all is tidied', () => {
      const replica = new Replica(bench.fresh());
      for (let id = 1; id <= 5; id += 1) {
        replica.run({ kind: 'snapshot', id });
        replica.run({
          kind: 'writes',
          writes: [{ volume: 0, offset: 0, length: VOLUME_SIZES[0], fill: id }],
        });
      }
      for (const id of [3, 5, 1, 4, 2]) replica.run({ kind: 'delete', id });
      replica.run({ kind: 'tidy' });
      assert.deepEqual(replica.store.list(), []);
      assert.deepEqual(kept(replica.place), []);
      replica.store.close();
    });

    it('refuses to delete a snapshot that is being read, or that is not there', () => {
      const replica = new Replica(bench.fresh());
      replica.run({ kind: 'snapshot', id: 1 });
      const reader = replica.store.open(hexId(1), replica.place.volumes[0]!.name);
      throwsCode('SNAPSHOT_IN_USE', () => replica.store.delete(hexId(1)));
      reader.close();
      reader.close();
      replica.store.delete(hexId(1));
      throwsCode('SNAPSHOT_NOT_FOUND', () => replica.store.delete(hexId(1)));
      throwsCode('SNAPSHOT_NOT_FOUND', () => replica.store.open(hexId(1), replica.place.volumes[0]!.name));
      replica.store.close();
    });

    it('says what kind it is, and lists what was asked for', () => {
      const replica = new Replica(bench.fresh());
      assert.equal(replica.store.kind, bench.kind);
      assert.deepEqual(replica.store.list(), []);
      const info = replica.info(hexId(7));
      replica.store.create(info);
      assert.deepEqual(replica.store.list(), [{ ...info, kind: bench.kind }]);
      replica.store.create({ ...info, name: 'another time' });
      replica.run({ kind: 'restart' });
      assert.deepEqual(replica.store.list(), [{ ...info, kind: bench.kind }]);
      replica.store.close();
    });

    it('tells what is kept for each, or nothing where that cannot be known', () => {
      const replica = new Replica(bench.fresh());
      const write = (length: number): void =>
        replica.run({ kind: 'writes', writes: [{ volume: 0, offset: 0, length, fill: length % 251 }] });
      write(5 * 65_536);
      replica.run({ kind: 'snapshot', id: 1 });
      write(4 * 65_536);
      replica.run({ kind: 'snapshot', id: 2 });
      write(65_536);
      const used = replica.store.used();
      const changed = changedBytes(replica.store, hexId(1));
      assert.equal(changed, bench.kind === 'reflink' ? undefined : 4 * 65_536, 'each of them once');
      if (bench.kind === 'reflink') assert.equal(used.size, 0);
      else {
        const [older, newer] = [used.get(hexId(1)), used.get(hexId(2))];
        assert.ok(older !== undefined && newer !== undefined);
        assert.ok(older >= 4 * 65_536 && newer >= 65_536 && newer < 2 * 65_536, `${older}, ${newer}`);
      }
      replica.store.close();
    });

    it('lists by LSN', () => {
      const replica = new Replica(bench.fresh());
      const at = (id: number, lsn: number): void =>
        replica.store.create({ ...replica.info(hexId(id)), lsn: lsn as never });
      at(1, 30);
      at(2, 10);
      at(3, 20);
      assert.deepEqual(
        replica.store.list().map((info) => info.lsn),
        [10, 20, 30],
      );
      replica.store.close();
    });

    it('tells those of a history that was left from those of the present one, over a restart, and keeps them', () => {
      const replica = new Replica(bench.fresh());
      const at = (id: number, lsn: number): void =>
        replica.store.create({ ...replica.info(hexId(id)), lsn: lsn as never });
      at(1, 10);
      at(2, 30);
      replica.store.leave(20 as never);
      replica.store.leave(20 as never);
      at(3, 25);
      replica.run({ kind: 'restart' });
      const apart = replica.store.list().map((info) => [info.lsn, info.apart]);
      assert.deepEqual(apart, [
        [10, undefined],
        [25, undefined],
        [30, true],
      ]);
      replica.store.open(hexId(2), replica.place.volumes[0]!.name).close();
      replica.store.close();
    });

    it('refuses a snapshot or a volume that it does not have', () => {
      const replica = new Replica(bench.fresh());
      replica.run({ kind: 'snapshot', id: 1 });
      throwsCode('SNAPSHOT_NOT_FOUND', () => replica.store.open(hexId(2), replica.place.volumes[0]!.name));
      throwsCode('SNAPSHOT_NOT_FOUND', () => replica.store.open(hexId(1), 'nothing'));
      replica.store.close();
    });

    it('reads a snapshot that is open while its volume is written and further snapshots are made', () => {
      const replica = new Replica(bench.fresh());
      replica.run({ kind: 'writes', writes: [{ volume: 0, offset: 0, length: VOLUME_SIZES[0], fill: 1 }] });
      replica.run({ kind: 'snapshot', id: 1 });
      const reader = replica.store.open(hexId(1), replica.place.volumes[0]!.name);
      const sector = Buffer.alloc(SECTOR);
      for (let round = 2; round < 8; round += 1) {
        const offset = round * 40_960;
        reader.read(offset, sector);
        assert.equal(sector[0], 1);
        replica.run({ kind: 'writes', writes: [{ volume: 0, offset, length: 4096, fill: round }] });
        replica.run({ kind: 'snapshot', id: round });
        for (let at = 0; at < VOLUME_SIZES[0]; at += 3 * SECTOR) {
          reader.read(at, sector);
          assert.equal(sector.equals(Buffer.alloc(SECTOR, 1)), true, `at ${at} in round ${round}`);
        }
      }
      reader.close();
      replica.check();
      replica.store.close();
    });
  });
}

/** Names of chunk files, and of clones' folders. */
function kept({ files, folder, volumes }: SnapshotPlace): string[] {
  const beside = dirname(volumes[0]!.path);
  const hidden = files.list(beside).filter((name) => name.startsWith('.blockferry-snapshots-'));
  return [
    ...files.list(folder).filter((name) => name.endsWith('.chunks')),
    ...hidden.flatMap((name) => files.list(join(beside, name))),
  ];
}

/** Runs until the `at`-th platform call, crashes there, and goes on after a restart. False when there is no such call. */
function crashAt(place: SnapshotPlace, steps: readonly Step[], at: number): boolean {
  const dying = dyingFiles(place.files, at);
  const replica = new Replica(place, dying);
  let next = 0;
  try {
    for (const action of steps) {
      replica.run(action);
      next += 1;
    }
    return false;
  } catch (error) {
    if (!(error instanceof Death)) throw error;
  } finally {
    dying.closeAll();
  }
  place.crash();
  replica.restart(place.files);
  replica.check(steps[next]);
  // A destager does again what it had begun.
  for (const action of steps.slice(next)) replica.run(action);
  replica.check();
  replica.checkVolumes();
  replica.store.close();
  return true;
}
