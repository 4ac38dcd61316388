import assert from 'node:assert/strict';
import { execFileSync, execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BoundedCalls } from '../../src/transfer/transports/bounded-calls.ts';
import { FolderTransport } from '../../src/transfer/transports/folder.ts';
import { FaultyTransport, type Fault } from '../support/faulty-transport.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { folderView } from './folder-bench.ts';
import { describeTransport, LocalFiles, MIB, never, rejectsWith } from './transport-suite.ts';

describeTransport('memory', () => {
  const { files } = new MemoryTransport();
  return Promise.resolve({
    open: () => new MemoryTransport(files),
    peek: (name) => files.get(name),
    size: (name) => files.get(name)?.length ?? 0,
    plant: (name, content) => void files.set(name, content),
    stop: () => Promise.resolve(),
  });
});

describeTransport('folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-folder-'));
  return Promise.resolve({
    ...folderView(folder, { uid: process.getuid!(), gid: process.getgid!() }),
    open: () => new FolderTransport({ path: folder }),
    stop: () => {
      rmSync(folder, { recursive: true });
      return Promise.resolve();
    },
  });
});

describe('transport: folder, in trouble', () => {
  let folder: string;
  const local = new LocalFiles();
  const mounts: string[] = [];
  const mount = (name: string, options: string): string => {
    const path = join(folder, name);
    mkdirSync(path);
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'blockferry-test', path]);
    mounts.push(path);
    return path;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'blockferry-folder-'));
  });
  after(() => {
    for (const path of mounts) execFileSync('umount', [path]);
    rmSync(folder, { recursive: true });
    local.remove();
  });

  it('never makes the folder itself: a share that is not mounted is NotFound and stays so', async () => {
    const path = join(folder, 'not-mounted', 'group');
    const transport = new FolderTransport({ path });
    const source = local.make(Buffer.from('x'));
    const error = await rejectsWith('NotFound', transport.put(source, 'inbox/a.seg', { signal: never }));
    assert.ok(error.message.includes(path) && error.remedy.includes(path));
    await rejectsWith('NotFound', transport.list('inbox', never));
    await rejectsWith('NotFound', transport.readSmall('status/a.json', 10, never));
    await rejectsWith('NotFound', transport.remove('inbox/a.seg', never));
    assert.equal(existsSync(join(folder, 'not-mounted')), false);
  });

  it('says NoSpace when the disk is full, publishes nothing, and goes on when there is room', async () => {
    const path = mount('small', 'size=1m');
    const transport = new FolderTransport({ path });
    const content = randomBytes(3 * MIB);
    const source = local.make(content);
    const error = await rejectsWith('NoSpace', transport.put(source, 'inbox/a.seg', { signal: never }));
    assert.ok(error.retryable && error.remedy.includes(path));
    assert.equal(existsSync(join(path, 'inbox/a.seg')), false);
    execFileSync('mount', ['-o', 'remount,size=8m', path]);
    await transport.put(source, 'inbox/a.seg', { signal: never });
    assert.ok(readFileSync(join(path, 'inbox/a.seg')).equals(content));
  });

  it('says Auth when it may not write there', async () => {
    const path = mount('read-only', 'size=1m,ro');
    const transport = new FolderTransport({ path });
    const source = local.make(Buffer.from('x'));
    await rejectsWith('Auth', transport.put(source, 'inbox/a.seg', { signal: never }));
  });

  it('does not trust a part whose content differs, even of the right size', async () => {
    const path = join(folder, 'differs');
    mkdirSync(join(path, 'inbox'), { recursive: true });
    const content = randomBytes(3 * MIB);
    const part = Buffer.from(content);
    part[2 * MIB + 5]! ^= 1;
    writeFileSync(join(path, 'inbox/a.seg.part'), part);
    await new FolderTransport({ path }).put(local.make(content), 'inbox/a.seg', { signal: never });
    assert.ok(readFileSync(join(path, 'inbox/a.seg')).equals(content));
  });

  it('follows no link and opens no pipe that lies where its files go (I12)', async () => {
    const path = join(folder, 'links');
    mkdirSync(join(path, 'status'), { recursive: true });
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, join(path, 'status/a.json.part'));
    symlinkSync(victim, join(path, 'status/b.json'));
    execFileSync('mkfifo', [join(path, 'status/c.json'), join(path, 'status/d.json.part')]);
    const transport = new FolderTransport({ path });
    const source = local.make(Buffer.from('forged'));
    await rejectsWith('Exists', transport.put(source, 'status/a.json', { signal: never }));
    await rejectsWith('Exists', transport.put(source, 'status/d.json', { signal: never }));
    await rejectsWith('Exists', transport.readSmall('status/b.json', 100, never));
    await rejectsWith('Exists', transport.readSmall('status/c.json', 100, never));
    assert.equal(readFileSync(victim, 'latin1'), 'precious');
    assert.deepEqual(await transport.list('status', never), []);
  });

  it('tries a rename again that another user of the file holds up', async () => {
    const path = join(folder, 'held');
    mkdirSync(join(path, 'inbox'), { recursive: true });
    const target = join(path, 'inbox/a.seg');
    writeFileSync(target, 'old');
    // Linux says EBUSY for a rename over a mount, as Windows does for one over a file that is open.
    execFileSync('mount', ['--bind', target, target]);
    const publishing = new FolderTransport({ path }).put(local.make(Buffer.from('new')), 'inbox/a.seg', {
      signal: never,
    });
    await sleep(100);
    execFile('umount', [target]);
    await publishing;
    assert.equal(readFileSync(target, 'latin1'), 'new');
  });

  it('gives up on a call that does not return, and makes no other until it does', async () => {
    const calls = new BoundedCalls('/share', 20);
    const { promise, resolve } = Promise.withResolvers<string>();
    const error = await rejectsWith(
      'Timeout',
      calls.run(() => promise),
    );
    assert.match(error.message, /\/share/);
    await rejectsWith(
      'Timeout',
      calls.run(() => assert.fail('a second call was made')),
    );
    resolve('late');
    await sleep(0);
    assert.equal(await calls.run(() => Promise.resolve('well')), 'well');
  });
});

describe('the faulty transport', () => {
  const local = new LocalFiles();
  after(() => local.remove());

  it('goes wrong as planned, once, and as the real ones do', async () => {
    const inner = new MemoryTransport();
    const faults: (Fault | undefined)[] = [
      { kind: 'refused', code: 'Busy' },
      { kind: 'cut', after: MIB },
      { kind: 'answer-lost', code: 'Timeout' },
      { kind: 'slow', milliseconds: 5 },
    ];
    const transport = new FaultyTransport(inner, () => faults.shift());
    const content = randomBytes(2 * MIB);
    const put = (name: string): Promise<void> => transport.put(local.make(content), name, { signal: never });
    await rejectsWith('Busy', put('inbox/a.seg'));
    assert.equal(inner.files.size, 0);
    await rejectsWith('ConnectionLost', put('inbox/a.seg'));
    assert.deepEqual([...inner.files.keys()], ['inbox/a.seg.part']);
    await rejectsWith('Timeout', put('inbox/a.seg'));
    assert.ok(inner.files.get('inbox/a.seg')?.equals(content));
    await put('inbox/b.seg');
    assert.equal(inner.files.size, 2);
  });
});
