/** The SMB transport against a real Samba in the four settings that servers are found in. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from '../../src/transfer/transport.ts';
import type { SmbTransportOptions } from '../../src/transfer/transports/smb-options.ts';
import { SmbTransport } from '../../src/transfer/transports/smb.ts';
import { SAMBA_OWNER, SambaServer } from '../servers/samba.ts';
import { Tap } from '../smb/tap.ts';
import { folderView } from './folder-bench.ts';
import { LocalFiles, MIB, never, rejectsWith } from './transport-bench.ts';
import { describeServerTransport } from './transport-suite.ts';

function optionsFor(server: SambaServer): SmbTransportOptions {
  return {
    host: '127.0.0.1',
    port: server.port,
    share: server.share,
    path: server.groupPath,
    user: server.users.writer,
    domain: '',
    password: server.password,
    encryption: 'when-demanded',
    timeout: 60_000,
  };
}

/** Slow enough to be cut in the middle of a few MiB: at most 64 KiB in 4 ms. */
function slowed(transport: Transport): Transport {
  const pace = async (wanted: number): Promise<number> => {
    await sleep(4);
    return Math.min(wanted, 65_536);
  };
  return {
    description: transport.description,
    put: (source, name, options) => transport.put(source, name, { pace, ...options }),
    get: (name, target, options) => transport.get(name, target, { pace, ...options }),
    readSmall: (name, limit, signal) => transport.readSmall(name, limit, signal),
    list: (folder, signal) => transport.list(folder, signal),
    remove: (name, signal) => transport.remove(name, signal),
    close: () => transport.close(),
  };
}

const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  stock: [],
  'signing mandatory': ['server signing = mandatory'],
  'encryption required': ['server smb encrypt = required'],
  'SMB 3.1.1 only': ['server min protocol = SMB3_11'],
};

for (const [title, settings] of Object.entries(SETTINGS)) {
  describeServerTransport(
    `Samba, ${title}`,
    async () => {
      const server = await SambaServer.start(settings);
      const open = (changes: Partial<SmbTransportOptions> = {}): Transport =>
        slowed(new SmbTransport({ ...optionsFor(server), ...changes }));
      return {
        ...folderView(server.groupFolder, SAMBA_OWNER),
        folder: server.groupFolder,
        owner: SAMBA_OWNER,
        server,
        password: server.password,
        open,
        openWith: open,
        openBeside: (path) => open({ path }),
        stop: () => server.stop(),
      };
    },
    { cuts: title === 'stock' ? 100 : 20 },
  );
}

describe('transport: SMB, parts and users', () => {
  let server: SambaServer;
  let view: ReturnType<typeof folderView>;
  const local = new LocalFiles();
  const opened: SmbTransport[] = [];
  const open = (changes: Partial<SmbTransportOptions> = {}): SmbTransport => {
    const transport = new SmbTransport({ ...optionsFor(server), ...changes });
    opened.push(transport);
    return transport;
  };
  /** Sends it, and returns where sending began. */
  const putFrom = async (content: Buffer, name: string): Promise<number> => {
    const told: number[] = [];
    const onProgress = (taken: number): void => void told.push(taken);
    await open().put(local.make(content), name, { signal: never, onProgress });
    assert.ok(view.peek(name)?.equals(content), 'it differs from what was sent');
    return told[0] ?? 0;
  };

  before(async () => {
    server = await SambaServer.start();
    view = folderView(server.groupFolder, SAMBA_OWNER);
  });
  afterEach(async () => {
    for (const transport of opened.splice(0)) await transport.close();
  });
  after(async () => {
    await server.stop();
    local.remove();
  });

  it('goes on from the first hole that a cut left in a part, not from its end', async () => {
    const content = randomBytes(6 * MIB);
    const holed = Buffer.from(content.subarray(0, 5 * MIB));
    holed.fill(0, 3 * MIB + 17, 4 * MIB);
    view.plant('inbox/holed.seg.part', holed);
    const from = await putFrom(content, 'inbox/holed.seg');
    assert.ok(from > 3 * MIB && from <= 3 * MIB + 17 + 1, `it went on from ${from}`);
  });

  it('begins again where the part is another file’s', async () => {
    view.plant('inbox/other.seg.part', randomBytes(12 * MIB));
    assert.equal(await putFrom(randomBytes(13 * MIB), 'inbox/other.seg'), 0);
  });

  it('reads back no more of a long part than can have been under way', async () => {
    const content = Buffer.concat([Buffer.alloc(20 * MIB), randomBytes(MIB)]);
    view.plant('inbox/long.seg.part', content.subarray(0, 20 * MIB));
    const tap = await Tap.start(server.port);
    let read = 0;
    tap.onAnswer = (message, send) => {
      if (message.readUInt16LE(12) === 8) read += message.length;
      send(message);
    };
    await open({ port: tap.port }).put(local.make(content), 'inbox/long.seg', { signal: never });
    tap.stop();
    assert.ok(view.peek('inbox/long.seg')?.equals(content));
    assert.ok(read > 8 * MIB && read < 9 * MIB, `${read} bytes were read back`);
  });

  it('has the server sync a file before it is renamed (I6)', async () => {
    const tap = await Tap.start(server.port);
    const commands: number[] = [];
    tap.onRequest = (message, send) => {
      commands.push(message.readUInt16LE(12));
      send(message);
    };
    await open({ port: tap.port }).put(local.make(randomBytes(1000)), 'inbox/synced.seg', { signal: never });
    tap.stop();
    const [write, flush, rename] = [9, 7, 17].map((command) => commands.lastIndexOf(command));
    assert.ok(write! >= 0 && write! < flush! && flush! < rename!, commands.join());
  });

  it('tells an expired password, an account that is disabled and a user who may not write apart', async () => {
    const source = local.make(Buffer.from('x'));
    const remedies: string[] = [];
    for (const user of [
      server.users.expired,
      server.users.disabled,
      server.users.reader,
      'nobody-of-that-name',
    ]) {
      const error = await rejectsWith('Auth', open({ user }).put(source, 'inbox/x.seg', { signal: never }));
      assert.ok(error.message.includes(user) && !error.retryable, error.message);
      remedies.push(error.remedy);
    }
    assert.equal(new Set(remedies).size, 4);
    await rejectsWith('NotFound', open({ share: 'no-such-share' }).list('inbox', never));
  });

  it('takes the share itself for the group’s folder', async () => {
    const root = open({ path: '/' });
    await root.put(local.make(Buffer.from('root')), 'root-inbox/a.seg', { signal: never });
    assert.deepEqual(await root.list('root-inbox', never), [{ name: 'a.seg', size: 4 }]);
    assert.deepEqual(await root.list('missing', never), []);
    assert.equal(await root.readSmall('missing.json', 1, never), undefined);
  });

  it('reads with a user who may only read', async () => {
    view.plant('status/read.json', Buffer.from('{}'));
    const reader = open({ user: server.users.reader });
    assert.equal((await reader.readSmall('status/read.json', 10, never))?.toString(), '{}');
  });

  it('encrypts when told to, and sends nothing to a server that cannot', async () => {
    const source = local.make(Buffer.from('secret'));
    await open({ encryption: 'required' }).put(source, 'inbox/secret.seg', { signal: never });
    assert.equal(view.peek('inbox/secret.seg')?.toString(), 'secret');
    const old = await SambaServer.start(['server max protocol = SMB2_10']);
    const transport = open({ port: old.port, encryption: 'required' });
    const error = await rejectsWith('Protocol', transport.put(source, 'a.seg', { signal: never }));
    assert.match(error.message, /encryption is required/);
    await old.stop();
  });
});
