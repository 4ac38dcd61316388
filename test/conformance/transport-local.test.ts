import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { LoggedTransport } from '../../src/transfer/logged-transport.ts';
import { RetryingTransport } from '../../src/transfer/retrying-transport.ts';
import { SharedLink } from '../../src/transfer/shared-link.ts';
import { ThrottledTransport } from '../../src/transfer/throttled-transport.ts';
import { Turns } from '../../src/transfer/turns.ts';
import type { Transport } from '../../src/transfer/transport.ts';
import { BoundedCalls } from '../../src/transfer/transports/bounded-calls.ts';
import { FolderTransport } from '../../src/transfer/transports/folder.ts';
import { FaultyTransport, type Fault } from '../support/faulty-transport.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { folderView } from './folder-bench.ts';
import { LocalFiles, MIB, never, rejectsWith, type TransportBench } from './transport-bench.ts';
import { describeStoredTransport, describeTransport } from './transport-suite.ts';

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** In memory; what `decorate` makes of it is put to the suite. */
function inMemory(decorate: (inner: MemoryTransport) => Transport): () => Promise<TransportBench> {
  return () => {
    const { files } = new MemoryTransport();
    return Promise.resolve({
      open: () => decorate(new MemoryTransport(files)),
      peek: (name) => files.get(name),
      size: (name) => files.get(name)?.length ?? 0,
      plant: (name, content) => void files.set(name, content),
      shorten: (name, size) => void files.set(name, files.get(name)!.subarray(0, size)),
      names: (folder) =>
        [...files.keys()]
          .filter((name) => name.startsWith(`${folder}/`))
          .map((name) => name.slice(folder.length + 1)),
      stop: () => Promise.resolve(),
    });
  };
}

describeTransport(
  'memory',
  inMemory((inner) => inner),
);
describeTransport(
  'memory behind faults that do not come',
  inMemory((inner) => new FaultyTransport(inner, () => undefined)),
);

describeTransport(
  'memory behind retries and a log',
  inMemory((inner) => new RetryingTransport(new LoggedTransport(inner, silent, nodeClock), nodeClock)),
);

describeTransport(
  'memory behind a schedule',
  inMemory((inner) => {
    const settings = { week: undefined, files: 16, copyShare: 0.2, burstMax: MIB };
    const link = new SharedLink(nodeClock, new Turns(16, 0.5), settings);
    return new ThrottledTransport(inner, link, () => ({ stream: 'g → d', weight: 1, copying: false }));
  }),
);

describeStoredTransport('folder', () => {
  const parent = mkdtempSync(join(tmpdir(), 'blockferry-folder-'));
  const owner = { uid: process.getuid!(), gid: process.getgid!() };
  const folder = join(parent, 'group');
  mkdirSync(folder);
  return Promise.resolve({
    ...folderView(folder, owner),
    folder,
    owner,
    open: () => new FolderTransport({ path: folder }),
    openBeside: (name) => new FolderTransport({ path: join(parent, name) }),
    stop: () => {
      rmSync(parent, { recursive: true });
      return Promise.resolve();
    },
  });
});

describe('transport: folder, in trouble', () => {
  let folder: string;
  const local = new LocalFiles();

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'blockferry-folder-'));
  });
  after(() => {
    rmSync(folder, { recursive: true });
    local.remove();
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
    const target = { path: local.unused(), size: 'precious'.length };
    for (const name of ['status/b.json', 'status/c.json'])
      await rejectsWith('Exists', transport.get(name, target, { signal: never }));
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
    // The attempts are this process's own: none is made, nor the last one, while this waits.
    execFileSync('umount', [target]);
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
