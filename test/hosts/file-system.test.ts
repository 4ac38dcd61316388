import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';
import { pause, SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const SIZE = 128 * MIB;

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** An exported volume as a mounted ext4 file system: nbdfuse makes a file of the export, a loop device a disk of it. */
class MountedExport {
  readonly #folder: string;
  readonly mount: string;
  #fuse: ChildProcess | undefined;
  #loop = '';

  constructor(folder: string) {
    this.#folder = folder;
    this.mount = join(folder, 'mount');
  }

  async attach(uri: string): Promise<void> {
    const file = join(this.#folder, 'disk');
    mkdirSync(this.mount, { recursive: true });
    writeFileSync(file, '');
    this.#fuse = spawn('nbdfuse', ['-C', '2', file, uri], { stdio: 'ignore' });
    for (let i = 0; statSync(file).size !== SIZE; i += 1) {
      assert.ok(i < 100, 'nbdfuse shows the export');
      await pause(50);
    }
    this.#loop = run('losetup', '-f', '--show', file).trim();
    run('mkfs.ext4', '-qF', this.#loop);
    run('mount', this.#loop, this.mount);
  }

  detach(): void {
    if (this.#loop !== '') {
      try {
        run('umount', this.mount);
      } catch {
        // It was not mounted.
      }
      run('losetup', '-d', this.#loop);
      this.#loop = '';
    }
    if (this.#fuse !== undefined) run('fusermount3', '-u', join(this.#folder, 'disk'));
    this.#fuse = undefined;
  }
}

function hashes(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length), createHash('sha256').update(readFileSync(path)).digest('hex')];
    }),
  );
}

describe('an ext4 file system on an exported volume', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const pair = new SitePair({
    folder,
    volumes: { disk: SIZE },
    transport: '        folder: ../destination/buffer/g',
  });
  const host = new MountedExport(folder);
  const copyMount = join(folder, 'copy');
  after(async () => {
    try {
      run('umount', copyMount);
    } catch {
      // It was not mounted.
    }
    host.detach();
    await pair.stopAll();
  });

  it('is found whole in the snapshot that a group marker makes at the destination (I3, I9)', async () => {
    await pair.start('destination');
    await pair.start('source');
    await pair.inStep();
    await host.attach(`nbd+unix:///disk?socket=${pair.socket}`);
    const random = seededRandom('files');
    for (let i = 0; i < 60; i += 1) {
      mkdirSync(join(host.mount, `d${i % 7}`), { recursive: true });
      writeFileSync(
        join(host.mount, `d${i % 7}`, `f${i}`),
        random.bytes(1 + Math.floor(random.fraction() * 400_000)),
      );
    }
    run('sync', '-f', host.mount);
    const expected = hashes(host.mount);
    const marker = await pair.marker('snapshot', 'files');
    for (let i = 0; i < 60; i += 1)
      writeFileSync(join(host.mount, `d${i % 7}`, `f${i}`), random.bytes(100_000));
    run('sync', '-f', host.mount);
    host.detach();
    await pair.inStep();
    assert.equal((await pair.destination()).snapshots, 1);
    await pair.stop('source');
    await pair.stop('destination');

    const image = join(folder, 'snapshot.raw');
    writeFileSync(image, snapshotContent(marker.id));
    // Exit code 1: the file system's own journal was replayed, as after a power failure.
    assert.ok((spawnSync('e2fsck', ['-p', '-E', 'journal_only', image]).status ?? 9) <= 1);
    run('e2fsck', '-fn', image);
    mkdirSync(copyMount);
    run('mount', '-o', 'loop,ro', image, copyMount);
    assert.deepEqual(hashes(copyMount), expected);
  });

  function snapshotContent(id: string): Buffer {
    const volumes = [{ name: 'disk', path: pair.volume('destination', 'disk'), size: SIZE }];
    const snapshots = join(pair.groupFolder('destination'), 'snapshots');
    assert.ok(existsSync(pair.volume('destination', 'disk')));
    const store = openSnapshotStore(nodeFiles, silent, { folder: snapshots, volumes });
    const reader = store.open(id, 'disk');
    const content = Buffer.alloc(reader.size);
    reader.read(0, content);
    reader.close();
    store.close();
    return content;
  }
});

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };
