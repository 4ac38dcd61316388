import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mock } from 'node:test';
import fc from 'fast-check';
import { ServedViews, type MountFacts } from '../../../src/daemon/snapshots/served-views.ts';
import { errorCode } from '../../../src/platform/errors.ts';
import type { WantedPoint } from '../../../src/recovery/choose-point.ts';
import { inReach } from '../../../src/recovery/windows.ts';
import { marker, write, type Step } from '../../destage/stream.ts';
import { Destination, PIECE } from './worker-destination.ts';

const TIME = 1_790_000_000_000;

const at = (lsn: number): WantedPoint => ({ kind: 'lsn', lsn });

describe('any point in time at a destination', () => {
  it('is the state at exactly that record, while more is applied, and over a restart (I3)', async () => {
    const place = fc.record({ volume: fc.nat(1), piece: fc.nat(15) });
    const record = fc.oneof(
      fc
        .record({ place, fill: fc.integer({ min: 1, max: 255 }) })
        .map(({ place: { volume, piece }, fill }) => {
          return write(volume, piece * PIECE, fill);
        }),
      fc
        .record({ place, sectors: fc.integer({ min: 1, max: 8 }) })
        .map(({ place: { volume, piece }, sectors }): Step => {
          return { kind: 'zero', volume, offset: piece * PIECE, length: sectors * 512 };
        }),
    );
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc
          .array(record, { minLength: 1, maxLength: 8 })
          .map((records) => ({ kind: 'take', records }) as const),
      },
      { weight: 4, arbitrary: fc.nat(1000).map((share) => ({ kind: 'look', share }) as const) },
      { weight: 1, arbitrary: fc.constant({ kind: 'snapshot' } as const) },
      { weight: 1, arbitrary: fc.constant({ kind: 'restart' } as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 20 }), async (steps) => {
        const destination = new Destination();
        await destination.begin();
        let open: MountFacts[] = [];
        let snapshots = 0;
        for (const one of steps) {
          if (one.kind === 'take') await destination.take(...one.records);
          else if (one.kind === 'restart') {
            await destination.restart();
            open = [];
          } else if (one.kind === 'snapshot') {
            snapshots += 1;
            const id = snapshots.toString(16).padStart(32, '0');
            await destination.worker.createSnapshot({ id, name: `s${snapshots}` });
          } else {
            const { window, state } = await destination.worker.facts();
            const from = window.from?.lsn ?? assert.fail('there is always a window');
            const wanted = from + Math.round(((state.applied - from) * one.share) / 1000);
            const mounted = await destination.mount(at(wanted));
            assert.equal(mounted.lsn, wanted);
            if (open.length < 12) open.push(mounted);
            else await destination.worker.unmount(mounted.name);
          }
          for (const mounted of open) destination.assertIs(mounted);
        }
        await destination.worker.close();
      }),
      { numRuns: 8 },
    );
  });

  it('is found by its time, and is the end of what was merged where it lies inside of that', async () => {
    const destination = new Destination();
    await destination.begin();
    const clock = (time: number): Step => ({ kind: 'clock', time: TIME + time });
    await destination.take(clock(1000), write(0, 0, 1), clock(2000), write(0, 0, 2));
    destination.stream.overwrittenDropped = true;
    await destination.take(write(0, 0, 3), write(0, 0, 4));
    const lsnAt = async (point: WantedPoint): Promise<number> => {
      const mounted = await destination.mount(point);
      destination.assertIs(mounted);
      await destination.worker.unmount(mounted.name);
      return mounted.lsn;
    };
    assert.deepEqual(
      (await destination.worker.windows()).map(({ from, to, every }) => [from.lsn, to.lsn, every]),
      [
        [3, 7, true],
        [7, 9, false],
      ],
    );
    assert.equal(await lsnAt({ kind: 'time', time: TIME + 1999 }), 5);
    assert.equal(await lsnAt({ kind: 'time', time: TIME + 1_000_000 }), 9);
    assert.equal(await lsnAt(at(6)), 6);
    assert.equal(await lsnAt(at(8)), 7, 'inside of a merged segment there is no state');
    assert.equal(await lsnAt(at(9)), 9);
    await destination.worker.close();
  });

  it('is found by a marker’s name, the newest of it, as long as that very state is in reach', async () => {
    const destination = new Destination();
    await destination.begin();
    const pass = async (number: number): Promise<void> => {
      await destination.take(write(0, 0, number), marker('custom', 'nightly', String(number).repeat(32)));
      const { pending } = (await destination.worker.facts()).state;
      await destination.worker.finishMarker(pending!.id);
    };
    await pass(1);
    await pass(2);
    await destination.take(write(0, 0, 3));
    await destination.restart();
    const called: WantedPoint = { kind: 'snapshot', called: 'nightly' };
    const mounted = await destination.mount(called);
    assert.equal(mounted.lsn, 7);
    destination.assertIs(mounted);
    await destination.worker.checkPoint(called);
    await destination.worker.unmount(mounted.name);
    const snapshots = await destination.worker.snapshots();
    const windows = await destination.worker.windows();
    const listed = inReach(await destination.worker.passedMarkers(), snapshots, windows);
    assert.deepEqual(
      listed.map(({ name, lsn }) => [name, lsn]),
      [
        ['nightly', 5],
        ['nightly', 7],
      ],
    );
    await destination.worker.giveUpRetained(2 ** 30);
    const gone = { code: 'POINT_NOT_FOUND', message: /nightly was passed at LSN 7/ };
    await assert.rejects(destination.mount(called), gone);
    await assert.rejects(destination.worker.checkPoint(called), gone);
    await assert.rejects(destination.mount({ kind: 'snapshot', called: 'never' }), {
      code: 'SNAPSHOT_NOT_FOUND',
    });
    await destination.worker.close();
  });

  it('reads as zeros what was trimmed behind the snapshot (I3)', async () => {
    const destination = new Destination();
    await destination.begin();
    await destination.take(write(0, 0, 1), write(0, PIECE, 1));
    await destination.worker.createSnapshot({ id: 'e'.repeat(32), name: 'full' });
    await destination.take({ kind: 'zero', volume: 0, offset: 512, length: PIECE }, write(1, 0, 2));
    destination.assertIs(await destination.mount(at(6)));
    await destination.worker.close();
  });

  it('is none while the volumes are copied over, and is the newest before (I3)', async () => {
    const destination = new Destination();
    await destination.begin();
    await destination.take(write(0, 0, 1));
    await destination.take({ kind: 'init-begin' }, write(0, 0, 2));
    await destination.take(write(0, PIECE, 2), { kind: 'init-end' });
    await destination.take(write(0, 0, 3));
    const found: number[] = [];
    for (const wanted of [4, 5, 6, 7, 8, 9]) {
      const mounted = await destination.mount(at(wanted));
      destination.assertIs(mounted);
      found.push(mounted.lsn);
    }
    assert.deepEqual(found, [4, 4, 4, 4, 8, 9]);
    const windows = await destination.worker.windows();
    assert.deepEqual(
      windows.map(({ from, to }) => [from.lsn, to.lsn]),
      [
        [3, 4],
        [8, 9],
      ],
    );
    await destination.worker.close();
  });

  it('holds its snapshot and what came behind it for as long as it is mounted', async () => {
    const destination = new Destination();
    await destination.begin();
    await destination.take(write(0, 0, 1), write(1, 0, 1));
    const mounted = await destination.mount(at(4));
    assert.equal(mounted.name, 'lsn-4');
    for (let fill = 2; fill < 60; fill += 1)
      await destination.take(...[0, 1, 2, 3].map((piece) => write(1, piece * PIECE, fill)));
    await destination.worker.giveUpRetained(2 ** 30);
    destination.assertIs(mounted);
    await destination.worker.unmount('lsn-4');
    await destination.worker.giveUpRetained(2 ** 30);
    assert.equal((await destination.worker.facts()).window.segments, 0);
    await destination.worker.close();
  });

  it('holds its snapshot, also the window’s own, for as long as this side is to go back to it (I10)', async () => {
    for (const isCopied of [false, true]) {
      const destination = new Destination();
      await destination.begin();
      const [own] = await destination.worker.snapshots();
      assert.ok(own !== undefined);
      const isThere = async (): Promise<boolean> =>
        (await destination.worker.snapshots()).some(({ id }) => id === own.id);
      const leaveBehind = async (): Promise<void> => {
        // No window leads over a copy.
        if (isCopied) await destination.take({ kind: 'init-begin' }, write(0, 0, 2), { kind: 'init-end' });
        for (let fill = 2; fill < 30; fill += 1)
          await destination.take(...[0, 1, 2, 3].map((piece) => write(1, piece * PIECE, fill)));
        await destination.worker.giveUpRetained(2 ** 30);
        assert.equal((await destination.worker.facts()).window.segments, 0, 'no segment is kept for it (I8)');
        await destination.take(write(0, 0, 3));
      };
      const held = await destination.worker.holdPoint({ kind: 'snapshot', called: own.name });
      assert.equal(held.point.id, own.id);
      await leaveBehind();
      assert.ok(await isThere());
      await destination.worker.letPointGo();
      await leaveBehind();
      assert.ok(!(await isThere()));
      await destination.worker.close();
    }
  });

  it('holds nothing where what changed since cannot be told', async () => {
    const destination = new Destination();
    await destination.begin();
    await destination.take(write(0, 0, 1));
    const [own] = await destination.worker.snapshots();
    assert.ok(own !== undefined);
    const looked = mock.method(ServedViews.prototype, 'changedSince', () => {
      throw new Error('it is damaged');
    });
    try {
      const held = destination.worker.holdPoint({ kind: 'snapshot', called: own.name });
      await assert.rejects(held, /it is damaged/);
    } finally {
      looked.mock.restore();
    }
    for (let fill = 2; fill < 60; fill += 1)
      await destination.take(...[0, 1, 2, 3].map((piece) => write(1, piece * PIECE, fill)));
    await destination.worker.giveUpRetained(2 ** 30);
    await destination.take(write(0, 0, 3));
    assert.ok(!(await destination.worker.snapshots()).some(({ id }) => id === own.id));
    await destination.worker.close();
  });

  it('is refused with the segment that is damaged and the nearest states that are whole (I4)', async () => {
    const destination = new Destination();
    await destination.begin();
    await destination.take(write(0, 0, 1));
    const path = await destination.take(write(0, 0, 2));
    const bytes = readFileSync(path);
    bytes[300]! ^= 1;
    writeFileSync(path, bytes);
    await assert.rejects(destination.mount(at(5)), (error) => {
      assert.equal(errorCode(error), 'RETAINED_DAMAGED');
      assert.match(String(error), /LSN 5 to 5 is damaged/);
      return true;
    });
    const whole = await destination.mount(at(4));
    destination.assertIs(whole);
    await destination.worker.close();
  });
});
