import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { MountEntry, MountRequest } from '../../../src/api/contract/mounts.ts';
import {
  TAIL_LINE_LENGTH_MAX,
  TAIL_LINES_MAX,
  type Rehearsal,
} from '../../../src/api/contract/rehearsals.ts';
import type { RehearsalConfig } from '../../../src/config/config.ts';
import { Rehearsing } from '../../../src/daemon/destination/rehearsing.ts';
import { lsn } from '../../../src/journal/ids.ts';
import { OperatorError } from '../../../src/platform/errors.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import type { Command, CommandResult } from '../../../src/platform/processes.ts';
import { choosePoint } from '../../../src/recovery/choose-point.ts';
import type { SnapshotInfo } from '../../../src/recovery/snapshot-store.ts';
import { MemoryLog } from '../../api/fixture.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const MINUTE = 60_000;
const POINT: SnapshotInfo = {
  id: 'a'.repeat(32),
  name: 'noon',
  lsn: lsn(70),
  time: 1_000_000,
  kind: 'reflink',
};
const NEWEST = { kind: 'lsn', lsn: Number.MAX_SAFE_INTEGER } as const;

/** Mounts and programs that do what they are told, at a pace of 200 ms to mount. */
class Stage {
  readonly clock = new SimulatedClock();
  readonly log = new MemoryLog();
  readonly asked: MountRequest[] = [];
  readonly mounted: string[] = [];
  readonly commands: Command[] = [];
  readonly folder: string;
  snapshots: SnapshotInfo[] = [POINT];
  mountFailure: Error | undefined;
  #end: ((result: CommandResult) => void) | undefined;

  constructor(folder = temporaryFolder()) {
    this.folder = folder;
  }

