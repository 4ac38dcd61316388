import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StreamStatus } from '../../src/api/contract/status.ts';
import { cli, type CliResult } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';
import { pause, SitePair } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;
const VOLUMES = { a: 8 * MIB };
const SEGMENT = '{ size: 1 MiB, age: 200 ms }';

async function stream(pair: SitePair, name: string): Promise<StreamStatus> {
  const { streams } = await pair.source();
  const found = streams.find(({ destination }) => destination === name);
  assert.ok(found !== undefined);
  return found;
}

async function write(pair: SitePair, count: number): Promise<void> {
  const host = new StampedHost(1, { start: 0, length: 8 * MIB });
  assert.ok(await host.run({ path: pair.socket }, 'a', count));
}

const sealed = (pair: SitePair): string[] =>
  readdirSync(join(pair.groupFolder('source'), 'journal')).filter((name) => name.endsWith('.seg'));

const content = (pair: SitePair, site: 'source' | 'destination'): Buffer =>
  readFileSync(pair.volume(site, 'a'));

describe('a group with two destinations', () => {
  it('brings one into step while the other is dead, keeps what that one lacks, and brings it into step later (I5)', async () => {
    const folder = temporaryFolder();
    // Only its destination is run: the second one of the first pair's source.
    const other = new SitePair({
      folder: join(folder, 'other'),
      volumes: VOLUMES,
      transport: '        folder: /nowhere',
    });
    const near = join(folder, 'near');
    const pair: SitePair = new SitePair({
      folder: near,
      volumes: VOLUMES,
      segment: SEGMENT,
      transport: `        folder: ${join(near, 'destination', 'buffer', 'g')}
      third:
        folder: ${other.groupFolder('destination')}`,
    });
    try {
      await pair.start('destination');
      await pair.start('source');
      await write(pair, 300);
      await pair.until('the living destination getting into step', async () => {
        const { checkpoint, lsn } = await pair.source();
        const [living, dead] = [await stream(pair, 'second'), await stream(pair, 'third')];
        return checkpoint === lsn && living.lagSeconds === 0 && dead.backlogSegments === sealed(pair).length;
      });
      const dead = await stream(pair, 'third');
      assert.deepEqual([dead.state, dead.received, dead.segmentsSent], ['failed', 0, 0]);
      assert.match(dead.waits[0]?.message ?? '', /is not there; mount the share of .*other/);
      assert.equal((await stream(pair, 'second')).backlogSegments, 0);
      assert.equal(
        dead.backlogSegments,
        sealed(pair).length,
        'a file was freed that one destination never had',
      );

      // Started again it tries at once, and has forgotten neither destination's place.
      assert.equal(await pair.stop('source'), 0);
      await other.start('destination');
      await pair.start('source');
      assert.ok((await stream(pair, 'second')).received > 0);
      await pair.until('the other destination getting into step', async () => {
        return (await stream(pair, 'third')).lagSeconds === 0;
      });
      await pair.until('freeing what both have', () => Promise.resolve(sealed(pair).length === 0));
      assert.ok((await other.destination()).applied === (await pair.source()).lsn);
      await pair.stop('source');
      await Promise.all([pair.stop('destination'), other.stop('destination')]);
      assert.ok(content(pair, 'destination').equals(content(pair, 'source')));
      assert.ok(content(other, 'destination').equals(content(pair, 'source')));
    } finally {
      await Promise.all([pair.stopAll(), other.stopAll()]);
    }
  });
});

