import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  ftruncateSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { Allowance } from '../../../src/transfer/receiver/allowance.ts';
import { SEGMENT_SIZE_MAX } from '../../../src/transfer/receiver/limits.ts';
import { Refusal } from '../../../src/transfer/receiver/reply.ts';
import { whileSyncsFail } from '../../support/failing-sync.ts';
import { MIB, content, segmentName, startSite, until, type Site } from './fixture.ts';
import { RawClient } from './raw-client.ts';

const name = segmentName();

describe('the receiver without room', () => {
  let site: Site;
  let client: RawClient;
  let mount: string | undefined;

  async function start(options: Parameters<typeof startSite>[0]): Promise<void> {
    site = await startSite(options);
    client = await RawClient.loggedIn(site);
  }
  function smallDisk(size: number): string {
    mount = mkdtempSync(join(tmpdir(), 'small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'blockferry-test', mount]);
    return join(mount, 'group');
  }
  afterEach(async () => {
    await client.close();
    await site.stop();
    if (mount !== undefined) {
      execFileSync('umount', [mount]);
      rmSync(mount, { recursive: true });
    }
    mount = undefined;
  });

  it('answers 552 over the quota, keeps what fits, and goes on when the destination has made room', async () => {
    await start({ stream: { quota: () => 8 * MIB } });
    mkdirSync(join(site.folder, 'journal'));
    writeFileSync(join(site.folder, 'journal', 'sealed'), content(4 * MIB));
    const file = content(6 * MIB);
    assert.match(await client.upload(`STOR inbox/${name}.part`, file), /^552 .*quota/);
    const size = Number((await client.command(`SIZE inbox/${name}.part`)).slice(4));
    assert(size > 2 * MIB && size <= 4 * MIB, String(size));
    writeFileSync(join(site.folder, 'journal', 'sealed'), '');
    assert.match(await client.upload(`APPE inbox/${name}.part`, file.subarray(size)), /^226/);
    assert(site.read(`${name}.part`).equals(file));
  });

  it('counts what the destination says is used, refuses before the data, and takes it once the quota is larger', async () => {
    let [used, quota] = [0, 1_000];
    await start({ stream: { quota: () => quota, usedBytes: () => used } });
    assert.match(await client.upload(`STOR inbox/${name}.part`, content(500)), /^226/);
    used = 1_001;
    await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^552/);
    assert.equal(site.read(`${name}.part`).length, 500);
    quota = 2_000;
    assert.match(await client.upload(`STOR inbox/${name}.part`, content(600)), /^226/);
  });

  it('shares one quota among the transfers of a login', async () => {
    await start({ stream: { quota: () => 10 * MIB } });
    const others = await Promise.all([1, 2, 3].map(() => RawClient.loggedIn(site)));
    const answers = await Promise.all(
      others.map((other, i) => other.upload(`STOR inbox/${segmentName(100 * i + 1)}.part`, content(5 * MIB))),
    );
    assert(answers.filter((answer) => answer.startsWith('226')).length < 3, answers.join());
    assert(answers.some((answer) => answer.startsWith('552')));
    const total = site.inbox().reduce((sum, file) => sum + site.read(file).length, 0);
    assert(total <= 10 * MIB, String(total));
    await Promise.all(others.map((other) => other.close()));
  });

  it('lets nothing through on an old measurement while a new one is taken', async () => {
    await start({});
    let measured = Promise.resolve(0);
    const allowance = new Allowance({ quota: () => 100, used: () => measured, free: () => 1024 * MIB });
    await allowance.begin();
    await allowance.spend(90, () => Promise.resolve());
    let release = (): void => undefined;
    measured = new Promise((resolve) => (release = () => resolve(90)));
    const refused = [20, 50].map((bytes) =>
      assert.rejects(
        allowance.spend(bytes, () => Promise.resolve()),
        Refusal,
      ),
    );
    await new Promise((resolve) => setImmediate(resolve));
    release();
    await Promise.all(refused);
    await allowance.spend(10, () => Promise.resolve());
  });

  it('answers 452 before the disk is quite full, and goes on when there is room (I8)', async () => {
    await start({ stream: { folder: smallDisk(8 * MIB) } });
    const file = content(6 * MIB);
    assert.match(await client.upload(`STOR inbox/${name}.part`, file), /^452 .*full/);
    assert(nodeFiles.freeSpace(site.folder) >= 3 * MIB);
    assert.match(await client.upload(`STOR inbox/${segmentName(11)}.part`, content(2 * MIB)), /^452/);
    execFileSync('mount', ['-o', `remount,size=${32 * MIB}`, mount ?? '']);
    const size = Number((await client.command(`SIZE inbox/${name}.part`)).slice(4));
    assert.match(await client.upload(`APPE inbox/${name}.part`, file.subarray(size)), /^226/);
    assert(site.read(`${name}.part`).equals(file));
  });

  it('answers 452 when the disk fills under it, with every byte that fitted kept (I8)', async () => {
    // Somebody else fills the disk between two looks at it.
    const files = { ...nodeFiles, freeSpace: () => Number.MAX_SAFE_INTEGER };
    await start({ files, stream: { folder: smallDisk(4 * MIB) } });
    const file = content(6 * MIB);
    assert.match(await client.upload(`STOR inbox/${name}.part`, file), /^452/);
    const part = site.read(`${name}.part`);
    assert(part.length > 3 * MIB && part.equals(file.subarray(0, part.length)));
    execFileSync('mount', ['-o', `remount,size=${32 * MIB}`, mount ?? '']);
    assert.match(await client.upload(`APPE inbox/${name}.part`, file.subarray(part.length)), /^226/);
    assert(site.read(`${name}.part`).equals(file));
  });

  it('does not take a last write for whole that the disk took half of', async () => {
    const files = { ...nodeFiles, freeSpace: () => Number.MAX_SAFE_INTEGER };
    await start({ files, stream: { folder: smallDisk(4 * MIB) } });
    const fits = nodeFiles.freeSpace(site.folder);
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.write(content(fits - 16_384));
    await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length === fits - 16_384);
    data.end(content(32_768));
    assert.match(await client.reply(), /^452/);
    assert.equal(site.read(`${name}.part`).length, fits);
  });

  it('takes no file that is larger than a segment can be', async () => {
    await start({ stream: { quota: () => 2 * SEGMENT_SIZE_MAX } });
    const fd = openSync(join(site.folder, 'inbox', `${name}.part`), 'w');
    ftruncateSync(fd, SEGMENT_SIZE_MAX - 10);
    closeSync(fd);
    assert.match(await client.upload(`APPE inbox/${name}.part`, content(12)), /^550 .*at most/);
    assert.match(await client.upload(`APPE inbox/${name}.part`, content(8)), /^226/);
  });

  it('says 451 and logs it when its inbox is gone', async () => {
    await start({});
    rmSync(join(site.folder, 'inbox'), { recursive: true });
    assert.match(await client.upload(`STOR inbox/${name}.part`, content(8)), /^451/);
    assert.match(site.log.join('\n'), /error receiver: a command failed .*STOR/);
    nodeFiles.makeDirectory(join(site.folder, 'inbox'));
    assert.match(await client.upload(`STOR inbox/${name}.part`, content(8)), /^226/);
  });
});

