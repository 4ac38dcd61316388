import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DestinationGroupConfig, SourceGroupConfig } from '../../src/config/config.ts';
import { startDestination } from '../../src/daemon/destination/destination.ts';
import { LinkMemory } from '../../src/daemon/link-memory.ts';
import { Links } from '../../src/daemon/links.ts';
import { nodeWorld } from '../../src/daemon/node-world.ts';
import { startSource } from '../../src/daemon/source/source.ts';
import { startFailure } from '../../src/daemon/start-failure.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';
import { mountFileSystem, unmount } from '../recovery/loop-devices.ts';
import { quiet } from '../recovery/replica.ts';
import { temporaryFolder } from '../support/folder.ts';
import { fill } from '../support/full-disk.ts';

const MIB = 1024 * 1024;

describe('a group that cannot start', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder();
  });

  const base = () => ({
    name: 'g',
    folder: join(folder, 'ext4', 'g'),
    quota: 64 * MIB,
    objective: undefined,
    key: undefined,
    volumes: [{ name: 'disk', path: join(folder, 'disk.raw'), size: 4 * MIB }],
  });
  const source = (): SourceGroupConfig => ({
    ...base(),
    role: 'source',
    segment: { size: MIB, age: 200, compression: 1, dropOverwritten: false },
    coalesce: false,
    initialCopy: 'send',
    replicateEvery: undefined,
    verifyEvery: undefined,
    timedMarkers: [],
    ownSnapshots: undefined,
    whenFull: 'refuse-writes',
    nbd: { socket: join(folder, 'nbd.sock'), tcp: undefined, connections: 4 },
    destinations: [],
  });
  const destination = (): DestinationGroupConfig => ({
    ...base(),
    role: 'destination',
    snapshotFolder: join(folder, 'ext4', 'g', 'snapshots'),
    retention: undefined,
    timedSnapshots: undefined,
    rehearsal: undefined,
    retain: undefined,
    nbd: { socket: '/simulated', tcp: undefined, connections: 16 },
    views: {
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      connections: 1,
      scratch: { folder: join(folder, 'scratch'), size: 2 ** 30 },
    },
    markers: [],
    login: undefined,
  });
  const starts = {
    source: () =>
      startSource(
        source(),
        quiet,
        nodeWorld,
        new Links(nodePlatform.clock, { transfers: 4, links: [], groups: [] }),
      ),
    destination: () => startDestination(destination(), quiet, nodeWorld),
  };

  for (const [role, start] of Object.entries(starts)) {
    it(`for want of room, a ${role} on its first start, says where there is none and what to do`, async () => {
      const disk = mountFileSystem(folder, 'ext4', 16);
      try {
        const filler = fill(disk);
        await assert.rejects(start(), (error: unknown) => {
          assert.ok(error instanceof OperatorError);
          assert.equal(error.code, 'START_NO_ROOM');
          assert.match(error.message, /^group g cannot start for want of room: /);
          assert.ok(error.message.includes(`full is ${join(disk, 'g')} (0 B free)`), error.message);
          assert.match(error.remedy, /make room there/);
          return true;
        });
        rmSync(filler, { recursive: true });
        if (role === 'destination') await (await start()).stop();
      } finally {
        unmount(disk);
      }
    });
  }

  it('for another reason says that reason', () => {
    const error = new Error('something else');
    assert.equal(startFailure(error, nodePlatform.files, source()), error);
  });

  it('because its own note of what a destination said is damaged names that file, and not the destination’s', () => {
    const { files } = nodePlatform;
    const path = join(folder, 'links', 'bern.json');
    mkdirSync(join(folder, 'links'));
    const file = files.open(path, 'create');
    file.write(Buffer.from('{"version":'), 0);
    file.close();
    assert.throws(
      () => new LinkMemory(nodePlatform, folder, 'bern'),
      (error: unknown) => {
        assert.ok(error instanceof OperatorError);
        assert.equal(error.code, 'LINK_MEMORY_DAMAGED');
        assert.ok(error.message.startsWith(`${path}, in which this source notes`), error.message);
        assert.doesNotMatch(error.message, /status file/);
        assert.match(error.remedy, /move the file away and start again/);
        return true;
      },
    );
  });
});