describe('a running daemon', () => {
  it('takes another schedule, rate and weight over by SIGHUP and by blockferry reload, and refuses what needs a restart', async () => {
    const folder = temporaryFolder();
    const pair = new SitePair({
      folder,
      volumes: VOLUMES,
      segment: SEGMENT,
      transport: `        folder: ${join(folder, 'destination', 'buffer', 'g')}
        link: wan
links:
  wan:
    schedule: { time-zone: UTC, outside: closed, windows: [] }`,
    });
    const file = pair.path('source', 'config.yaml');
    const edit = (from: string, to: string): void => {
      const text = readFileSync(file, 'utf8');
      assert.ok(text.includes(from), from);
      writeFileSync(file, text.replace(from, to));
    };
    const reload = (): Promise<CliResult> => cli(['reload', '--state', pair.path('source', 'state')]);
    try {
      await pair.start('destination');
      await pair.start('source');
      await write(pair, 300);
      await pair.until('sealing', async () => {
        const { checkpoint, lsn } = await pair.source();
        return checkpoint === lsn;
      });
      await pause(1000);
      const closed = await stream(pair, 'second');
      assert.deepEqual([closed.state, closed.segmentsSent], ['waiting', 0]);
      assert.deepEqual(closed.limit, { kind: 'closed' });
      assert.deepEqual(
        closed.waits.map(({ code, message }) => `${code}: ${message}`),
        ['schedule-closed: the schedule has the link closed for ever'],
      );
      assert.equal((await pair.destination()).received, 0);

      const tested = (): Promise<CliResult> =>
        cli(['link', 'test', 'g', 'second', '--state', pair.path('source', 'state')]);
      const untested = await tested();
      assert.equal(untested.exitCode, 6);
      assert.match(
        untested.error,
        /the schedule has the link closed for ever\.\nWhat to do: test it while it is open/,
      );

      // Too slow for what there is to send, so that it is under way when the rate is changed.
      edit('outside: closed', 'outside: 100 kB/s');
      process.kill(pair.pid('source'), 'SIGHUP');
      await pair.until('opening', async () => (await stream(pair, 'second')).state === 'sending');
      assert.deepEqual((await stream(pair, 'second')).limit, {
        kind: 'rate',
        bytesPerSecond: 100_000,
        burst: 50_000,
      });

      edit('when-full: refuse-writes', 'when-full: change-map');
      edit('quota: 2 GiB', 'quota: 3 GiB');
      edit('100 kB/s', 'unlimited');
      const refused = await reload();
      assert.equal(refused.exitCode, 6, refused.error);
      assert.match(refused.error, /not without a restart: groups\.g\.when-full\.\nWhat to do: restart/);
      assert.equal((await stream(pair, 'second')).limit.kind, 'rate', 'a part of it was taken over');

      assert.equal((await pair.source()).buffer.quota, 2 * 2 ** 30);

      edit('when-full: change-map', 'when-full: refuse-writes');
      edit('link: wan', 'link: wan\n        weight: 7');
      const done = await reload();
      assert.deepEqual([done.exitCode, done.error], [0, '']);
      assert.match(done.out, /^In force now:\n {2}links\.wan\.schedule\.outside\.kind\n/);
      assert.match(done.out, /\n {2}groups\.g\.quota\n {2}groups\.g\.destinations\.second\.weight\n$/);
      assert.equal((await pair.source()).buffer.quota, 3 * 2 ** 30);
      await pair.inStep();
      const good = await tested();
      assert.deepEqual([good.exitCode, good.error], [0, '']);
      assert.match(good.out, /destination\/buffer\/g\n {2}connect, [^]*\nThe link works\.\n$/);

      edit('weight: 7', 'weight: heavy');
      const wrong = await reload();
      assert.equal(wrong.exitCode, 5);
      assert.match(
        wrong.error,
        /config\.yaml:\d+:\d+: groups\.g\.destinations\.second\.weight: "heavy" is not/,
      );
      const log = readFileSync(pair.path('source', 'log.jsonl'), 'utf8');
      assert.ok(!log.includes('"code":"link-'), 'a transfer failed');
      await pair.stop('source');
      await pair.stop('destination');
      assert.ok(content(pair, 'destination').equals(content(pair, 'source')));
    } finally {
      await pair.stopAll();
    }
  });
});
