import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import type { MarkerProgram } from '../../src/destage/marker-runner.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import type { Processes } from '../../src/platform/processes.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until } from './running-group.ts';
import { assertVolumes, marker, Site, Stream, write } from './stream.ts';

const ID = '0123456789abcdef0123456789abcdef';
/** Debian's `www-data`; any that is not our own. */
const OTHER_GROUP = 33;

describe("a destination's deciding half", () => {
  function prepare(): { site: Site; stream: Stream; begin: string } {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const begin = stream.seal(
      { kind: 'attach', names: ['a', 'b'] },
      { kind: 'init-begin' },
      { kind: 'init-end' },
    );
    return { site: new Site(root), stream, begin };
  }

  it('takes what comes in any order, and tells a hole and its end in the status file (I3)', async () => {
    const { site, stream, begin } = prepare();
    const paths = Array.from({ length: 6 }, (_, i) => stream.seal(write(i % 2, i * 4096, i + 1)));
    const running = await runGroup(site);
    for (const path of [...paths.slice(1), begin].reverse()) site.deliver(path);
    await until('the hole', () => running.group.report().missing.length === 1);
    await until(
      'the status',
      () => running.status().missing[0]?.first === 4 && running.status().waiting?.code === 'hole',
    );
    assert.equal(running.status().received, 3);
    for (const path of [paths[0]!, paths[0]!, ...paths]) site.deliver(path);
    await until('all', () => running.status().applied === 9 && running.status().missing.length === 0);
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
    assert.deepEqual(readdirSync(join(site.folder, 'inbox')), [], 'duplicates are removed');
  });

  it('names the segment that is on its way out of the inbox until it is received or refused', async () => {
    const { site, begin } = prepare();
    const gate = Promise.withResolvers<undefined>();
    const running = await runGroup(site, {
      between: (back) =>
        new Proxy(back, {
          get: (inner, call: keyof typeof back) =>
            call === 'receive'
              ? async (names: readonly string[]) => {
                  const result = await inner.receive(names);
                  await gate.promise;
                  return result;
                }
              : (inner[call] as () => unknown).bind(inner),
        }),
    });
    assert.deepEqual(running.group.taking, []);
    site.deliver(begin);
    await until('it is taken', () => running.group.taking[0] === basename(begin));
    await until('it is gone', () => readdirSync(join(site.folder, 'inbox')).length === 0);
    assert.equal(running.group.report().facts.received, 0);
    gate.resolve(undefined);
    await until('it is received', () => running.group.taking.length === 0);
    assert.equal(running.group.report().facts.received, 3);
    await running.stop();
  });

  it('tells a refused segment at once, and no longer when it was received (I4)', async () => {
    const { site, stream, begin } = prepare();
    const running = await runGroup(site);
    const wrong = new Stream(join(temporaryFolder(), 'other'), Buffer.alloc(32, 1));
    site.deliver(wrong.seal(write(0, 0, 1), write(0, 0, 1), write(0, 0, 1)));
    await until('the refusal', () => running.status().refused.length === 1);
    assert.match(running.status().refused[0]?.reason ?? '', /WRONG_KEY/);
    for (const path of [begin, stream.seal(write(0, 0, 1))]) site.deliver(path);
    await until(
      'the end of it',
      () => running.status().applied === 4 && running.status().refused.length === 0,
    );
    await running.stop();
  });

  it('lets the group of the status folder read the status, and keeps all else to its own user', async () => {
    const { site, begin } = prepare();
    site.deliver(begin);
    // As an operator prepares it for a file server of another user.
    mkdirSync(join(site.folder, 'status'), { recursive: true });
    chownSync(join(site.folder, 'status'), process.getuid?.() ?? 0, OTHER_GROUP);
    chmodSync(join(site.folder, 'status'), 0o2750);
    const running = await runGroup(site);
    await until('applying', () => running.status().applied === 3);
    await running.stop();
    const status = statSync(join(site.folder, 'status/destination.json'));
    assert.deepEqual([status.mode & 0o777, status.gid], [0o640, OTHER_GROUP]);
    assert.equal(statSync(join(site.folder, 'destination-state.json')).mode & 0o777, 0o600);
  });

  it('counts the status sequence up across restarts', async () => {
    const { site, begin } = prepare();
    site.deliver(begin);
    const written: DestinationStatus[] = [];
    for (let round = 0; round < 3; round += 1) {
      const running = await runGroup(site, { written });
      await running.stop();
    }
    assert.ok(written.length >= 6, 'at the start and at the end of each');
    for (const [i, { sequence }] of written.entries()) assert.ok(sequence > (written[i - 1]?.sequence ?? 0));
  });

  it('applies what it has received while something in the inbox cannot be read', async () => {
    const { site, stream, begin } = prepare();
    const more = stream.seal(write(0, 0, 3));
    const obstacle = stream.seal(write(0, 0, 4));
    const inbox = join(site.folder, 'inbox');
    mkdirSync(join(inbox, obstacle.slice(obstacle.lastIndexOf('/') + 1)), { recursive: true });
    for (const path of [begin, more]) site.deliver(path);
    const running = await runGroup(site);
    await until('applying', () => running.status().applied === 4);
    await until('the reason', () => running.waitsFor('receive-failed'));
    rmSync(join(inbox, readdirSync(inbox)[0]!), { recursive: true });
    site.deliver(obstacle);
    await until('the rest', () => running.status().applied === 5);
    await running.stop();
  });

  it('makes room for what fills a hole when it is full of what waits behind it (I8)', async () => {
    const { site, stream, begin } = prepare();
    const held = stream.seal(write(0, 0, 1));
    const behind = Array.from({ length: 12 }, (_, i) => stream.seal(write(1, (i % 4) * 4096, i)));
    const quota = behind.slice(0, 8).reduce((sum, path) => sum + statSync(path).size, 0);
    const running = await runGroup(site, { quota: () => quota });
    for (const path of [begin, ...behind]) site.deliver(path);
    await until('room', () => running.status().received === 3 && !running.status().full);
    assert.ok(readdirSync(join(site.folder, 'inbox')).length > 0, 'no more than is needed is given up');
    for (const path of [held, ...behind]) {
      site.deliver(path);
      await until('its turn', () => running.group.report().used < quota);
    }
    await until('all', () => {
      for (const path of behind) if (running.status().applied < 16) site.deliver(path);
      return running.status().applied === 16;
    });
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
  });

  it('asks for the rest of what has arrived in part, however much of the quota that takes (I8)', async () => {
    const { site, stream, begin } = prepare();
    const paths = [begin, stream.seal(write(0, 0, 1))];
    const inbox = join(site.folder, 'inbox');
    mkdirSync(inbox, { recursive: true });
    for (const path of paths) writeFileSync(join(inbox, `${basename(path)}.part`), readFileSync(path));
    const running = await runGroup(site, { quota: () => statSync(begin).size });
    await until('room', () => running.group.report().used > 0 && !running.status().full);
    for (const path of paths) site.deliver(path);
    await until('all', () => running.status().applied === 4);
    await running.stop();
  });

  it('takes another quota as it runs', async () => {
    const { site, begin } = prepare();
    let quota = 1;
    const running = await runGroup(site, { quota: () => quota });
    site.deliver(begin);
    await until('all', () => running.status().applied === 3);
    quota = 0;
    running.group.wake();
    await until('no room', () => running.status().full);
    quota = 2 ** 20;
    running.group.wake();
    await until('room', () => !running.status().full);
    await running.stop();
  });

  it("runs a marker's program with the volumes at rest and what it must know, again after a failure (I9)", async () => {
    const { site, stream, begin } = prepare();
    const out = join(site.folder, '..', 'runs');
    const script = `echo "$BLOCKFERRY_ATTEMPT $BLOCKFERRY_MARKER_ID $BLOCKFERRY_MARKER $BLOCKFERRY_GROUP $BLOCKFERRY_LSN $BLOCKFERRY_TIME $BLOCKFERRY_VOLUMES $(od -An -tu1 -N1 "$BLOCKFERRY_VOLUME_A" | tr -d ' ')" >> '${out}'; [ $BLOCKFERRY_ATTEMPT = 2 ]`;
    const program: MarkerProgram = {
      name: 'report',
      run: ['/bin/sh', '-c', script],
      timeLimit: 60_000,
      wait: true,
    };
    const paths = [
      begin,
      stream.seal(write(0, 0, 7), marker('custom', 'report', ID)),
      stream.seal(write(0, 0, 8)),
    ];
    for (const path of paths) site.deliver(path);
    const running = await runGroup(site, { markers: [program] });
    await until('all', () => running.status().applied === 6);
    await running.stop();
    const time = new Date(1_790_000_000_000).toISOString();
    assert.equal(
      readFileSync(out, 'utf8'),
      [1, 2].map((attempt) => `${attempt} ${ID} report g 5 ${time} a b 7\n`).join(''),
    );
    assert.equal(site.content()[0]?.[0], 8);
  });

  it('goes on, with an alarm, when a program cannot be run at all', async () => {
    const { site, stream, begin } = prepare();
    let runs = 0;
    const processes: Processes = {
      run: () => {
        runs += 1;
        return Promise.reject(new Error('spawn E2BIG'));
      },
    };
    for (const wait of [true, false]) {
      const path = stream.seal(marker('custom', `wait-${wait ? 1 : 0}`, wait ? ID : 'e'.repeat(32)));
      for (const each of [begin, path]) site.deliver(each);
    }
    const markers = [true, false].map((wait) => ({
      name: `wait-${wait ? 1 : 0}`,
      run: ['x'] as const,
      timeLimit: 1000,
      wait,
    }));
    const running = await runGroup(site, { markers, processes });
    await until('going on', () => running.status().applied === 5 && runs === 4);
    assert.ok(running.waitsFor('marker-failed'));
    await running.stop();
  });
});
