import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { MountEntry } from '../../src/api/contract/mounts.ts';
import type { RecoveryPoints } from '../../src/api/contract/points.ts';
import type { FailoverAnswer, RollbackAnswer } from '../../src/api/contract/roles.ts';
import type { DestinationGroupStatus } from '../../src/api/contract/status.ts';
import { readRollback } from '../../src/daemon/roles/rollback-file.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { pause, SitePair, type Site } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;
const VOLUMES = { a: 16 * MIB, b: 8 * MIB } as const;
const NAMES = Object.keys(VOLUMES) as (keyof typeof VOLUMES)[];
type Contents = readonly Buffer[];

describe('a group that is brought back', () => {
  const pair = new SitePair({
    folder: temporaryFolder(),
    volumes: VOLUMES,
    transport: '        folder: ../destination/buffer/g',
    sourceExtra: '    snapshots: snapshots\n    views: { socket: views.sock }',
    destinationExtra: '    views: { socket: views.sock }',
  });
  const hosts = NAMES.map((volume, i) => ({
    volume,
    host: new StampedHost(i + 1, { start: 0, length: VOLUMES[volume] / 2 }),
  }));
  let [one, two]: [Contents, Contents] = [[], []];
  let keptAs: string;
  after(() => pair.stopAll());

  const ask = <T>(site: Site, path: string, body: object): Promise<T> =>
    connectDaemon(pair.path(site, 'state'), 'POST', `/groups/g/${path}`, body) as Promise<T>;
  const rollBack = (called: string, dryRun = false): Promise<RollbackAnswer> =>
    ask('source', 'rollback', { point: { kind: 'snapshot', called }, dryRun });
  const contents = (site: Site): Contents => NAMES.map((name) => readFileSync(pair.volume(site, name)));
  const note = (): ReturnType<typeof readRollback> => readRollback(nodeFiles, pair.groupFolder('source'));

  async function write(): Promise<Contents> {
    for (const { volume, host } of hosts) assert.ok(await host.run({ path: pair.socket }, volume, 120));
    const client = await NbdClient.open({ path: pair.socket }, 'a');
    // Zeros at one time, data at another.
    const fill = (hosts[0]?.host.writes ?? 0) % 240 === 0 ? 7 : 0;
    await client.write(12 * MIB, Buffer.alloc(MIB, fill));
    await client.flush();
    client.close();
    await pair.inStep();
    return contents('source');
  }

  function assertIs(site: Site, wanted: Contents): void {
    for (const [i, content] of contents(site).entries())
      assert.ok(content.equals(wanted[i] ?? Buffer.alloc(0)), `${NAMES[i] ?? ''} at the ${site}`);
  }

  async function served(): Promise<void> {
    await pair.until('hosts being served', async () => {
      assert.equal(note(), undefined);
      const client = await NbdClient.open({ path: pair.socket }, 'a');
      client.close();
      return true;
    });
    await pair.inStep();
  }

  async function assertKept(site: Site, called: string, wanted: Contents): Promise<void> {
    const point = { kind: 'snapshot', called };
    const { address, exports } = await ask<MountEntry>(site, 'mounts', { point });
    assert.ok(address.kind === 'socket');
    for (const [i, { name, size }] of exports.entries()) {
      const client = await NbdClient.open({ path: address.path }, name);
      assert.ok((await client.read(0, size)).equals(wanted[i] ?? Buffer.alloc(0)), `${name} at the ${site}`);
      client.close();
    }
  }

  it('is on both sides what it was, all volumes of it, and what it was before is kept on both (I3, I10)', async () => {
    await pair.start('destination');
    await pair.start('source');
    one = await write();
    await pair.marker('snapshot', 'one');
    two = await write();
    const trial = await rollBack('one', true);
    assert.ok(trial.point.name === 'one' && trial.lsn > trial.point.lsn && trial.behindSeconds > 0);
    assertIs('source', two);
    ({ keptAs } = await rollBack('one'));
    await served();
    assertIs('source', one);
    assertIs('destination', one);
    await assertKept('source', keptAs, two);
    await assertKept('destination', keptAs, two);
    assert.deepEqual((await pair.source()).waits, []);
  });

  it('goes on where it was killed, before anybody is served; undone, it is what it was before (I6)', async () => {
    const asked = rollBack(keptAs).catch(() => undefined);
    await halfWay(asked, note);
    await pair.stop('source', 'SIGKILL');
    await asked;
    await pair.start('source');
    await served();
    assertIs('source', two);
    assertIs('destination', two);
  });

  it('is not where there is no such point, nor at the side that follows', async () => {
    await assert.rejects(rollBack('never'), /there is no snapshot never/);
    const point = { kind: 'snapshot', called: 'one' };
    await assert.rejects(ask('destination', 'rollback', { point }), /serves no hosts here/);
    await served();
  });
});

/**
 * Resolves when a rollback has begun to change volumes. Where this process was held up for longer than all of it takes it is
 * over, and what comes of it must be the same.
 */
async function halfWay(asked: Promise<unknown>, note: () => ReturnType<typeof readRollback>): Promise<void> {
  let isAnswered = false;
  void asked.then(() => (isAnswered = true));
  for (;;) {
    // In this order: from the answer on there is a note until it is over.
    const [isNoted, seen] = [isAnswered, note()];
    if (seen?.begun === true || (isNoted && seen === undefined)) return;
    await pause(1);
  }
}

