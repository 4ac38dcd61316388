/** What only some FTP servers do, or only at some moments. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TransportError } from '../../src/transfer/transport.ts';
import { SessionPool } from '../../src/transfer/transports/session-pool.ts';
import { FtpSession } from '../../src/transfer/transports/ftp-session.ts';
import { FtpTransport } from '../../src/transfer/transports/ftp.ts';
import type { FtpTransportOptions } from '../../src/transfer/transports/ftp-options.ts';
import { FtpServer } from '../servers/ftp-server.ts';
import { SERVER_OWNER } from '../servers/settings.ts';
import { folderView, type FolderView } from './folder-bench.ts';
import { arrived, LocalFiles, MIB, never, rejectsWith } from './transport-bench.ts';

/** Tries again for a minute what is refused as `Busy`. */
async function eventually(work: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!(error instanceof TransportError && error.code === 'Busy') || Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

describe('transport: FTP servers with quirks', () => {
  let server: FtpServer | undefined;
  const transports: FtpTransport[] = [];
  const local = new LocalFiles();

  afterEach(async () => {
    for (const transport of transports.splice(0)) await transport.close();
    await server?.stop();
    server = undefined;
  });
  after(() => local.remove());

  const start = async (...how: Parameters<typeof FtpServer.start>): Promise<FtpServer> => {
    server = await FtpServer.start(...how);
    return server;
  };
  const options = (to: FtpServer): FtpTransportOptions => ({
    host: '127.0.0.1',
    port: to.port,
    user: to.user,
    password: to.password,
    path: to.groupPath,
    tls: 'none',
    certificateAuthority: undefined,
    fingerprint: undefined,
    timeout: 60_000,
    connections: 1,
  });
  const open = (to: FtpServer): FtpTransport => {
    const transport = new FtpTransport(options(to));
    transports.push(transport);
    return transport;
  };
  const view = (of: FtpServer): FolderView => folderView(of.groupFolder, SERVER_OWNER);

  it('replaces a file at a server that refuses to rename over one', async () => {
    const strict = await start('proftpd', { configuration: ['AllowOverwrite off'] });
    const transport = open(strict);
    for (const text of ['first', 'second']) {
      await transport.put(local.make(Buffer.from(text)), 'inbox/a.seg', { signal: never });
      assert.equal(view(strict).peek('inbox/a.seg')?.toString(), text);
    }
  });

  it('refuses a listing that the server has cut short, sooner than take what is missing for absent', async () => {
    const short = await start('pure-ftpd', { listedFiles: 10 });
    const transport = open(short);
    for (let index = 0; index < 7; index++) view(short).plant(`inbox/${index}.seg`, Buffer.alloc(0));
    assert.equal((await transport.list('inbox', never)).length, 7);
    for (let index = 7; index < 12; index++) view(short).plant(`inbox/${index}.seg`, Buffer.alloc(0));
    const error = await rejectsWith('TooLarge', transport.list('inbox', never));
    assert.match(error.remedy, /LimitRecursion/);
    await transport.put(local.make(Buffer.from('x')), 'inbox/more.seg', { signal: never });
  });

  it('waits for its own connection where the server lets it have no more, and tells others Busy', async () => {
    const crowded = await start('vsftpd', { configuration: ['max_clients=1'] });
    const transport = open(crowded);
    // Its last connection, from seeing that it is up, may still count for a moment.
    await eventually(() => transport.list('inbox', never));
    const names = ['a', 'b', 'c', 'd'];
    const source = local.make(randomBytes(1000));
    await Promise.all(names.map((name) => transport.put(source, `inbox/${name}.seg`, { signal: never })));
    assert.equal((await transport.list('inbox', never)).length, names.length);
    assert.ok((await rejectsWith('Busy', open(crowded).list('inbox', never))).retryable);
  });

  it('stops waiting for a connection when it is cancelled', async () => {
    const slow = await start('vsftpd', { bytesPerSecond: 4 * MIB });
    const transport = open(slow);
    const putting = transport.put(local.make(randomBytes(2 * MIB)), 'inbox/a.seg', { signal: never });
    const cancel = new AbortController();
    const refused = rejectsWith('Cancelled', transport.list('inbox', cancel.signal));
    cancel.abort();
    await refused;
    await putting;
    assert.equal((await transport.list('inbox', never)).length, 1);
  });

  it('begins again when the part grows under a resumed upload, as by a cut one that still drains', async () => {
    const any = await start('vsftpd');
    const content = randomBytes(4 * MIB);
    view(any).plant('inbox/a.seg.part', content.subarray(0, 2 * MIB));
    let asked = 0;
    const pace = async (wanted: number): Promise<number> => {
      asked += 1;
      if (asked === 2) {
        await arrived(view(any), 'inbox/a.seg', 2 * MIB + 1);
        truncateSync(join(any.groupFolder, 'inbox/a.seg.part'), 5 * MIB);
      }
      return Math.min(wanted, MIB / 2);
    };
    await open(any).put(local.make(content), 'inbox/a.seg', { signal: never, pace });
    assert.ok(asked > 2, 'it went on');
    assert.ok(view(any).peek('inbox/a.seg')?.equals(content));
  });

  it('keeps a connection for the next use, and closes it when none comes', async () => {
    const any = await start('vsftpd');
    const sessions: FtpSession[] = [];
    const create = (): FtpSession => {
      const session = new FtpSession(options(any));
      sessions.push(session);
      return session;
    };
    const pool = new SessionPool({
      connections: 2,
      create,
      wasDead: () => false,
      server: 'test',
      idleLimit: 100,
    });
    await pool.use(never, (session) => session.size('/none'));
    await pool.use(never, (session) => session.size('/none'));
    assert.deepEqual(
      sessions.map(({ closed }) => closed),
      [false],
    );
    await sleep(200);
    assert.equal(sessions[0]?.closed, true);
    await pool.use(never, (session) => session.size('/none'));
    assert.equal(sessions.length, 2);
    pool.close();
  });
});
