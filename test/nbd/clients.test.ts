import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support/folder.ts';
import { MemoryVolume } from '../support/memory-volume.ts';
import { run, serve, stopServing } from './serving.ts';

const MIB = 1024 * 1024;

describe('real NBD clients', () => {
  afterEach(stopServing);

  it('nbdinfo lists every export with its size, block sizes and abilities', async () => {
    const serving = await serve([new MemoryVolume('oracle', 8 * MIB), new MemoryVolume('logs', 16 * MIB)]);
    for (const uri of [serving.unix(''), serving.tcp('')]) {
      const { exports } = JSON.parse(await run('nbdinfo', '--list', '--json', uri)) as {
        exports: Record<string, unknown>[];
      };
      assert.deepEqual(
        exports.map((entry) => [entry['export-name'], entry['export-size']]),
        [
          ['oracle', 8 * MIB],
          ['logs', 16 * MIB],
        ],
      );
      const [first] = exports;
      assert.equal(first!['block_size_minimum'], 512);
      assert.equal(first!['block_size_preferred'], 4096);
      assert.equal(first!['block_size_maximum'], 32 * MIB);
      for (const ability of ['can_multi_conn', 'can_flush', 'can_fua', 'can_trim', 'can_zero']) {
        assert.equal(first![ability], true, ability);
      }
    }
    await assert.rejects(run('nbdinfo', serving.unix('')), /default export/);
    assert.deepEqual(serving.warnings, []);
  });

  it('nbdinfo --map shows holes, zeros and data', async () => {
    const disk = new MemoryVolume('disk', 8 * MIB);
    const serving = await serve([disk]);
    await run('qemu-io', '-f', 'raw', '-c', 'write 1M 1M', '-c', 'write -z 4M 64k', serving.unix('disk'));
    const map = JSON.parse(await run('nbdinfo', '--map', '--json', serving.unix('disk'))) as {
      offset: number;
      length: number;
      type: number;
    }[];
    assert.deepEqual(
      map.map(({ offset, length, type }) => [offset, length, type]),
      [
        [0, MIB, 3],
        [MIB, MIB, 0],
        [2 * MIB, 2 * MIB, 3],
        [4 * MIB, 65536, 2],
        [4 * MIB + 65536, 4 * MIB - 65536, 3],
      ],
    );
  });

  for (const kind of ['unix', 'tcp'] as const) {
    it(`nbdcopy copies in and out over ${kind}, with 4 connections`, async () => {
      const disk = new MemoryVolume('disk', 48 * MIB);
      disk.recording = false;
      const serving = await serve([disk]);
      const folder = temporaryFolder();
      const content = randomBytes(48 * MIB).fill(0, 10 * MIB, 20 * MIB);
      writeFileSync(join(folder, 'in'), content);
      const uri = serving[kind]('disk');
      await run('nbdcopy', '--connections=4', '--flush', join(folder, 'in'), uri);
      assert.ok(disk.content.equals(content));
      await run('nbdcopy', '--connections=4', uri, join(folder, 'out'));
      assert.ok(readFileSync(join(folder, 'out')).equals(content));
      await run('nbdcopy', '--synchronous', '--request-size=33554432', uri, join(folder, 'large'));
      assert.ok(readFileSync(join(folder, 'large')).equals(content));
    });
  }

  it('qemu-img converts to and from an export, and finds both equal', async () => {
    const disk = new MemoryVolume('disk', 32 * MIB);
    const serving = await serve([disk]);
    const folder = temporaryFolder();
    const image = join(folder, 'in');
    writeFileSync(image, randomBytes(32 * MIB).fill(0, 4 * MIB, 12 * MIB));
    assert.match(await run('qemu-img', 'info', serving.tcp('disk')), /virtual size: 32 MiB/);
    await run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', image, serving.unix('disk'));
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', image, serving.tcp('disk'));
    await run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', serving.tcp('disk'), join(folder, 'out'));
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', image, join(folder, 'out'));
  });

  it('qemu-io reads back the patterns it wrote, discarded and zeroed', async () => {
    const disk = new MemoryVolume('disk', 64 * MIB);
    const serving = await serve([disk]);
    const commands = [
      'write -P 0x11 0 64k',
      'write -P 0x22 33280 512',
      'write -f -P 0x33 1M 4M',
      'write -P 0x44 8M 40M',
      'write -z -u 9M 1M',
      'write -z 10M 1M',
      'discard 2M 1M',
      'flush',
      'read -P 0x11 0 32k',
      'read -P 0x22 33280 512',
      'read -P 0x33 1M 1M',
      'read -P 0 2M 1M',
      'read -P 0x33 3M 2M',
      'read -P 0x44 8M 1M',
      'read -P 0 9M 2M',
      'read -P 0x44 11M 37M',
    ];
    const output = await run(
      'qemu-io',
      ...['-f', 'raw', '-d', 'unmap', '-t', 'none'],
      ...commands.flatMap((command) => ['-c', command]),
      serving.unix('disk'),
    );
    assert.doesNotMatch(output, /failed|error/i);
    assert.ok(disk.calls.some((call) => /^zero \d+ \d+ keep/.test(call)));
    assert.ok(disk.calls.some((call) => /^zero \d+ \d+ free/.test(call)));
    assert.ok(disk.calls.some((call) => call.startsWith('flush')));
  });

  it('fio verifies what it wrote by crc32c, on two volumes and four connections at once', async () => {
    const disks = [new MemoryVolume('a', 32 * MIB), new MemoryVolume('b', 32 * MIB)];
    for (const disk of disks) disk.recording = false;
    const serving = await serve(disks);
    const job = (name: string, uri: string, offset: number): string[] => [
      `--name=${name}`,
      ...['--ioengine=nbd', `--uri=${uri}`, '--rw=randwrite', '--bsrange=512-256k', '--size=16m'],
      ...[
        `--offset=${offset}m`,
        '--iodepth=32',
        '--verify=crc32c',
        '--verify_state_save=0',
        '--verify_fatal=1',
        '--fsync=64',
      ],
    ];
    const output = await run(
      'fio',
      ...['--group_reporting=0', '--output-format=json', '--directory=' + temporaryFolder()],
      ...job('a0', serving.unix('a'), 0),
      ...job('a1', serving.tcp('a'), 16),
      ...job('b0', serving.tcp('b'), 0),
      ...job('b1', serving.unix('b'), 16),
    );
    const { jobs } = JSON.parse(output.slice(output.indexOf('{'))) as {
      jobs: { error: number; write: { total_ios: number }; read: { total_ios: number } }[];
    };
    assert.equal(jobs.length, 4);
    for (const { error, write, read } of jobs) {
      assert.equal(error, 0);
      assert.ok(write.total_ios > 50 && read.total_ios > 50);
    }
    assert.deepEqual(serving.warnings, []);
  });

  it('makes its socket for its own user alone', async () => {
    const serving = await serve([new MemoryVolume('disk', MIB)]);
    assert.equal(statSync(serving.path).mode & 0o777, 0o600);
  });
});