describe('the receiver is durable before it says so (I6)', () => {
  /** Lets every sync of a file's data wait for `open`. */
  class Gate {
    readonly #prototype: FileHandle;
    readonly #datasync: () => Promise<void>;
    syncs = 0;
    open: () => void = () => undefined;

    private constructor(prototype: FileHandle) {
      this.#prototype = prototype;
      // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
      const datasync = prototype.datasync;
      this.#datasync = datasync;
      const opened = new Promise<void>((resolve) => (this.open = resolve));
      const enter = (): number => ++this.syncs;
      prototype.datasync = async function (this: FileHandle) {
        enter();
        await opened;
        await datasync.call(this);
      };
    }

    static async close(): Promise<Gate> {
      const handle = await open(tmpdir(), 'r');
      const prototype = Object.getPrototypeOf(handle) as FileHandle;
      await handle.close();
      return new Gate(prototype);
    }

    remove(): void {
      this.open();
      this.#prototype.datasync = this.#datasync;
    }
  }

  async function answeredWithin(answer: Promise<string>, milliseconds: number): Promise<boolean> {
    const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), milliseconds));
    return Promise.race([answer.then(() => true as const), late]);
  }

  it('what it could not sync is not there to be resumed, nor to be published', async () => {
    const site = await startSite();
    const client = await RawClient.loggedIn(site);
    const part = join(site.folder, 'inbox', `${name}.part`);
    try {
      await whileSyncsFail(async () => {
        assert.match(await client.upload(`STOR inbox/${name}.part`, content(1_000)), /^[45]/);
        assert.equal(statSync(part).size, 0);
      });
      assert.match(await client.upload(`STOR inbox/${name}.part`, content(1_000)), /^226/);
      await whileSyncsFail(async () => {
        await client.command(`RNFR inbox/${name}.part`);
        assert.match(await client.command(`RNTO inbox/${name}`), /^[45]/);
        assert.equal(statSync(part).size, 0);
      });
      assert.deepEqual(site.stored, []);
    } finally {
      await client.close();
      await site.stop();
    }
  });

  it('226 comes after the sync of the part, 250 after the syncs of the part and of the folder', async () => {
    let openFolder = (): void => undefined;
    const folderOpened = new Promise<void>((resolve) => (openFolder = resolve));
    let folderSyncs = 0;
    const files = {
      ...nodeFiles,
      syncDirectoryLater: async (directory: string) => {
        folderSyncs++;
        await folderOpened;
        await nodeFiles.syncDirectoryLater(directory);
      },
    };
    const site = await startSite({ files });
    const client = await RawClient.loggedIn(site);
    const gate = await Gate.close();
    try {
      const stored = client.upload(`STOR inbox/${name}.part`, content(1_000));
      await until(() => gate.syncs === 1);
      assert(!(await answeredWithin(stored, 50)), '226 before the sync');
      gate.open();
      assert.match(await stored, /^226/);

      await client.command(`RNFR inbox/${name}.part`);
      const renamed = client.command(`RNTO inbox/${name}`);
      await until(() => folderSyncs === 1);
      // Synced again: the part may be older than the last power failure.
      assert.equal(gate.syncs, 2);
      assert(!(await answeredWithin(renamed, 50)), '250 before the sync of the folder');
      assert.deepEqual(site.stored, []);
      openFolder();
      assert.match(await renamed, /^250/);
      assert.equal(site.stored.length, 1);
    } finally {
      gate.remove();
      await client.close();
      await site.stop();
    }
  });
});
