import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { attachLoopDevice, detachLoopDevice, mountFileSystem, unmount } from '../recovery/loop-devices.ts';
import { memoryPlace } from '../recovery/memory-place.ts';
import type { SnapshotPlace } from '../recovery/replica.ts';
import { seededRandom } from '../support/random.ts';
import { snapshotStoreSuite, VOLUME_SIZES } from './snapshot-store-suite.ts';

const NAMES = ['data', 'log'] as const;

describe('snapshot stores', () => {
  let folder: string;
  const cleanups: (() => void)[] = [];
  let count = 0;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'blockferry-snapshots-'));
  });
  after(() => {
    for (const cleanup of cleanups.reverse()) cleanup();
    rmSync(folder, { recursive: true });
  });

  /** Image files and the store in a new folder under `parent`. */
  function imagesIn(parent: string): SnapshotPlace {
    const place = join(parent, String((count += 1)));
    mkdirSync(place);
    const volumes = NAMES.map((name, i) => {
      const path = join(place, `${name}.img`);
      writeFileSync(path, '');
      truncateSync(path, VOLUME_SIZES[i]);
      return { name, path, size: VOLUME_SIZES[i]! };
    });
    return { files: nodeFiles, folder: join(place, 'snapshots'), volumes, crash: () => undefined };
  }

  function onMemory(clones: boolean): SnapshotPlace {
    const random = seededRandom(`power ${(count += 1)}`);
    return memoryPlace(VOLUME_SIZES, { clones, keep: () => random.fraction() < 0.5 });
  }

  for (const kind of ['xfs', 'btrfs'] as const) {
    snapshotStoreSuite(`reflink on ${kind}`, () => {
      const mountPoint = mountFileSystem(folder, kind, 512);
      cleanups.push(() => unmount(mountPoint));
      return { kind: 'reflink', runs: 20, crashPasses: 1, crashEvery: 5, fresh: () => imagesIn(mountPoint) };
    });
  }

  snapshotStoreSuite('copy-on-write on ext4', () => {
    const mountPoint = mountFileSystem(folder, 'ext4', 256);
    cleanups.push(() => unmount(mountPoint));
    return {
      kind: 'copy-on-write',
      runs: 20,
      crashPasses: 1,
      crashEvery: 5,
      fresh: () => imagesIn(mountPoint),
    };
  });

  snapshotStoreSuite('copy-on-write of block devices', () => {
    const devices = NAMES.map((name, i) => attachLoopDevice(folder, `${name}.disk`, VOLUME_SIZES[i]!));
    cleanups.push(() => devices.forEach(detachLoopDevice));
    return {
      kind: 'copy-on-write',
      runs: 20,
      crashPasses: 1,
      crashEvery: 5,
      fresh: () => {
        for (const device of devices) execFileSync('blkdiscard', ['--zeroout', device]);
        const volumes = NAMES.map((name, i) => ({ name, path: devices[i]!, size: VOLUME_SIZES[i]! }));
        return {
          files: nodeFiles,
          folder: join(folder, String((count += 1))),
          volumes,
          crash: () => undefined,
        };
      },
    };
  });

  snapshotStoreSuite('reflink on a disk that loses power', () => ({
    kind: 'reflink',
    runs: 200,
    crashPasses: 4,
    crashEvery: 1,
    fresh: () => onMemory(true),
  }));

  snapshotStoreSuite('copy-on-write on a disk that loses power', () => ({
    kind: 'copy-on-write',
    runs: 200,
    crashPasses: 4,
    crashEvery: 1,
    fresh: () => onMemory(false),
  }));
});
