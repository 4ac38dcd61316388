/** The FTP transport against real servers, plain and encrypted, in order and in trouble. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FtpTransport, type FtpTransportOptions } from '../../src/transfer/transports/ftp.ts';
import { makeCertificate, type TestCertificate } from '../servers/certificate.ts';
import { FtpServer, type FtpServerKind } from '../servers/ftp-server.ts';
import { SERVER_GID, SERVER_UID } from '../servers/settings.ts';
import { folderView } from './folder-bench.ts';
import { arrived, describeTransport, LocalFiles, MIB, never, rejectsWith } from './transport-suite.ts';

type Tls = FtpTransportOptions['tls'];

/** Slow enough to be cut in the middle of a few MiB. */
const RATE = 10 * MIB;
/** Milliseconds. */
const TIMEOUT = 15_000;
/** Milliseconds, where a frozen server is waited for. Shorter than is wise outside of tests. */
const SHORT_TIMEOUT = 1_000;

function optionsFor(server: FtpServer, tls: Tls): FtpTransportOptions {
  return {
    host: '127.0.0.1',
    port: server.port,
    user: server.user,
    password: server.password,
    path: server.groupPath,
    tls,
    certificateAuthority: tls === 'none' ? undefined : server.certificate.pem,
    fingerprint: undefined,
    timeout: TIMEOUT,
    connections: 3,
  };
}

const servedBy = (server: FtpServer) => folderView(server.groupFolder, { uid: SERVER_UID, gid: SERVER_GID });

const VARIANTS: readonly (readonly [FtpServerKind, Tls])[] = [
  ['vsftpd', 'none'],
  ['vsftpd', 'explicit'],
  ['vsftpd', 'implicit'],
  ['pure-ftpd', 'none'],
  ['pure-ftpd', 'explicit'],
  ['proftpd', 'none'],
  ['proftpd', 'explicit'],
  ['proftpd', 'implicit'],
];

const named = (kind: FtpServerKind, tls: Tls): string => (tls === 'none' ? kind : `${kind}, ${tls} TLS`);

for (const [kind, tls] of VARIANTS) {
  describeTransport(named(kind, tls), async () => {
    const server = await FtpServer.start(kind, {
      bytesPerSecond: RATE,
      tls: tls === 'implicit' ? 'implicit' : 'optional',
    });
    return {
      ...servedBy(server),
      open: () => new FtpTransport(optionsFor(server, tls)),
      stop: () => server.stop(),
    };
  });
}

