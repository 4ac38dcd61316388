import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { MountEntry } from '../../src/api/contract/mounts.ts';
import type { FailoverAnswer, RejoinAnswer } from '../../src/api/contract/roles.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair, type Site } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;
const VOLUMES = { a: 8 * MIB, b: 8 * MIB } as const;
const NAMES = Object.keys(VOLUMES) as (keyof typeof VOLUMES)[];
const other = (site: Site): Site => (site === 'source' ? 'destination' : 'source');

/** Two sites, called by what their files say; the line between them can be cut. */
class Pair {
  readonly folder = temporaryFolder();
  readonly sites: SitePair;
  readonly hosts = NAMES.map((volume, i) => ({
    volume,
    host: new StampedHost(i + 1, { start: 0, length: VOLUMES[volume] / 2 }, 16 * 1024),
  }));

  constructor() {
    this.sites = new SitePair({
      folder: this.folder,
      volumes: VOLUMES,
      transport: '        folder: ../line/g',
      destinationExtra: '    views: { socket: views.sock }',
    });
    mkdirSync(join(this.folder, 'destination/buffer'), { recursive: true });
    this.join();
  }

  cut(): void {
    rmSync(join(this.folder, 'line'));
  }

  join(): void {
    symlinkSync(join(this.folder, 'destination/buffer'), join(this.folder, 'line'));
  }

  socket(site: Site): string {
    return site === 'source' ? this.sites.socket : this.sites.path(site, 'state', 'g.nbd.sock');
  }

  async write(site: Site, count = 150): Promise<void> {
    for (const { volume, host } of this.hosts)
      assert.ok(await host.run({ path: this.socket(site) }, volume, count), `${volume} is served`);
  }

  ask<T>(site: Site, verb: string, body: object = {}): Promise<T> {
    return connectDaemon(this.sites.path(site, 'state'), 'POST', `/groups/g/${verb}`, body) as Promise<T>;
  }

  async isServed(site: Site): Promise<void> {
    await this.sites.until(`the ${site} serving`, async () => {
      const client = await NbdClient.open({ path: this.socket(site) }, 'a');
      client.close();
      return true;
    });
  }

  async waits(site: Site, wanted: string): Promise<void> {
    await this.sites.until(`the ${site} ${wanted}`, async () =>
      ((await this.sites.report(site)).groups[0]?.waits ?? []).some(({ code }) => code === wanted),
    );
  }

  /** Both at the same record, the other one consistent; then both volumes of each are the same. */
  async identical(serving: Site): Promise<void> {
    await this.sites.until(`the ${other(serving)} following`, async () => {
      const [source] = (await this.sites.report(serving)).groups;
      const [follower] = (await this.sites.report(other(serving))).groups;
      return (
        source?.role === 'source' &&
        follower?.role === 'destination' &&
        source.mode === 'journal' &&
        follower.consistent &&
        follower.epoch === source.epoch &&
        follower.applied === source.lsn &&
        source.checkpoint === source.lsn
      );
    });
    for (const name of NAMES) {
      const [here, there] = [this.sites.volume('source', name), this.sites.volume('destination', name)];
      assert.ok(readFileSync(here).equals(readFileSync(there)), `volume ${name} is the same on both sides`);
    }
  }

  check(site: Site): void {
    for (const { volume, host } of this.hosts)
      assert.deepEqual(host.check(readFileSync(this.sites.volume(site, volume))).slice(0, 3), []);
  }
}

