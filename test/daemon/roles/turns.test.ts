import assert from 'node:assert/strict';
import { dirname, join } from 'node:path/posix';
import { ChangeMap } from '../../../src/capture/change-map.ts';
import {
  clearRollback,
  readRollback,
  removeRollback,
  writeRollback,
  type Rollback,
} from '../../../src/daemon/roles/rollback-file.ts';
import { readResync } from '../../../src/daemon/roles/resync-file.ts';
import { finishTurn, turnToDestination, turnToSource } from '../../../src/daemon/roles/turns.ts';
import {
  DESTINATION_START,
  readDestinationState,
  writeDestinationState,
} from '../../../src/destage/state-file.ts';
import { epoch, lsn, type AttachedVolume, type VolumeIndex } from '../../../src/journal/ids.ts';
import { readRole, writeRole, type Role, type Takeover } from '../../../src/journal/role-file.ts';
import { encodeRecord, RecordKind } from '../../../src/journal/record.ts';
import { SEAL_START } from '../../../src/journal/seal.ts';
import {
  readCheckpoint,
  readGroupFile,
  writeCheckpoint,
  writeGroupFile,
} from '../../../src/journal/source-files.ts';
import { writeSegment } from '../../support/segment-file.ts';
import type { Files } from '../../../src/platform/files.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { Death, watchedFiles } from '../../recovery/watched-files.ts';
import { seededRandom } from '../../support/random.ts';

const FOLDER = '/g';
const id = (digit: string): string => digit.repeat(32);
const PLACE = { folder: FOLDER, key: undefined };
const VOLUMES: readonly AttachedVolume[] = [{ index: 0 as VolumeIndex, name: 'a', size: 4 * 1024 * 1024 }];
const OLD = { number: epoch(1), id: id('1') };
const NEW = { number: epoch(2), id: id('2') };
const FORK = { epoch: OLD, lsn: lsn(50), digest: 'ab'.repeat(32), time: 1000 };
const TAKEOVER: Takeover = { epoch: NEW, fork: FORK, at: 2000 };
const AGAIN: Takeover = { epoch: { number: epoch(3), id: id('3') }, fork: FORK, at: 3000 };
const SEGMENT = '00000001-0000000000000032-000000000000003c.seg';

/** The last record of its segment. */
const WRITTEN = encodeRecord(
  { kind: RecordKind.write, flags: 0, volume: 0 as VolumeIndex, lsn: lsn(60), offset: 2 * 1024 * 1024 },
  Buffer.alloc(512, 7),
  5,
);
const FACTS = {
  group: { name: 'g', id: id('9') },
  epoch: OLD,
  ...{ first: lsn(50), last: lsn(60), firstTime: 1000, lastTime: 1500 },
  ...{ digestBefore: '00'.repeat(32), digestAfter: 'cd'.repeat(32) },
  ...{ overwrittenDropped: false, recordSeed: 5 },
};
const SEALING = { key: undefined, compression: 0, random: seededRandom('sealing') };

function put(files: Files, ...paths: readonly string[]): void {
  for (const path of paths.map((name) => join(FOLDER, name))) {
    files.makeDirectory(dirname(path));
    const file = files.open(path, 'create-new');
    file.write(Buffer.from('x'), 0);
    file.syncNow();
    file.close();
    files.syncDirectory(dirname(path));
  }
}

/** As of a destination whose volumes are at the fork point. */
function destination(disk: MemoryDisk): void {
  disk.makeDirectory(FOLDER);
  put(
    disk,
    `journal/${SEGMENT}`,
    `inbox/${SEGMENT}`,
    'outbox-status/destination.json',
    'links/other-side.json',
  );
  const { lsn: applied, digest, time: appliedTime } = FORK;
  const state = {
    groupId: id('9'),
    epoch: OLD,
    applied,
    digest,
    appliedTime,
    volumes: VOLUMES,
    consistent: true,
  };
  writeDestinationState(disk, FOLDER, { ...DESTINATION_START, ...state, statusSequence: 77 });
  disk.syncDirectory(FOLDER);
}

