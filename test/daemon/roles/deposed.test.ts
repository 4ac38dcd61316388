import assert from 'node:assert/strict';
import { RoledGroup } from '../../../src/daemon/roles/roled-group.ts';
import type { GroupConfig, Part, RoledGroupOptions } from '../../../src/daemon/roles/part.ts';
import { epoch, lsn, type EpochIdentity } from '../../../src/journal/ids.ts';
import { readRole, writeRole, type Takeover } from '../../../src/journal/role-file.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { silentLog } from '../../support/silent-log.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const FOLDER = '/g';
const epochOf = (number: number): EpochIdentity => ({
  number: epoch(number),
  id: String(number).repeat(32),
});
const takeover = (number: number): Takeover => ({
  epoch: epochOf(number),
  fork: { epoch: epochOf(number - 1), lsn: lsn(50), digest: 'ab'.repeat(32), time: 1000 },
  at: 2000,
});

/** A source in its epoch, that never settles. */
class Source extends RoledGroup {
  plays(number: number): void {
    const group = {
      epoch: epochOf(number),
      stay: () => Promise.resolve(FOLDER),
      settle: () => Promise.resolve(false),
    };
    this.part = { kind: 'source', group } as unknown as Part;
  }

  hears(number: number): Promise<void> {
    return this.inTurn(() => this.deposed(takeover(number)));
  }

  hearsOfForeign(): Promise<void> {
    return this.inTurn(() => this.lost());
  }
}

describe('the word that the other side took over', () => {
  let disk: MemoryDisk;
  let source: Source;

  beforeEach(() => {
    disk = new MemoryDisk({ clones: false });
    disk.makeDirectory(FOLDER);
    writeRole(disk, FOLDER, { kind: 'source', takeover: takeover(3) });
    const platform = { files: disk, clock: new SimulatedClock(), random: undefined };
    const options = { world: { platform }, log: silentLog } as unknown as RoledGroupOptions;
    source = new Source({ name: 'g', role: 'source', folder: FOLDER } as unknown as GroupConfig, options);
    source.plays(3);
  });

  it('counts for a source that began since, where that is of an older epoch all the same (I11)', async () => {
    await source.hears(4);
    assert.deepEqual(readRole(disk, FOLDER), { kind: 'deposed', by: takeover(4), takeover: takeover(3) });
  });

  it('counts for none that serves in a newer one: it was said of what this side was before', async () => {
    await source.hears(2);
    assert.deepEqual(readRole(disk, FOLDER), { kind: 'source', takeover: takeover(3) });
  });

  it('that a destination holds what an earlier source wrote counts for none that took over since', async () => {
    await source.hearsOfForeign();
    assert.deepEqual(readRole(disk, FOLDER), { kind: 'source', takeover: takeover(3) });
  });
});
