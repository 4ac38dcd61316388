import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MarkerProgram } from '../../src/destage/marker-runner.ts';
import { BACKGROUND_MAX } from '../../src/destage/state-file.ts';
import type { BackCalls } from '../../src/destage/group-options.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import type { CommandResult, Processes } from '../../src/platform/processes.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until } from './running-group.ts';
import { assertVolumes, marker, Site, Stream, write } from './stream.ts';

const ID = '0123456789abcdef0123456789abcdef';

describe("a custom marker's program", () => {
  /** A marker at record 5 with a write before and one behind it, and a program that tells each of its starts. */
  function prepare(wait: boolean): {
    site: Site;
    stream: Stream;
    program: (script: string) => MarkerProgram;
    starts: () => string[];
    go: () => void;
  } {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    const out = join(root, 'starts');
    const paths = [
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
      stream.seal(write(0, 0, 7), marker('custom', 'report', ID)),
      stream.seal(write(0, 0, 8)),
    ];
    for (const path of paths) site.deliver(path);
    return {
      site,
      stream,
      program: (script) => ({
        name: 'report',
        run: [
          '/bin/sh',
          '-c',
          `echo "$BLOCKFERRY_ATTEMPT $BLOCKFERRY_MARKER_ID" >> '${out}'; cd '${root}'; ${script}`,
        ],
        // By a clock that is hurried: never, on however slow a machine.
        timeLimit: 86_400_000,
        wait,
      }),
      starts: () => (existsSync(out) ? readFileSync(out, 'utf8').trim().split('\n') : []),
      go: () => writeFileSync(join(root, 'go'), ''),
    };
  }

  const startsUpTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i + 1} ${ID}`);

  it('that is ended with the daemon has not failed: it is started again until it ends, however often (I9)', async () => {
    const { site, stream, program, starts, go } = prepare(true);
    const markers = [program('[ -e go ] || exec sleep 100')];
    for (let round = 1; round <= 4; round += 1) {
      const running = await runGroup(site, { markers });
      await until('its start', () => starts().length === round && running.waitsFor('marker-running'));
      await running.stop();
      assert.equal(running.group.report().facts.state.applied, 5, 'the volumes stand still');
    }
    go();
    const last = await runGroup(site, { markers });
    await until('going on', () => last.status().applied === 6);
    assert.equal(last.waitsFor('marker-failed'), false);
    await last.stop();
    assert.deepEqual(starts(), startsUpTo(5));
    assertVolumes(site.content(), stream.volumes);
  });

  it('that fails a moment before the daemon is stopped, as when both are ended at once, has not failed (I9)', async () => {
    const { site, program, starts, go } = prepare(true);
    const markers = [program('[ -e go ]')];
    for (let round = 1; round <= 4; round += 1) {
      // By a clock that is not hurried: the pause in which the stop must come is seconds long.
      const running = await runGroup(site, { markers, clock: nodeClock });
      await until('its failure', () => running.waitsFor('marker-failed'));
      await running.stop();
      assert.equal(running.group.report().facts.state.pending?.failures, 0);
    }
    go();
    const last = await runGroup(site, { markers });
    await until('going on', () => last.status().applied === 6);
    await last.stop();
    assert.deepEqual(starts(), startsUpTo(5));
  });

  it('that is not waited for is started again after a stop until it ends, and not after that (I9)', async () => {
    const { site, stream, program, starts, go } = prepare(false);
    const markers = [program('[ -e go ] || exec sleep 100')];
    for (let round = 1; round <= 4; round += 1) {
      const running = await runGroup(site, { markers });
      await until('its start', () => starts().length === round);
      await until('going on without its end', () => running.status().applied === 6);
      assert.equal(running.waitsFor('marker-running'), false);
      await running.stop();
    }
    assertVolumes(site.content(), stream.volumes);
    go();
    const last = await runGroup(site, { markers });
    await until('its end', () => last.group.report().facts.state.background.length === 0);
    await last.stop();
    const { sequence } = last.status();
    const after = await runGroup(site, { markers });
    await until('a few passes', () => after.status().sequence > sequence + 3);
    await after.stop();
    assert.deepEqual(starts(), startsUpTo(5));
  });

  it('that is not waited for has three failures like any other, then an alarm', async () => {
    const { site, program, starts } = prepare(false);
    const running = await runGroup(site, { markers: [program('exit 3')] });
    await until('the last', () => starts().length === 3);
    const { group } = running;
    await until(
      'its end, and the alarm',
      () => group.report().facts.state.background.length === 0 && running.waitsFor('marker-failed'),
    );
    await running.stop();
    assert.deepEqual(starts(), startsUpTo(3));
  });

  it('that is not waited for begins before anything behind its marker is applied (I9)', async () => {
    const { site, program } = prepare(false);
    const events: string[] = [];
    const processes: Processes = {
      run: () => {
        events.push('run');
        return Promise.resolve({ kind: 'exited', exitCode: 0 });
      },
    };
    const between = (back: BackCalls): BackCalls => ({
      ...bound(back),
      async applySome() {
        const facts = await back.applySome();
        events.push(`applied ${facts.state.applied}`);
        return facts;
      },
    });
    const running = await runGroup(site, { markers: [program('')], processes, between });
    await until('all', () => running.status().applied === 6);
    await running.stop();
    assert.deepEqual(events.slice(events.indexOf('applied 5')), ['applied 5', 'run', 'applied 6']);
  });

  it('makes the volumes stand still when too many run that are not waited for, until one ends', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    site.deliver(
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
    );
    for (let i = 0; i <= BACKGROUND_MAX; i += 1) {
      site.deliver(stream.seal(marker('custom', 'report', i.toString(16).padStart(32, '0'))));
    }
    const ends: ((result: CommandResult) => void)[] = [];
    const processes: Processes = { run: () => new Promise((resolve) => ends.push(resolve)) };
    const markers = [{ name: 'report', run: ['x'] as const, timeLimit: 1000, wait: false }];
    const running = await runGroup(site, { markers, processes });
    await until('the crowd', () => running.status().waiting?.code === 'markers-crowded');
    assert.equal(ends.length, BACKGROUND_MAX);
    assert.equal(typeof running.status().waiting?.endsAt, 'number');
    ends[0]?.({ kind: 'exited', exitCode: 0 });
    await until('the next', () => ends.length === BACKGROUND_MAX + 1);
    await until('the end of the wait', () => running.status().waiting === undefined);
    for (const end of ends) end({ kind: 'exited', exitCode: 0 });
    await until('all ends', () => running.group.report().facts.state.background.length === 0);
    await running.stop();
  });
});

describe('the heartbeat of a destination', () => {
  it('goes on while a call to the other half hangs, and says so', async () => {
    const { site, stream } = plain();
    let release = (): void => undefined;
    const hanging = new Promise<void>((resolve) => (release = resolve));
    const between = (back: BackCalls): BackCalls => ({
      ...bound(back),
      async applySome() {
        await hanging;
        return back.applySome();
      },
    });
    const running = await runGroup(site, { between });
    await until('receiving', () => running.status().received === 4);
    const { sequence } = running.status();
    await until('five beats', () => running.status().sequence > sequence + 5);
    await until('the reason', () => running.status().waiting?.code === 'destination-stalled');
    assert.match(
      running.status().waiting?.message ?? '',
      /applying what follows record 0 has taken more than 30 seconds/,
    );
    release();
    await until('going on', () => running.status().applied === 4 && running.status().waiting === undefined);
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
  });

  function plain(): { site: Site; stream: Stream } {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    site.deliver(
      stream.seal(
        { kind: 'attach', names: ['a', 'b'] },
        { kind: 'init-begin' },
        { kind: 'init-end' },
        write(0, 0, 5),
      ),
    );
    return { site, stream };
  }

  it('goes on while a program runs', async () => {
    const { site, stream } = plain();
    site.deliver(stream.seal(marker('custom', 'report', ID)));
    const markers = [{ name: 'report', run: ['sleep', '100'] as const, timeLimit: 86_400_000, wait: true }];
    const running = await runGroup(site, { markers });
    await until('the program', () => running.status().waiting?.code === 'marker-running');
    const { sequence, waiting } = running.status();
    const limit = (waiting?.endsAt ?? 0) - (waiting?.since ?? 0);
    // The clock by which it ends is hurried, the one by which that is told is not.
    assert.ok(limit > 86_000_000 && limit < 86_401_000, `it ends after ${limit} ms at the latest`);
    await until('five beats', () => running.status().sequence > sequence + 5);
    await running.stop();
  });
});

/** The methods as an object's own, to be spread. */
function bound(back: BackCalls): BackCalls {
  return {
    facts: () => back.facts(),
    receive: (names) => back.receive(names),
    beginWith: (name) => back.beginWith(name),
    refuse: (name, reason) => back.refuse(name, reason),
    discard: (name) => back.discard(name),
    applySome: () => back.applySome(),
    startMarker: (id) => back.startMarker(id),
    failMarker: (id) => back.failMarker(id),
    detachMarker: (id) => back.detachMarker(id),
    finishMarker: (id) => back.finishMarker(id),
    reserveSequence: (count) => back.reserveSequence(count),
    snapshots: () => back.snapshots(),
    createSnapshot: (called) => back.createSnapshot(called),
    deleteSnapshot: (id) => back.deleteSnapshot(id),
    tidySnapshots: () => back.tidySnapshots(),
    giveUpRetained: (bytes) => back.giveUpRetained(bytes),
    importSeed: (folder) => back.importSeed(folder),
    stepSeed: () => back.stepSeed(),
    giveUpSeed: () => back.giveUpSeed(),
  };
}