/** As of a source that has ten records more than the other side, of which a region is marked. */
function source(disk: MemoryDisk): void {
  disk.makeDirectory(FOLDER);
  put(disk, `journal/${SEGMENT}`, 'links/second.json');
  writeGroupFile(disk, FOLDER, { id: id('9'), epoch: OLD, volumes: VOLUMES });
  const last = { shipped: lsn(60), digested: lsn(60), applied: lsn(60), clock: 1500 };
  writeCheckpoint(disk, FOLDER, { ...SEAL_START, ...last });
  disk.syncDirectory(FOLDER);
}

/** Whether the act came to its end, were it to die before the call of this number. */
function dieAt(disk: MemoryDisk, number: number, act: (files: Files) => void): boolean {
  let calls = 0;
  const files = watchedFiles(disk, () => {
    calls += 1;
    if (calls >= number) throw new Death(calls === number ? 'now' : 'already');
  });
  try {
    act(files);
    return true;
  } catch (error) {
    if (!(error instanceof Death)) throw error;
    return false;
  } finally {
    files.closeAll();
  }
}

/** With every call as the last before a crash, alone and with the power. */
function everywhere(
  prepare: (disk: MemoryDisk) => void,
  act: (files: Files) => void,
  after: (disk: MemoryDisk) => void,
): void {
  const random = seededRandom('turns');
  let ended = false;
  for (let number = 1; !ended; number += 1) {
    for (const hasPower of [true, false]) {
      const disk = new MemoryDisk({ clones: false });
      prepare(disk);
      ended = dieAt(disk, number, act);
      if (!hasPower) disk.cutPower(() => random.fraction() < 0.5);
      after(disk);
    }
  }
}

const names = (disk: MemoryDisk, folder: string): string[] =>
  disk.stat(`${FOLDER}/${folder}`) === undefined ? [] : disk.list(`${FOLDER}/${folder}`);

