import assert from 'node:assert/strict';
import type { RunningDestination } from '../../../src/daemon/destination/destination.ts';
import { planReturn } from '../../../src/daemon/roles/rollback-plan.ts';
import { lsn } from '../../../src/journal/ids.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const POINT = { id: 'a'.repeat(32), name: 'before', lsn: lsn(7), time: 1000 };

describe('the point that a destination is to go back to when it takes over', () => {
  const platform = {
    files: new MemoryDisk({ clones: false }),
    clock: new SimulatedClock(),
    random: { bytes: (size: number) => Buffer.alloc(size, 5), fraction: () => 0.5 },
  };
  let held: string[];

  const plan = (changedSince: () => Promise<number>): Promise<unknown> => {
    const group = {
      holdPoint: () => {
        held.push(POINT.id);
        return Promise.resolve(POINT);
      },
      letPointGo: () => {
        held = [];
        return Promise.resolve();
      },
      facts: () => ({ state: { appliedTime: 3000 } }),
      changedSince,
    } as unknown as RunningDestination;
    return planReturn(group, { kind: 'snapshot', called: POINT.name }, platform);
  };

  beforeEach(() => {
    held = [];
  });

  it('is held from when it is chosen', async () => {
    const planned = (await plan(() => Promise.resolve(4096))) as { answer: unknown };
    assert.deepEqual(planned.answer, {
      rollback: {
        point: { name: POINT.name, lsn: POINT.lsn, time: POINT.time },
        discardedSeconds: 2,
        changedBytes: 4096,
        keptAs: 'before-rollback-20231114t221320.000z',
      },
    });
    assert.deepEqual(held, [POINT.id]);
  });

  it('is let go where what changed since cannot be told: the takeover is not done', async () => {
    await assert.rejects(
      plan(() => Promise.reject(new Error('the catalogue is damaged'))),
      /the catalogue is damaged/,
    );
    assert.deepEqual(held, []);
  });
});
