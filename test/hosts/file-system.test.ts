import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { detachDevices, devicesFolder } from '../../src/cli/devices.ts';
import type { NewId } from '../../src/cli/new-ids.ts';
import { cli, type CliResult } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';
import { pause, SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const SIZE = 128 * MIB;

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 120_000; !isSo();) {
    assert.ok(Date.now() < end, what);
    await pause(50);
  }
}

/** A loop device that was detached is there until whoever looked at it last has closed it: udev looks at every one. */
const withoutLoops = (folder: string): Promise<void> =>
  until(`no loop device is left in ${folder}`, () => !run('losetup', '-a').includes(folder));

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
    await until('nbdfuse shows the export', () => statSync(file).size === SIZE);
    this.#loop = run('losetup', '-f', '--show', file).trim();
    run('mkfs.ext4', '-qF', this.#loop);
    run('mount', this.#loop, this.mount);
  }

  async detach(): Promise<void> {
    if (this.#loop !== '') {
      try {
        run('umount', this.mount);
      } catch {
        // It was not mounted.
      }
      run('losetup', '-d', this.#loop);
      this.#loop = '';
    }
    const fuse = this.#fuse;
    this.#fuse = undefined;
    if (fuse === undefined) return;
    await until('nbdfuse ends', () => {
      spawnSync('fusermount3', ['-u', join(this.#folder, 'disk')]);
      return fuse.exitCode !== null || fuse.signalCode !== null;
    });
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

describe('an ext4 file system on an exported volume', () => {
  const folder = temporaryFolder();
  const pair = new SitePair({
    folder,
    volumes: { disk: SIZE },
    transport: '        folder: ../destination/buffer/g',
    destinationExtra: `    rehearsal: { run: [/usr/bin/env, 'RUNTIME_DIRECTORY=${folder}', ${join(import.meta.dirname, '../../samples/rehearsals/ext4.sh')}] }`,
  });
  const host = new MountedExport(folder);
  const copyMount = join(folder, 'copy');
  after(async () => {
    try {
      run('umount', copyMount);
    } catch {
      // It was not mounted.
    }
    await host.detach();
    const state = pair.path('destination', 'state');
    for (const mount of ['files', 'files-2']) await detachDevices(devicesFolder(state, 'g', mount));
    await pair.stopAll();
  });

  it('is found whole in the snapshot that a group marker makes at the destination, mounted there as a block device (I3, I9)', async () => {
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
    await pair.marker('snapshot', 'files');
    for (let i = 0; i < 60; i += 1)
      writeFileSync(join(host.mount, `d${i % 7}`, `f${i}`), random.bytes(100_000));
    run('sync', '-f', host.mount);
    await host.detach();
    await pair.inStep();
    assert.equal((await pair.destination()).snapshots, 1);

    // As block devices: one that is written, where the file system's own journal is replayed, as after a power failure.
    const look = await onDestination('mount', 'g', 'files', '--device', '--json');
    const asDisk = ['--device', '--writable', '--new-uuid'];
    const writable = await onDestination('mount', 'g', 'files', ...asDisk, '--json');
    assert.deepEqual([look.error, writable.error], ['', '']);
    const [{ device, ids } = assert.fail()] = devicesOf(writable);
    const uuidOf = (disk = ''): string => run('blkid', '-p', '-o', 'value', '-s', 'UUID', disk).trim();
    // Beside its original.
    assert.deepEqual(ids, [
      { kind: 'ext4', before: uuidOf(devicesOf(look)[0]?.device), after: uuidOf(device) },
    ]);
    assert.notEqual(ids[0]?.before, ids[0]?.after);
    run('e2fsck', '-fn', device);
    mkdirSync(copyMount);
    run('mount', device, copyMount);
    assert.deepEqual(hashes(copyMount), expected);
    writeFileSync(join(copyMount, 'tried'), 'something');
    const refused = await onDestination('unmount', 'g', 'files-2');
    assert.equal(refused.exitCode, 6);
    assert.match(refused.error, /is mounted on .*copy\.\nWhat to do: umount /);
    run('umount', copyMount);
    assert.match(run('blockdev', '--getro', devicesOf(look)[0]?.device ?? ''), /^1/);
    for (const mount of ['files', 'files-2']) {
      const { exitCode, error } = await onDestination('unmount', 'g', mount);
      assert.deepEqual([exitCode, error], [0, '']);
    }
    assert.deepEqual(readdirSync(pair.path('destination', 'state', 'devices', 'g')), []);
    await withoutLoops(folder);
    assert.deepEqual((await pair.destination()).mounts, []);
  });

  it('is proven by a rehearsal with the sample check, and left alone', async () => {
    const { exitCode, out } = await onDestination('rehearse', 'g', '--at', 'files');
    assert.equal(exitCode, 0, out);
    assert.match(
      out,
      /^Proven: LSN \d+ .*\n(?:.*\n)* {2}disk: an ext4 file system without a fault, 60 files read\n$/,
    );
    assert.deepEqual((await pair.destination()).mounts, []);
    await withoutLoops(join(folder, 'rehearsals'));
  });

  it('cannot be a device where a program for it is missing: it is unmounted again, and what is missing is said', async () => {
    const { exitCode, error } = await onDestination('mount', 'g', 'files', '--device', { PATH: '/nowhere' });
    assert.equal(exitCode, 1);
    assert.match(
      error,
      /nbdfuse is not there, which --device needs\.\nWhat to do: install the package nbdfuse/,
    );
    assert.deepEqual((await pair.destination()).mounts, []);
  });

  function onDestination(...args: readonly (string | Record<string, string>)[]): Promise<CliResult> {
    const environment = args.find((value) => typeof value !== 'string') ?? {};
    const words = args.filter((value) => typeof value === 'string');
    return cli([...words, '--state', pair.path('destination', 'state')], { environment });
  }
});

interface Device {
  readonly device: string;
  readonly ids?: readonly NewId[];
}

function devicesOf({ out }: CliResult): Device[] {
  return (JSON.parse(out) as { devices: Device[] }).devices;
}