  rehearsing(rehearsal: Partial<RehearsalConfig> = {}): Rehearsing {
    const { clock, log, folder } = this;
    return new Rehearsing({
      platform: { clock, files: nodeFiles, processes: { run: (command) => this.#run(command) } },
      log,
      group: 'oracle',
      folder,
      rehearsal: { run: ['/bin/check', 'x'], timeLimit: MINUTE, timed: undefined, ...rehearsal },
      mounts: { mount: (request) => this.#mount(request), unmount: (name) => this.#unmount(name) },
      check: (point) => Promise.resolve(choosePoint(this.snapshots, point)).then(() => undefined),
    });
  }

  async end(result: CommandResult = { kind: 'exited', exitCode: 0 }): Promise<void> {
    this.#end?.(result);
    await turn();
  }

  async #mount(request: MountRequest): Promise<MountEntry> {
    this.asked.push(request);
    await new Promise<void>((resolve) => this.clock.after(200, resolve));
    if (this.mountFailure !== undefined) throw this.mountFailure;
    this.mounted.push('noon');
    return {
      name: 'noon',
      snapshot: POINT,
      lsn: POINT.lsn,
      time: POINT.time,
      writable: true,
      address: { kind: 'socket', path: '/views.sock' },
      exports: ['data', 'log.1'].map((volume) => ({ volume, name: `oracle/${volume}@noon`, size: 512 })),
      mountedAt: 0,
    };
  }

  #unmount(name: string): Promise<{ name: string; hungUp: number }> {
    const at = this.mounted.indexOf(name);
    if (at < 0) return Promise.reject(new OperatorError('MOUNT_NOT_FOUND', 'not there'));
    this.mounted.splice(at, 1);
    return Promise.resolve({ name, hungUp: 0 });
  }

  #run(command: Command): Promise<CommandResult> {
    this.commands.push(command);
    command.signal.addEventListener('abort', () => void this.end({ kind: 'aborted' }));
    return new Promise((resolve) => (this.#end = resolve));
  }
}

function ended(rehearsing: Rehearsing, number: number): Rehearsal {
  const progress = rehearsing.progress(number);
  return progress.state === 'ended' ? progress.rehearsal : assert.fail('it is under way');
}

describe('a rehearsal', () => {
  it('runs the check on the newest point, mounted to be written to, and says how long each step took', async () => {
    const stage = new Stage();
    const rehearsing = stage.rehearsing();
    const number = await rehearsing.begin(undefined);
    await stage.clock.pass(1000);
    assert.deepEqual(stage.asked, [{ point: NEWEST, writable: true }]);
    const [command = assert.fail()] = stage.commands;
    assert.deepEqual([command.argv, command.timeLimit], [['/bin/check', 'x'], MINUTE]);
    assert.deepEqual(command.environment, {
      BLOCKFERRY_GROUP: 'oracle',
      BLOCKFERRY_REHEARSAL: String(number),
      BLOCKFERRY_LSN: '70',
      BLOCKFERRY_TIME: '1970-01-01T00:16:40.000Z',
      BLOCKFERRY_VOLUMES: 'data log.1',
      BLOCKFERRY_URI_DATA: 'nbd+unix:///oracle/data@noon?socket=%2Fviews.sock',
      BLOCKFERRY_URI_LOG_1: 'nbd+unix:///oracle/log.1@noon?socket=%2Fviews.sock',
    });
    assert.deepEqual(rehearsing.progress(number), { state: 'under-way' });
    assert.equal(rehearsing.status().current?.number, number);
    command.onLine('clean');
    await stage.end();
    assert.deepEqual(stage.mounted, []);
    const { beganAt, ...proven } = ended(rehearsing, number);
    assert.deepEqual(proven, {
      number,
      point: { mount: 'noon', lsn: 70, time: 1_000_000 },
      mountedAfter: 200,
      endedAfter: 1000,
      output: ['clean'],
    });
    assert.equal(beganAt, stage.clock.now() - 1000);
    assert.deepEqual([rehearsing.waits(), rehearsing.status().current], [[], undefined]);
  });

  it('that fails is an alarm until one passes, also after a restart, and what was proven before stays', async () => {
    const stage = new Stage();
    const first = stage.rehearsing();
    const passed = await first.begin(undefined);
    await stage.clock.pass(300);
    await stage.end();
    const failed = await first.begin({ kind: 'snapshot', called: 'noon' });
    await stage.clock.pass(300);
    stage.commands[1]?.onLine('bad superblock');
    await stage.end({ kind: 'exited', exitCode: 8 });
    const since = stage.clock.now();
    await first.begin(undefined);
    await stage.clock.pass(300);
    await stage.end({ kind: 'timed-out' });
    assert.equal(ended(first, passed).failure, undefined);
    assert.throws(() => first.progress(failed), /REHEARSAL_GONE|nothing is known/);
    const again = stage.rehearsing();
    assert.deepEqual(again.status(), first.status());
    assert.equal(again.status().proven?.number, passed);
    const wait = {
      code: 'rehearsal-failed',
      message: 'the rehearsal of LSN 70 failed: the check did not end within 60000 ms',
      since,
    };
    assert.deepEqual(again.waits(), [wait]);
    const next = await again.begin(undefined);
    await stage.clock.pass(300);
    await stage.end();
    assert.deepEqual(again.waits(), []);
    assert.equal(again.status().proven?.number, next);
    assert.equal(again.status().failed?.failure, 'the check did not end within 60000 ms');
  });

  it('fails where no point can be mounted, which says so', async () => {
    const stage = new Stage();
    stage.mountFailure = new Error('too many mounts');
    const rehearsing = stage.rehearsing();
    const number = await rehearsing.begin(undefined);
    await stage.clock.pass(300);
    const { failure, point, mountedAfter, endedAfter } = ended(rehearsing, number);
    assert.equal(failure, 'no recovery point could be mounted: too many mounts');
    assert.deepEqual([point, mountedAfter, endedAfter, stage.commands], [undefined, undefined, 200, []]);
  });

  it('is declined, and is no failure, where there is no such point or another one is under way', async () => {
    const stage = new Stage();
    const rehearsing = stage.rehearsing();
    await assert.rejects(rehearsing.begin({ kind: 'snapshot', called: 'none' }), {
      code: 'SNAPSHOT_NOT_FOUND',
    });
    await rehearsing.begin(undefined);
    await assert.rejects(rehearsing.begin(undefined), { code: 'REHEARSAL_UNDER_WAY' });
    assert.deepEqual([rehearsing.waits(), rehearsing.status().failed], [[], undefined]);
  });

  it('is cut off by the end of blockferry, which unmounts it and remembers no failure', async () => {
    for (const time of [100, 300]) {
      const stage = new Stage();
      const rehearsing = stage.rehearsing();
      const number = await rehearsing.begin(undefined);
      await stage.clock.pass(time);
      const stopped = rehearsing.stop();
      await stage.clock.pass(1000);
      await stopped;
      assert.deepEqual([stage.mounted, stage.commands.length], [[], time === 100 ? 0 : 1]);
      const again = stage.rehearsing();
      assert.deepEqual([again.status(), again.waits()], [{}, []]);
      assert.throws(() => again.progress(number), { code: 'REHEARSAL_GONE' });
    }
  });

  it('keeps the end of what its check prints, whatever that is, and a file that can be read', async () => {
    const stage = new Stage();
    const rehearsing = stage.rehearsing();
    const number = await rehearsing.begin(undefined);
    await stage.clock.pass(300);
    const longest = '\u0001'.repeat(10 * TAIL_LINE_LENGTH_MAX);
    for (let line = 0; line < 2 * TAIL_LINES_MAX; line += 1) stage.commands[0]?.onLine(`${line}${longest}`);
    await stage.end({ kind: 'not-started', reason: longest });
    const { output } = ended(rehearsing, number);
    assert.deepEqual([output.length, output[0]?.slice(0, 2)], [TAIL_LINES_MAX, String(TAIL_LINES_MAX)]);
    assert.ok(output.every((line) => line.length === TAIL_LINE_LENGTH_MAX));
    assert.deepEqual(stage.rehearsing().status(), rehearsing.status());
    writeFileSync(join(stage.folder, 'rehearsals.json'), 'no longer whole');
    assert.deepEqual(stage.rehearsing().status(), {});
  });

  it('takes place at its times, where what keeps it from a point is a failure', async () => {
    const stage = new Stage();
    const rehearsing = stage.rehearsing({ timed: { times: '0 * * * *', timeZone: 'UTC' } });
    rehearsing.start();
    stage.mountFailure = new Error('there is none yet');
    await stage.clock.pass(60 * MINUTE);
    assert.match(rehearsing.waits()[0]?.message ?? '', /^a rehearsal failed: .*there is none yet$/);
    stage.mountFailure = undefined;
    await stage.clock.pass(120 * MINUTE);
    assert.deepEqual(stage.asked.length, 2, 'none beside one that is under way');
    assert.match(
      stage.log.lines.join('\n'),
      /rehearsal at its time: a rehearsal of group oracle is under way/,
    );
    await stage.end();
    assert.deepEqual(rehearsing.waits(), []);
    await rehearsing.stop();
    await stage.clock.pass(120 * MINUTE);
    assert.equal(stage.asked.length, 2);
  });
});
