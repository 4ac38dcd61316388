/** The FTP transport against real servers, plain and encrypted, in order and in trouble. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FtpTransport } from '../../src/transfer/transports/ftp.ts';
import type { FtpTransportOptions } from '../../src/transfer/transports/ftp-options.ts';
import { makeCertificate, type TestCertificate } from '../servers/certificate.ts';
import { FtpServer, type FtpServerKind } from '../servers/ftp-server.ts';
import { SERVER_OWNER } from '../servers/settings.ts';
import { folderView } from './folder-bench.ts';
import { MIB, never, rejectsWith } from './transport-bench.ts';
import { describeServerTransport } from './transport-suite.ts';

type Tls = FtpTransportOptions['tls'];

/** Slow enough to be cut in the middle of a few MiB. */
const RATE = 20 * MIB;
/** Milliseconds. */
const TIMEOUT = 60_000;

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
  describeServerTransport(
    named(kind, tls),
    async () => {
      const server = await FtpServer.start(kind, {
        bytesPerSecond: RATE,
        tls: tls === 'implicit' ? 'implicit' : 'optional',
      });
      const options = optionsFor(server, tls);
      return {
        ...folderView(server.groupFolder, SERVER_OWNER),
        folder: server.groupFolder,
        owner: SERVER_OWNER,
        server,
        password: server.password,
        open: () => new FtpTransport(options),
        openWith: (changes) => new FtpTransport({ ...options, ...changes }),
        openBeside: (name) => new FtpTransport({ ...options, path: server.visiblePath(name) }),
        stop: () => server.stop(),
      };
    },
    { cuts: tls === 'none' ? 100 : 20 },
  );
}

for (const [kind, tls] of VARIANTS) {
  if (tls === 'none') continue;
  describe(`transport: ${named(kind, tls)}, certificates`, () => {
    let server: FtpServer;
    let folder: string;
    let other: TestCertificate;
    before(async () => {
      server = await FtpServer.start(kind, { tls: tls === 'implicit' ? 'implicit' : 'optional' });
      folder = mkdtempSync(join(tmpdir(), 'blockferry-other-'));
      other = makeCertificate(folder);
    });
    after(async () => {
      await server.stop();
      rmSync(folder, { recursive: true });
    });
    const list = async (trust: Partial<FtpTransportOptions>): Promise<unknown> => {
      const trusting = new FtpTransport({
        ...optionsFor(server, tls),
        certificateAuthority: undefined,
        ...trust,
      });
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

    it('fetches a file of many pieces where the fingerprint is pinned', async () => {
      const content = randomBytes(4 * MIB);
      folderView(server.groupFolder, SERVER_OWNER).plant('outbox/pinned.seg', content);
      const { fingerprint } = server.certificate;
      const pinned = new FtpTransport({
        ...optionsFor(server, tls),
        certificateAuthority: undefined,
        fingerprint,
      });
      const target = { path: join(folder, 'pinned'), size: content.length };
      await pinned.get('outbox/pinned.seg', target, { signal: never });
      assert.ok(readFileSync(target.path).equals(content));
      await pinned.close();
    });
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