describe('two sites that change their parts', () => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair();
    await pair.sites.start('destination');
    await pair.sites.start('source');
    await pair.sites.inStep();
  });
  afterEach(() => pair.sites.stopAll());

  it('switch over and back with nothing lost, and follow each other by the one server that there is (I11)', async () => {
    await pair.write('source');
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
    await assert.rejects(
      NbdClient.open({ path: pair.socket('source') }, 'a'),
      'the side that handed over serves nobody',
    );
    pair.check('destination');
    await pair.write('destination');
    await pair.identical('destination');
    await pair.ask('destination', 'switchover');
    await pair.isServed('source');
    pair.check('source');
    await pair.write('source');
    await pair.identical('source');
    pair.check('destination');
  });

  it('fail over while the line is down; what only the old source has is kept when it rejoins (I10, I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    pair.cut();
    assert.equal((await pair.sites.source()).serves, true);
    const before = pair.hosts.map(({ volume }) => readFileSync(pair.sites.volume('source', volume)));
    const lost = new StampedHost(9, { start: 4 * MIB, length: 4 * MIB }, 16 * 1024);
    assert.ok(await lost.run({ path: pair.socket('source') }, 'a', 60));
    const trial = await pair.ask<FailoverAnswer>('destination', 'failover', { dryRun: true });
    assert.equal((await pair.sites.destination()).role, 'destination', 'a trial changes nothing');
    const answer = await pair.ask<FailoverAnswer>('destination', 'failover');
    assert.equal(answer.lsn, trial.lsn);
    await pair.isServed('destination');
    for (const [i, { volume }] of pair.hosts.entries())
      assert.ok(readFileSync(pair.sites.volume('destination', volume)).equals(before[i] ?? Buffer.alloc(0)));
    await pair.write('destination', 80);
    pair.join();
    await pair.waits('source', 'deposed');
    assert.equal((await pair.sites.source()).serves, false);
    await assert.rejects(NbdClient.open({ path: pair.socket('source') }, 'a'));
    const told = await pair.ask<RejoinAnswer>('source', 'rejoin', { dryRun: true });
    assert.ok(told.writes >= 60 && told.keptAs !== undefined);
    await pair.ask('source', 'rejoin');
    await pair.identical('destination');
    pair.check('source');
    const mounted = await pair.ask<MountEntry>('source', 'mounts', {
      point: { kind: 'snapshot', called: told.keptAs },
      writable: false,
    });
    assert.deepEqual(lost.check(await contentOf(mounted, 'a')).slice(0, 3), [], 'all that was lost is kept');
    await pair.ask('destination', 'switchover');
    await pair.isServed('source');
    await pair.write('source', 40);
    await pair.identical('source');
  });

  it('go on with what the old source has when that is chosen; what the other wrote is kept when it rejoins (I10, I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    pair.cut();
    await pair.write('source', 60);
    await pair.ask('destination', 'failover');
    await pair.isServed('destination');
    const lost = new StampedHost(9, { start: 4 * MIB, length: 4 * MIB }, 16 * 1024);
    assert.ok(await lost.run({ path: pair.socket('destination') }, 'b', 60));
    pair.join();
    await pair.waits('source', 'deposed');
    await pair.sites.stop('source', 'SIGKILL');
    const started = pair.sites.start('source').catch(() => undefined);
    await pair.waits('source', 'deposed');
    const chosen = pair.hosts.map(({ volume }) => readFileSync(pair.sites.volume('source', volume)));
    const answer = await pair.ask<FailoverAnswer>('source', 'failover');
    assert.deepEqual([answer.insteadOf?.epoch, answer.epoch], [2, 3]);
    await pair.isServed('source');
    await started;
    await pair.waits('destination', 'deposed');
    const told = await pair.ask<RejoinAnswer>('destination', 'rejoin');
    assert.deepEqual([told.writes >= 60, told.volumes.map(({ name }) => name)], [true, ['b']]);
    await pair.identical('source');
    for (const [i, { volume }] of pair.hosts.entries())
      assert.ok(readFileSync(pair.sites.volume('source', volume)).equals(chosen[i] ?? Buffer.alloc(0)));
    const point = { kind: 'snapshot', called: told.keptAs };
    const mounted = await pair.ask<MountEntry>('destination', 'mounts', { point, writable: false });
    assert.deepEqual(lost.check(await contentOf(mounted, 'b')).slice(0, 3), [], 'all that was lost is kept');
    await pair.write('source', 40);
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
    await pair.identical('destination');
  });

  it('call off a switchover whose other side has gone, and go on when it is back', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.sites.stop('destination', 'SIGKILL');
    await pair.ask('source', 'switchover');
    await pair.waits('source', 'handing-over');
    const answer = await pair.ask<FailoverAnswer>('source', 'failover');
    assert.deepEqual([answer.calledOff, answer.epoch], [2, 1]);
    await pair.isServed('source');
    await pair.write('source', 40);
    await pair.sites.start('destination');
    await pair.identical('source');
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
    pair.check('destination');
  });

  it('a source that lost its disk serves nobody, follows once the other side serves, and gets what differs (I10, I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.sites.stop('source', 'SIGKILL');
    const old = readFileSync(pair.sites.volume('source', 'b'));
    rmSync(pair.sites.path('source', 'buffer'), { recursive: true });
    rmSync(pair.sites.volume('source', 'a'));
    await pair.sites.start('source', false);
    await pair.waits('source', 'group-lost');
    await assert.rejects(pair.ask('source', 'rejoin'), /OTHER_SIDE_FOLLOWS/);
    await pair.sites.stop('source', 'SIGKILL');
    await pair.sites.start('source', false);
    await pair.ask('destination', 'failover');
    await pair.isServed('destination');
    await pair.write('destination', 80);
    let told: RejoinAnswer | undefined;
    await pair.sites.until('the source hearing of it', async () => {
      told = await pair.ask<RejoinAnswer>('source', 'rejoin', { dryRun: true });
      return true;
    });
    assert.deepEqual([told?.anew, told?.volumes.map(({ name }) => name)], [16 * MIB, ['b']]);
    await assert.rejects(NbdClient.open({ path: pair.socket('source') }, 'a'), 'it never serves');
    await pair.ask('source', 'rejoin');
    await pair.identical('destination');
    pair.check('source');
    const point = { kind: 'snapshot', called: told?.keptAs };
    const mounted = await pair.ask<MountEntry>('source', 'mounts', { point, writable: false });
    assert.ok((await contentOf(mounted, 'b')).equals(old), 'what was there is kept');
    await pair.ask('destination', 'switchover');
    await pair.isServed('source');
  });

  it('a source that is killed and comes back hears of the takeover before it serves anybody (I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.sites.stop('source', 'SIGKILL');
    await pair.ask('destination', 'failover');
    await pair.isServed('destination');
    await pair.write('destination', 40);
    const started = pair.sites.start('source').catch(() => undefined);
    const probe = { isOver: false, served: 0 };
    const probing = (async () => {
      while (!probe.isOver) probe.served += await isListening(pair.socket('source'));
    })();
    await pair.identical('destination');
    probe.isOver = true;
    await probing;
    assert.equal(probe.served, 0, 'it never served');
    await pair.sites.stop('source', 'SIGKILL');
    await started;
  });
});

function isListening(path: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const found = (count: number): void => {
      socket.destroy();
      setImmediate(resolve, count);
    };
    socket.once('connect', () => found(1)).once('error', () => found(0));
  });
}

async function contentOf({ address, exports }: MountEntry, volume: string): Promise<Buffer> {
  const offered = exports.find((entry) => entry.volume === volume);
  assert.ok(offered !== undefined && address.kind === 'socket');
  const client = await NbdClient.open({ path: address.path }, offered.name);
  try {
    return await client.read(0, offered.size);
  } finally {
    client.close();
  }
}