for (const [kind, tls] of VARIANTS) {
  if (tls === 'implicit') continue;
  describe(`transport: ${named(kind, tls)}, in trouble`, () => {
    let server: FtpServer;
    let options: FtpTransportOptions;
    let transport: FtpTransport;
    const local = new LocalFiles();
    const content = randomBytes(3 * MIB);

    before(async () => {
      server = await FtpServer.start(kind, { bytesPerSecond: RATE });
      options = optionsFor(server, tls);
    });
    beforeEach(() => {
      transport = new FtpTransport(options);
    });
    afterEach(() => transport.close());
    after(async () => {
      await server.stop();
      local.remove();
    });

    const put = (name: string): Promise<void> => transport.put(local.make(content), name, { signal: never });

    it('says ConnectionLost at once when the server is killed in mid-transfer, and goes on when it is back', async () => {
      const refused = rejectsWith('ConnectionLost', put('inbox/killed.seg'));
      await arrived(servedBy(server), 'inbox/killed.seg', MIB / 4);
      const killedAt = Date.now();
      await server.kill();
      assert.ok((await refused).retryable);
      assert.ok(Date.now() - killedAt < 2_000, `it took ${Date.now() - killedAt} ms`);
      await rejectsWith('ConnectionLost', transport.list('inbox', never));
      await server.run();
      await put('inbox/killed.seg');
      assert.ok(servedBy(server).peek('inbox/killed.seg')?.equals(content));
    });

    it('says Timeout when the server freezes in mid-transfer, and works when it thaws', async () => {
      transport = new FtpTransport({ ...options, timeout: SHORT_TIMEOUT });
      const refused = rejectsWith('Timeout', put('inbox/frozen.seg'));
      await arrived(servedBy(server), 'inbox/frozen.seg', MIB / 4);
      const frozenAt = Date.now();
      server.freeze();
      assert.ok((await refused).retryable);
      assert.ok(Date.now() - frozenAt < 4 * SHORT_TIMEOUT, `it took ${Date.now() - frozenAt} ms`);
      server.thaw();
      await put('inbox/frozen.seg');
      assert.ok(servedBy(server).peek('inbox/frozen.seg')?.equals(content));
    });

    it('says Timeout when the server is frozen before it is asked', async () => {
      transport = new FtpTransport({ ...options, timeout: SHORT_TIMEOUT });
      await transport.list('inbox', never);
      server.freeze();
      const frozenAt = Date.now();
      await rejectsWith('Timeout', transport.list('inbox', never));
      assert.ok(Date.now() - frozenAt < 4 * SHORT_TIMEOUT, `it took ${Date.now() - frozenAt} ms`);
      server.thaw();
      assert.ok(Array.isArray(await transport.list('inbox', never)));
    });

    it('finds its kept connections dead after a restart and uses a fresh one', async () => {
      await Promise.all(['a', 'b', 'c'].map((name) => transport.readSmall(`status/${name}.json`, 10, never)));
      await server.kill();
      await server.run();
      assert.equal(await transport.readSmall('status/none.json', 10, never), undefined);
      await put('inbox/restarted.seg');
    });

    it('uses a fresh connection when a kept one has died unnoticed', async () => {
      await transport.list('inbox', never);
      server.killSessions();
      // Asked at once, before this process can have seen the connection's end.
      assert.ok(Array.isArray(await transport.list('inbox', never)));
    });

    it('says NoSpace when the disk is full, publishes nothing, and goes on when there is room', async () => {
      const small = server.mountSmall('small', 1 * MIB);
      const full = new FtpTransport({ ...options, path: small.path });
      const view = folderView(small.folder, { uid: SERVER_UID, gid: SERVER_GID });
      const source = local.make(content);
      try {
        const error = await rejectsWith('NoSpace', full.put(source, 'inbox/full.seg', { signal: never }));
        assert.ok(error.retryable);
        const tiny = local.make(Buffer.from('tiny'));
        await rejectsWith('NoSpace', full.put(tiny, 'inbox/tiny.seg', { signal: never }));
        assert.equal(view.peek('inbox/full.seg'), undefined);
        small.resize(8 * MIB);
        await full.put(source, 'inbox/full.seg', { signal: never });
        assert.ok(view.peek('inbox/full.seg')?.equals(content));
      } finally {
        await full.close();
      }
    });

    it('never makes the group folder itself: a disk that is not mounted is NotFound and stays so', async () => {
      const path = `${options.path}/not-mounted`;
      const lost = new FtpTransport({ ...options, path });
      const error = await rejectsWith(
        'NotFound',
        lost.put(local.make(content), 'inbox/a.seg', { signal: never }),
      );
      assert.ok(error.message.includes(path));
      await rejectsWith('NotFound', lost.list('inbox', never));
      assert.equal(existsSync(join(server.groupFolder, 'not-mounted')), false);
      await lost.close();
    });

    if (tls === 'none') {
      it('says Auth for a wrong password, and tells it to nobody', async () => {
        const wrong = new FtpTransport({ ...options, password: 'wr0ng-secret' });
        const error = await rejectsWith('Auth', wrong.list('inbox', never));
        const told = [
          error.message,
          error.remedy,
          String(error.cause),
          error.stack,
          wrong.description,
        ].join();
        assert.ok(!told.includes('wr0ng-secret'), told);
        await wrong.close();
      });

      it('says ConnectionLost when nothing listens there', async () => {
        const nobody = new FtpTransport({ ...options, port: 1 });
        const error = await rejectsWith('ConnectionLost', nobody.list('inbox', never));
        assert.ok(error.message.includes(nobody.description));
      });
    } else {
      describe('with certificates', () => {
        let folder: string;
        let other: TestCertificate;
        before(() => {
          folder = mkdtempSync(join(tmpdir(), 'blockferry-other-'));
          other = makeCertificate(folder);
        });
        after(() => rmSync(folder, { recursive: true }));
        const list = async (trust: Partial<FtpTransportOptions>): Promise<unknown> => {
          const trusting = new FtpTransport({ ...options, certificateAuthority: undefined, ...trust });
          try {
            return await trusting.list('inbox', never);
          } finally {
            await trusting.close();
          }
        };

        it('refuses a certificate that no authority it trusts has signed, before the password goes out', async () => {
          await rejectsWith('Integrity', list({}));
          await rejectsWith('Integrity', list({ certificateAuthority: other.pem }));
        });

        it('takes one whose fingerprint is pinned, in either spelling, and refuses any other', async () => {
          const { fingerprint } = server.certificate;
          await list({ fingerprint });
          const pairs = fingerprint.toUpperCase().match(/../g) ?? [];
          await list({ fingerprint: pairs.join(':') });
          await rejectsWith('Integrity', list({ fingerprint: other.fingerprint }));
        });
      });
    }
  });
}

describe('transport: FTP without TLS, where TLS is wanted', () => {
  it('gives up sooner than go on without it', async () => {
    const server = await FtpServer.start('vsftpd', { tls: 'none' });
    const transport = new FtpTransport(optionsFor(server, 'explicit'));
    await rejectsWith('Protocol', transport.list('inbox', never));
    await server.stop();
  });
});
