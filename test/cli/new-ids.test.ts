import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newIdLines, substituteIds, type NewId } from '../../src/cli/new-ids.ts';
import { temporaryFolder } from '../support/folder.ts';

const MIB = 1024 * 1024;

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' });

describe('what is on a device that is mounted beside its original', () => {
  const folder = temporaryFolder();
  const [at, other] = [join(folder, 'original'), join(folder, 'copy')];
  const loops: string[] = [];
  before(() => [at, other].forEach((place) => mkdirSync(place)));
  afterEach(() => {
    for (const place of [at, other]) spawnSync('umount', [place]);
    for (const loop of loops.splice(0)) spawnSync('losetup', ['-d', loop]);
  });

  function image(name: string, size: number): string {
    const path = join(folder, name);
    writeFileSync(path, '');
    truncateSync(path, size);
    return path;
  }

  function loop(...args: readonly string[]): string {
    const device = run('losetup', '-f', '--show', ...args).trim();
    loops.push(device);
    return device;
  }

  /** It is forgotten: the next one to have its name may be somebody else's. */
  function detach(device: string): void {
    run('losetup', '-d', device);
    loops.splice(loops.indexOf(device), 1);
  }

  /** A copy of a file system that is in use, as a recovery point has it; its original stays mounted. */
  function inUse(original: string): string {
    run('mount', '-o', 'loop', original, at);
    writeFileSync(join(at, 'file'), 'content');
    run('sync', '-f', at);
    copyFileSync(original, `${original}.copy`);
    return loop(`${original}.copy`);
  }

  const idOf = (device: string, tag = 'UUID'): string =>
    run('blkid', '-p', '-o', 'value', '-s', tag, device).trim();

  /** The only one. */
  async function substituted(device: string, kind: string): Promise<Required<Omit<NewId, 'partition'>>> {
    const before = idOf(device);
    const [one, ...more] = await substituteIds(device);
    assert.ok(one?.after !== undefined && more.length === 0);
    assert.deepEqual([one.kind, one.before, one.after], [kind, before, idOf(device)]);
    assert.notEqual(one.after, before);
    return { ...one, after: one.after };
  }

  for (const [what, ...options] of [
    ['has checksums of its metadata', '-O', 'metadata_csum,^metadata_csum_seed'],
    ['has older checksums', '-O', '^metadata_csum,uninit_bg'],
    ['has no journal', '-O', '^has_journal'],
  ] as const) {
    it(`is an ext4 file system that ${what}: every superblock has another UUID, and nothing else is lost`, async () => {
      const original = image('ext4', 32 * MIB);
      run('mkfs.ext4', '-q', '-b', '1024', ...options, original);
      // As if it had been made long ago, so that tune2fs would want it checked.
      run('tune2fs', '-T', '20200101', original);
      const device = inUse(original);
      const { after } = await substituted(device, 'ext4');
      for (const superblock of ['1', '8193', '24577'])
        assert.ok(
          run('dumpe2fs', '-h', '-o', `superblock=${superblock}`, '-o', 'blocksize=1024', device).includes(
            after,
          ),
        );
      run('e2fsck', '-fn', device);
      run('mount', device, other);
      assert.equal(readFileSync(join(other, 'file'), 'utf8'), 'content');
    });
  }

  it('is an XFS file system: it can be mounted beside its original, which it could not before', async () => {
    const original = image('xfs', 320 * MIB);
    run('mkfs.xfs', '-q', original);
    const device = inUse(original);
    assert.throws(() => run('mount', device, other));
    const { after } = await substituted(device, 'xfs');
    run('mount', device, other);
    assert.equal(readFileSync(join(other, 'file'), 'utf8'), 'content');
    run('umount', other);
    for (const group of [0, 1, 2, 3])
      assert.match(run('xfs_db', '-r', '-c', `sb ${group}`, '-c', 'p uuid', device), new RegExp(after));
    run('xfs_repair', '-n', device);
  });

  it('is an NTFS volume: its serial number is another one in both boot sectors', async () => {
    const path = image('ntfs', 16 * MIB);
    const device = loop(path);
    run('mkfs.ntfs', '-qF', device);
    const content = (): Buffer =>
      execFileSync('dd', [`if=${device}`, 'bs=1M', 'status=none'], { maxBuffer: 64 * MIB });
    const was = content();
    await substituted(device, 'ntfs');
    const is = content();
    assert.ok(is.subarray(0, 512).equals(is.subarray(-512)), 'the copy is the same');
    for (const boot of [0, is.length - 512]) was.copy(is, boot + 72, boot + 72, boot + 80);
    assert.ok(is.equals(was), 'nothing else has changed');
    assert.match(run('ntfsfix', '-n', device), /Checking the alternate boot sector\.\.\. OK/);
    run('dd', 'if=/dev/zero', `of=${device}`, 'bs=512', `seek=${16 * 2048 - 1}`, 'count=1', 'status=none');
    await assert.rejects(substituteIds(device), /has no NTFS boot sector at byte 16776704/);
  });

  for (const kind of ['gpt', 'dos'] as const) {
    it(`is a ${kind} partition table: it, its partitions and what is in them have other identifiers`, async () => {
      const path = image(kind, 64 * MIB);
      const script = `label: ${kind}\nsize=40M\n${kind === 'dos' ? 'type=5\n' : ''}size=8M\nsize=4M\n`;
      execFileSync('sfdisk', ['-q', path], { input: script, stdio: 'pipe' });
      const parts = (
        JSON.parse(run('sfdisk', '--json', path)) as {
          partitiontable: { partitions: { start: number; size: number; type: string; uuid?: string }[] };
        }
      ).partitiontable.partitions;
      const used = parts.filter(({ type }) => type !== '5');
      const device = loop(path);
      const opened = used.map(({ start, size }) =>
        loop('--offset', String(start * 512), '--sizelimit', String(size * 512), device),
      );
      const [first = '', second = '', third = ''] = opened;
      run('mkfs.ext4', '-q', first);
      run('mkfs.ntfs', '-qF', second);
      run('mkswap', third);
      for (const one of opened) run('blockdev', '--flushbufs', one);
      const before = [idOf(device, 'PTUUID'), ...opened.map((one) => idOf(one))];
      for (const one of opened) detach(one);
      const ids = await substituteIds(device);
      const numbers = kind === 'gpt' ? [1, 2, 3] : [1, 5, 6];
      assert.deepEqual(
        ids.map((id) => [id.partition, id.kind, id.before]),
        [
          [undefined, kind, before[0]],
          [numbers[0], 'ext4', before[1]],
          [numbers[1], 'ntfs', before[2]],
          [numbers[2], 'swap', before[3]],
        ],
      );
      const after = ids.map((id) => id.after);
      assert.equal(after[0], idOf(device, 'PTUUID'));
      assert.ok(after.slice(0, 3).every((id, number) => id !== undefined && id !== before[number]));
      assert.equal(after[3], undefined, 'what is not known stays what it was');
      if (kind === 'dos') return;
      assert.match(run('sgdisk', '-v', device), /No problems found/);
      for (const { uuid = '' } of parts) assert.ok(!run('sfdisk', '--json', device).includes(uuid));
    });
  }

  it('is left to somebody who looks at it where a program cannot do it, or is not there', async () => {
    const path = image('broken', 8 * MIB);
    run('mkfs.ext4', '-q', path);
    // The block groups' descriptors, behind the superblock.
    run('dd', 'if=/dev/urandom', `of=${path}`, 'bs=1024', 'seek=2', 'count=1', 'conv=notrunc', 'status=none');
    await assert.rejects(substituteIds(loop(path)), { code: 'NEW_UUID_FAILED' });
    const paths = process.env['PATH'];
    process.env['PATH'] = '/nowhere';
    try {
      await assert.rejects(substituteIds(path), /blkid is not there, which --new-uuid needs/);
    } finally {
      process.env['PATH'] = paths;
    }
  });

  it('is told in words', () => {
    const ids = [
      { kind: 'gpt', before: 'a', after: 'b' },
      { partition: 2, kind: 'swap', before: 'c' },
    ];
    assert.deepEqual(newIdLines('data', ids), [
      'data: gpt is b here, and a in its original.',
      'data, partition 2: swap is not known here; what identifies it (c) is as in its original.',
    ]);
  });

  it('is nothing that is recognised, and stays what it was', async () => {
    const path = image('nothing', MIB);
    assert.deepEqual(await substituteIds(loop(path)), []);
    assert.ok(readFileSync(path).equals(Buffer.alloc(MIB)));
    assert.deepEqual(newIdLines('log', []), ['log: nothing was recognised, so nothing was substituted.']);
  });
});
