import assert from 'node:assert/strict';
import type { GroupConfig, Part, RoledGroupOptions } from '../../../src/daemon/roles/part.ts';
import { readRollback } from '../../../src/daemon/roles/rollback-file.ts';
import { RoledGroup } from '../../../src/daemon/roles/roled-group.ts';
import { lsn } from '../../../src/journal/ids.ts';
import { OperatorError } from '../../../src/platform/errors.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { silentLog } from '../../support/silent-log.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const FOLDER = '/g';
const POINT = { id: 'a'.repeat(32), name: 'before', lsn: lsn(7), time: 1000 };
const random = { bytes: (size: number) => Buffer.alloc(size, 5) };

/** A source that notes what it was asked, and whether its snapshots were held then. */
class Source extends RoledGroup {
  readonly asked: string[] = [];
  isHeld = false;

  plays(snapshots: readonly (typeof POINT)[]): void {
    const note = (what: string): void => void this.asked.push(this.isHeld ? what : `${what}, not held`);
    const group = {
      stay: () => Promise.resolve(FOLDER),
      holdSnapshots: () => {
        this.isHeld = true;
        return () => (this.isHeld = false);
      },
      rollbackPoint: () => {
        note('point');
        const [point] = snapshots;
        return point ? Promise.resolve(point) : Promise.reject(new OperatorError('NONE', 'none'));
      },
      status: () => Promise.resolve({ role: 'source', lsn: lsn(9), hosts: 1 }),
      changedSince: () => Promise.resolve(4096),
      stop: () => {
        note('stop');
        return Promise.resolve();
      },
    };
    this.part = { kind: 'source', group } as unknown as Part;
  }

  protected override again(): Promise<void> {
    return Promise.resolve();
  }
}

describe('a source that is brought back to one of its snapshots', () => {
  let disk: MemoryDisk;
  let source: Source;

  const rollBack = (dryRun: boolean): Promise<unknown> =>
    source.rollback({ point: { kind: 'snapshot', called: POINT.name }, dryRun });

  beforeEach(() => {
    disk = new MemoryDisk({ clones: false });
    disk.makeDirectory(FOLDER);
    const platform = { files: disk, clock: new SimulatedClock(), random };
    const options = { world: { platform }, log: silentLog } as unknown as RoledGroupOptions;
    source = new Source({ name: 'g', role: 'source', folder: FOLDER } as unknown as GroupConfig, options);
  });

  it('keeps that snapshot from before it is chosen until its hosts are let go, whatever room they want', async () => {
    source.plays([POINT]);
    await rollBack(false);
    assert.deepEqual(source.asked, ['point', 'stop']);
    assert.equal(source.isHeld, false);
    assert.deepEqual(readRollback(disk, FOLDER)?.point, POINT);
  });

  it('keeps none any longer where it is only asked what that would come to, or there is no such point', async () => {
    source.plays([POINT]);
    await rollBack(true);
    source.plays([]);
    await assert.rejects(rollBack(false), { code: 'NONE' });
    assert.deepEqual(source.asked, ['point', 'point']);
    assert.equal(source.isHeld, false);
    assert.equal(readRollback(disk, FOLDER), undefined);
  });
});