/** Two volumes that hosts fill with one byte at a time, of which the destination retains every moment. */
function filledPair() {
  const pair = new SitePair({
    folder: temporaryFolder(),
    volumes: { a: 8 * MIB, b: 2 * MIB },
    transport: '        folder: ../destination/buffer/g',
    sourceExtra: '    coalesce: false',
    destinationExtra: '    retain: { time: 1 d, size: 1 GiB }\n    nbd: { socket: nbd.sock }',
  });
  const ask = <T>(site: Site, path: string, body: object): Promise<T> =>
    connectDaemon(pair.path(site, 'state'), 'POST', `/groups/g/${path}`, body) as Promise<T>;
  async function overwrite(fill: number): Promise<number> {
    for (const [name, size] of [
      ['a', 8 * MIB],
      ['b', 2 * MIB],
    ] as const) {
      const client = await NbdClient.open({ path: pair.socket }, name);
      for (let at = 0; at < size; at += MIB) await client.write(at, Buffer.alloc(MIB, fill));
      await client.flush();
      client.close();
    }
    await pair.inStep();
    return (await pair.destination()).appliedTime;
  }

  /** Both run, hosts have written 1, 2 and 66; the destination's time of when it was 2. */
  async function momentOfTwo(): Promise<number> {
    await pair.start('destination');
    await pair.start('source');
    await overwrite(1);
    await pair.marker('snapshot', 'first');
    const time = await overwrite(2);
    await overwrite(66);
    return time;
  }

  const holds = (site: Site, fill: number): boolean =>
    ['a', 'b'].every((name) => readFileSync(pair.volume(site, name)).every((byte) => byte === fill));

  return { pair, ask, momentOfTwo, holds };
}

describe('a destination that takes over as of an earlier moment', () => {
  const { pair, ask, momentOfTwo, holds } = filledPair();
  after(() => pair.stopAll());

  it('serves what it was then, by its time, also when it is killed on the way, and so does the old source (I3, I10)', async () => {
    const time = await momentOfTwo();
    await pair.stop('source', 'SIGKILL');
    const point = { kind: 'time', time };
    const trial = await ask<FailoverAnswer>('destination', 'failover', { dryRun: true, point });
    assert.ok(trial.rollback !== undefined && trial.rollback.discardedSeconds > 0);
    const { rollback } = await ask<FailoverAnswer>('destination', 'failover', { point });
    assert.equal(rollback?.point.lsn, trial.rollback.point.lsn);
    const note = (): ReturnType<typeof readRollback> =>
      readRollback(nodeFiles, pair.groupFolder('destination'));
    await halfWay(Promise.resolve(), note);
    await pair.stop('destination', 'SIGKILL');
    await pair.start('destination');
    await pair.until('hosts being served', async () => {
      const client = await NbdClient.open({ path: pair.path('destination', 'nbd.sock') }, 'a');
      assert.ok((await client.read(0, MIB)).every((byte) => byte === 2));
      client.close();
      return true;
    });
    const { snapshots } = (await connectDaemon(
      pair.path('destination', 'state'),
      'GET',
      '/groups/g/points',
    )) as RecoveryPoints;
    const names = snapshots.map(({ name }) => name);
    assert.ok(
      ['first', rollback.keptAs].every((name) => names.includes(name)),
      names.join(),
    );
    // It has nothing that this side has not, and follows by itself.
    const started = pair.start('source').catch(() => undefined);
    await pair.until('both sides as they were then', async () => {
      const { epoch, consistent } = (await pair.report('source')).groups[0] as DestinationGroupStatus;
      return Promise.resolve(epoch === 2 && consistent && holds('source', 2) && holds('destination', 2));
    });
    await pair.stop('source', 'SIGKILL');
    await started;
  });
});

describe('a source that is restored from its destination', () => {
  const { pair, ask, momentOfTwo, holds } = filledPair();
  after(() => pair.stopAll());

  it('serves again, and by itself, what it was at the moment asked for, as the destination holds it (I3, I10)', async () => {
    const time = await momentOfTwo();
    const { rollback } = await ask<FailoverAnswer>('destination', 'failover', {
      point: { kind: 'time', time },
      handBack: true,
    });
    // Killed at any moment of it, it goes on.
    await pause(1000);
    await pair.stop('destination', 'SIGKILL');
    await pair.start('destination');
    await pair.until('the source serving', async () => {
      const [source, destination] = [await pair.source(), await pair.destination()];
      if (source.epoch !== 3 || destination.epoch !== 3) return false;
      const client = await NbdClient.open({ path: pair.socket }, 'a');
      assert.ok((await client.read(0, MIB)).every((byte) => byte === 2));
      client.close();
      return true;
    });
    await pair.inStep();
    assert.ok(holds('source', 2) && holds('destination', 2));
    const { snapshots } = (await connectDaemon(
      pair.path('destination', 'state'),
      'GET',
      '/groups/g/points',
    )) as RecoveryPoints;
    assert.ok(snapshots.some(({ name }) => name === rollback?.keptAs));
  });
});
