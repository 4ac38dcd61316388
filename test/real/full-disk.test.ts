import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support/folder.ts';
import { pause, SitePair, type PairOptions } from '../support/site-pair.ts';
import { RegionHost } from './region-host.ts';
import { SmallFileSystem } from './small-file-system.ts';

const MIB = 1024 * 1024;
const SIZE = 24 * MIB;
/** Milliseconds. A link that failed tries again after up to a minute. */
const PATIENCE = 300_000;
/** Writes of each host between the steps. */
const SOME = 60;

describe('a disk that is full and then has room again, under hosts that go on writing', function () {
  this.timeout(600_000);

  interface Scene {
    readonly pair: SitePair;
    readonly disk: SmallFileSystem;
    readonly hosts: readonly RegionHost[];
  }

  async function onStage(
    place: 'source/buffer' | 'source/volumes' | 'destination/buffer' | 'destination/volumes',
    options: Partial<PairOptions>,
    play: (scene: Scene) => Promise<void>,
  ): Promise<void> {
    const folder = temporaryFolder();
    for (const site of ['source', 'destination']) mkdirSync(join(folder, site));
    const disk = new SmallFileSystem(join(folder, place), 96);
    const pair = new SitePair({
      folder,
      volumes: { a: SIZE, b: SIZE },
      segment: '{ size: 1 MiB, age: 200 ms }',
      transport: '        folder: ../destination/buffer/g',
      ...options,
      ...(place === 'source/volumes' ? { sourceVolumes: disk.folder } : {}),
      ...(place === 'destination/volumes' ? { destinationVolumes: disk.folder } : {}),
    });
    const hosts = ['a', 'b'].map((volume, i) => {
      const whole = { start: 0, length: SIZE, seed: place, paceMax: 10 };
      return new RegionHost({ number: i + 1, socket: pair.socket, volume, ...whole });
    });
    try {
      await pair.start('destination');
      await pair.start('source');
      await pair.inStep();
      for (const host of hosts) host.start();
      await written(hosts, SOME);
      await play({ pair, disk, hosts });
      await written(hosts, SOME);
      await Promise.all(hosts.map((host) => host.stop()));
      await pair.inStep(PATIENCE);
      assert.deepEqual((await pair.source()).waits, []);
      assert.deepEqual((await pair.destination()).waits, []);
      for (const site of ['source', 'destination'] as const) assert.equal(await pair.stop(site), 0);
      compare(pair, hosts);
    } finally {
      for (const host of hosts) host.abandon();
      await pair.stopAll();
      disk.unmount();
    }
  }

  /** Resolves when each host has written that many more. */
  async function written(hosts: readonly RegionHost[], count: number): Promise<void> {
    const goals = hosts.map(({ history }) => history.writes + count);
    const limit = Date.now() + PATIENCE;
    while (hosts.some(({ history }, i) => history.writes < (goals[i] ?? 0))) {
      assert.deepEqual(
        hosts.flatMap(({ wrong }) => wrong),
        [],
      );
      assert.ok(Date.now() < limit, 'hosts go on writing');
      await pause(50);
    }
  }

  function compare(pair: SitePair, hosts: readonly RegionHost[]): void {
    for (const host of hosts) {
      const source = readFileSync(pair.volume('source', host.options.volume));
      assert.ok(source.equals(readFileSync(pair.volume('destination', host.options.volume))));
      assert.equal(host.history.recover(source, 'answered'), undefined);
    }
  }

  const sourceSays = (pair: SitePair, code: string): Promise<void> =>
    pair.until(`the source saying ${code}`, async () =>
      (await pair.source()).waits.some((wait) => wait.code === code),
    );

  it('at the source buffer refuses writes until there is room, and loses none that was answered (I8)', async () => {
    await onStage('source/buffer', { whenFull: 'refuse-writes' }, async ({ pair, disk, hosts }) => {
      disk.fill();
      await sourceSays(pair, 'buffer-disk-full');
      await pair.until('refusing', () => Promise.resolve(hosts.every(({ refusals }) => refusals > 0)));
      disk.free();
    });
  });

  it('at the source buffer suspends replication if that was chosen, and refuses no write (I8)', async () => {
    await onStage('source/buffer', { whenFull: 'change-map' }, async ({ pair, disk, hosts }) => {
      disk.fill();
      await sourceSays(pair, 'change-map');
      await written(hosts, SOME);
      assert.ok(hosts.every(({ refusals }) => refusals === 0));
      disk.free();
    });
  });

  it('at the source volumes is named, and costs no answered write (I8)', async () => {
    await onStage('source/volumes', {}, async ({ pair, disk }) => {
      disk.fill();
      await sourceSays(pair, 'volume-full');
      await pause(3000);
      disk.free();
    });
  });

  it('at the destination inbox stops receiving, and goes on when there is room (I8)', async () => {
    await onStage('destination/buffer', {}, async ({ pair, disk, hosts }) => {
      disk.fill();
      await pair.until('the destination saying that it is full', async () =>
        (await pair.destination()).waits.some((wait) => wait.code === 'disk-full'),
      );
      await written(hosts, SOME);
      assert.ok(hosts.every(({ refusals }) => refusals === 0));
      disk.free();
    });
  });

  it('at the destination volumes stops applying only, and goes on when there is room (I8)', async () => {
    await onStage('destination/volumes', {}, async ({ pair, disk, hosts }) => {
      disk.fill();
      await pair.until('the destination saying that it is full', async () =>
        (await pair.destination()).waits.some((wait) => wait.code === 'volume-full'),
      );
      const before = (await pair.destination()).received;
      await written(hosts, SOME);
      await pair.until('receiving', async () => (await pair.destination()).received > before);
      assert.ok(hosts.every(({ refusals }) => refusals === 0));
      disk.free();
    });
  });
});