describe('a group’s folder that changes its part', () => {
  it('is a source’s at the fork point, wherever the change was cut off, or a destination’s as before (I6)', () => {
    everywhere(
      destination,
      (files) => {
        writeRole(files, FOLDER, { kind: 'taking-over', takeover: TAKEOVER });
        turnToSource(files, FOLDER, { takeover: TAKEOVER }, true);
      },
      (disk) => {
        const role = readRole(disk, FOLDER);
        if (role === undefined) {
          assert.equal(readDestinationState(disk, FOLDER).applied, 50);
          assert.deepEqual(names(disk, 'journal'), [SEGMENT]);
          return;
        }
        if (role.kind === 'taking-over') turnToSource(disk, FOLDER, role, true);
        assert.deepEqual(readRole(disk, FOLDER), { kind: 'source', takeover: TAKEOVER } satisfies Role);
        const checkpoint = readCheckpoint(disk, FOLDER);
        assert.ok(checkpoint !== undefined && checkpoint.copyEnded > checkpoint.copyBegun);
        const { shipped, digested, applied, digest } = checkpoint;
        assert.deepEqual([shipped, digested, applied, digest], [50, 50, 50, FORK.digest]);
        const group = readGroupFile(disk, FOLDER);
        assert.deepEqual([group?.id, group?.epoch, group?.volumes], [id('9'), NEW, VOLUMES]);
        const map = ChangeMap.open(disk, FOLDER, VOLUMES);
        assert.equal(map.marked, 0, 'whoever has all up to the fork point needs nothing more');
        map.close();
        for (const folder of ['journal', 'inbox', 'links', 'outbox', 'outbox-status'])
          assert.deepEqual(names(disk, folder), [], folder);
      },
    );
  });

  it('has all that leads to the point which it is to be brought back to, wherever the change was cut off (I6, I10)', () => {
    const segments = [SEGMENT, '00000001-000000000000001f-0000000000000031.seg'];
    const called = { id: id('5'), name: 'lsn-45' };
    const rollback: Rollback = {
      point: { ...called, lsn: lsn(45), time: 900, base: { lsn: lsn(30), time: 800 } },
      kept: called,
      begun: false,
      done: called,
    };
    everywhere(
      (disk) => {
        destination(disk);
        put(disk, ...segments.slice(1).map((name) => `journal/${name}`));
      },
      (files) => {
        writeRollback(files, FOLDER, rollback);
        writeRole(files, FOLDER, { kind: 'taking-over', takeover: TAKEOVER });
        turnToSource(files, FOLDER, { takeover: TAKEOVER }, true);
      },
      (disk) => {
        const role = readRole(disk, FOLDER);
        if (role?.kind === 'taking-over') turnToSource(disk, FOLDER, role, true);
        const part: Role = readRole(disk, FOLDER) ?? { kind: 'destination' };
        clearRollback(disk, FOLDER, part);
        if (part.kind === 'destination') {
          assert.equal(readRollback(disk, FOLDER), undefined, 'it did not come to pass');
          assert.deepEqual(names(disk, 'journal').toSorted(), segments.toSorted());
          return;
        }
        assert.deepEqual(readRollback(disk, FOLDER), rollback);
        assert.deepEqual(names(disk, 'rollback'), segments.slice(1), 'of the journal, what leads to it');
        assert.deepEqual(names(disk, 'journal'), []);
        removeRollback(disk, FOLDER);
        assert.deepEqual([readRollback(disk, FOLDER), ...names(disk, 'rollback')], [undefined]);
      },
    );
  });

  it('is a destination’s at the fork point that asks for what it changed since, and keeps it first (I6, I10)', () => {
    const marked = [
      { index: 0 as VolumeIndex, regionSize: 64 * 1024, bits: Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0) },
    ];
    const deposed = { resync: id('7'), marked };
    everywhere(
      source,
      (files) => {
        writeRole(files, FOLDER, { kind: 'following', by: TAKEOVER });
        turnToDestination(files, FOLDER, TAKEOVER, deposed);
      },
      (disk) => {
        const role = readRole(disk, FOLDER);
        if (
          role === undefined ||
          (role.kind === 'following' && readDestinationState(disk, FOLDER).epoch === undefined)
        ) {
          assert.deepEqual(names(disk, 'journal'), [SEGMENT], 'what is asked for is found again');
          assert.equal(readCheckpoint(disk, FOLDER)?.digested, 60);
          return;
        }
        if (role.kind === 'following') turnToDestination(disk, FOLDER, role.by, undefined);
        assert.deepEqual(readRole(disk, FOLDER), { kind: 'destination' } satisfies Role);
        const state = readDestinationState(disk, FOLDER);
        assert.deepEqual([state.applied, state.digest, state.consistent], [50, FORK.digest, false]);
        assert.deepEqual(state.epoch, NEW);
        assert.deepEqual(state.divergence, { epoch: OLD, lsn: 60, time: 1500 });
        assert.deepEqual(state.resync, { id: id('7'), begun: false });
        assert.equal(readResync(disk, FOLDER)?.id, id('7'));
        assert.deepEqual([...names(disk, 'journal'), ...names(disk, 'links')], []);
      },
    );
  });

  it('is a destination’s with nothing of the history that asks for all of it, and keeps first what the volumes hold (I6, I10)', () => {
    const keeps = { epoch: { number: epoch(1), id: id('4') }, lsn: lsn(60), time: 4000 };
    const compare = true as const;
    const joining = { by: TAKEOVER, groupId: id('8'), volumes: VOLUMES, resync: id('7'), keeps, compare };
    everywhere(
      (disk) => {
        source(disk);
        writeRole(disk, FOLDER, { kind: 'lost' });
      },
      (files) => {
        writeRole(files, FOLDER, { kind: 'joining', ...joining });
        finishTurn(files, PLACE, { kind: 'joining', ...joining }, false);
      },
      (disk) => {
        const role = readRole(disk, FOLDER);
        if (role?.kind === 'lost') {
          assert.deepEqual(names(disk, 'journal'), [SEGMENT]);
          return;
        }
        assert.ok(role !== undefined);
        assert.deepEqual(finishTurn(disk, PLACE, role, false), { kind: 'destination' });
        assert.deepEqual(readRole(disk, FOLDER), { kind: 'destination' } satisfies Role);
        const state = readDestinationState(disk, FOLDER);
        assert.deepEqual(
          [state.groupId, state.epoch, state.applied, state.digest, state.consistent],
          [id('8'), NEW, 50, FORK.digest, false],
        );
        assert.deepEqual([state.volumes, state.divergence], [VOLUMES, keeps]);
        const resync = readResync(disk, FOLDER);
        assert.deepEqual(state.resync, { id: id('7'), begun: false, anew: 'anywhere' });
        assert.deepEqual(resync, { id: id('7'), volumes: [], compare: true, anew: true });
        assert.deepEqual(names(disk, 'journal'), []);
      },
    );
  });

  it('is a source’s again that has sent what is up to the fork point, wherever the change was cut off (I6, I11)', () => {
    everywhere(
      (disk) => {
        source(disk);
        disk.remove(`${FOLDER}/journal/${SEGMENT}`);
        writeSegment(disk, `${FOLDER}/journal/${SEGMENT}`, FACTS, [WRITTEN], 512, SEALING);
        disk.syncDirectory(`${FOLDER}/journal`);
        const map = ChangeMap.open(disk, FOLDER, VOLUMES);
        map.clear(0 as VolumeIndex, 0, 4 * 1024 * 1024);
        map.sync();
        map.close();
        disk.syncDirectory(FOLDER);
        writeRole(disk, FOLDER, { kind: 'deposed', by: TAKEOVER });
      },
      (files) => {
        writeRole(files, FOLDER, { kind: 'going-on', takeover: AGAIN });
        finishTurn(files, PLACE, { kind: 'going-on', takeover: AGAIN }, false);
      },
      (disk) => {
        const role = readRole(disk, FOLDER);
        if (role?.kind === 'deposed') return;
        assert.ok(role !== undefined);
        const done = { kind: 'source', takeover: AGAIN } as const;
        assert.deepEqual(finishTurn(disk, PLACE, role, false), done);
        assert.deepEqual(readRole(disk, FOLDER), done);
        assert.deepEqual(readGroupFile(disk, FOLDER)?.epoch, AGAIN.epoch);
        const checkpoint = readCheckpoint(disk, FOLDER);
        assert.ok(checkpoint !== undefined && checkpoint.copyEnded > checkpoint.copyBegun);
        const { shipped, shippedDigest, digested, applied } = checkpoint;
        assert.deepEqual([shipped, shippedDigest, digested, applied], [50, FORK.digest, 60, 60]);
        const map = ChangeMap.open(disk, FOLDER, VOLUMES);
        // A block of the map that was cut off counts as marked whole.
        assert.ok(map.marked >= 64 * 1024, 'what the other side lacks goes over again');
        map.close();
        assert.deepEqual(names(disk, 'journal'), []);
      },
    );
  });

  it('is consistent at once where the other side has all of it; what was a recovery point behind that is apart (I3)', () => {
    const disk = new MemoryDisk({ clones: false });
    source(disk);
    const marked = [{ index: 0 as VolumeIndex, regionSize: 64 * 1024, bits: new Uint8Array(8) }];
    turnToDestination(disk, FOLDER, TAKEOVER, { resync: id('7'), marked });
    const { consistent, resync, divergence } = readDestinationState(disk, FOLDER);
    assert.deepEqual([consistent, resync], [true, undefined]);
    assert.deepEqual(divergence, { epoch: OLD, lsn: 60, time: 1500 }, 'its markers may have made some');
    assert.equal(readResync(disk, FOLDER), undefined);
  });
});
