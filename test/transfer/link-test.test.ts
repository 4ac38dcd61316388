import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LinkTestReport } from '../../src/api/contract/link-test.ts';
import { linkTestLines } from '../../src/cli/link-test.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';
import { testLink } from '../../src/transfer/link-test.ts';
import type { Transport } from '../../src/transfer/transport.ts';
import { FolderTransport } from '../../src/transfer/transports/folder.ts';
import { FtpTransport } from '../../src/transfer/transports/ftp.ts';
import { FtpServer } from '../servers/ftp-server.ts';
import { FaultyTransport, type FaultPlan } from '../support/faulty-transport.ts';
import { temporaryFolder } from '../support/folder.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const folder = temporaryFolder();
const run = (transport: Transport): Promise<LinkTestReport> => testLink(nodePlatform, { transport, folder });

/** The steps with their outcome: the failure up to its first semicolon. */
const outcomes = ({ steps }: LinkTestReport): string[] =>
  steps.map(({ name, failure }) =>
    failure === undefined ? name : `${name}: ${failure.split(';')[0] ?? ''}`,
  );
const GOOD = ['connect', 'write', 'read', 'replace', 'list', 'speed', 'delete'];

describe('a link test', () => {
  afterEach('leaves nothing behind on this side', () => {
    assert.deepEqual(readdirSync(folder), []);
  });

  it('goes through all that a link needs, measures it, and takes its files away again', async () => {
    const server = temporaryFolder();
    const report = await run(new FolderTransport({ path: server }));
    assert.deepEqual(outcomes(report), GOOD);
    assert.ok((report.speed?.bytesPerSecond ?? 0) > 0 && report.latency !== undefined);
    assert.deepEqual(readdirSync(join(server, 'inbox')), []);
  });

  it('says what is missing and how to mend it, and tries no further', async () => {
    const report = await run(new FolderTransport({ path: '/nowhere/at/all' }));
    assert.deepEqual(outcomes(report), ['connect: /nowhere/at/all is not there']);
    assert.match(
      report.steps[0]?.failure ?? '',
      /; mount the share of \/nowhere\/at\/all, or make that folder/,
    );
    assert.equal(report.speed, undefined);
  });

  for (const [what, plan, expected] of [
    [
      'loses what it took',
      (operation) => (operation === 'readSmall' ? { kind: 'refused', code: 'NotFound' } : undefined),
      ['connect', 'write', 'read: memory:: inbox/NAME: a planned fault'],
    ],
    [
      'may not be written to',
      (operation) => (operation === 'put' ? { kind: 'refused', code: 'Auth' } : undefined),
      ['connect', 'write: memory:: inbox/NAME: a planned fault', 'delete'],
    ],
    [
      'lets nothing be deleted',
      (operation) => (operation === 'remove' ? { kind: 'refused', code: 'Auth' } : undefined),
      [...GOOD.slice(0, -1), 'delete: memory:: inbox/NAME: a planned fault'],
    ],
  ] as readonly (readonly [string, FaultPlan, readonly string[]])[]) {
    it(`finds a server out that ${what}`, async () => {
      const report = await run(new FaultyTransport(new MemoryTransport(), plan));
      const told = outcomes(report).map((line) => line.replace(/link-test-[0-9a-f]{16}\.tmp/, 'NAME'));
      assert.deepEqual(told.slice(0, expected.length), expected);
    });
  }

  it('finds a server out that shows files otherwise than they are', async () => {
    const inner = new MemoryTransport();
    const lying: Transport = Object.assign(Object.create(inner) as Transport, {
      put: inner.put.bind(inner),
      readSmall: inner.readSmall.bind(inner),
      remove: inner.remove.bind(inner),
      close: inner.close.bind(inner),
      list: async (name: string, signal: AbortSignal) =>
        (await inner.list(name, signal)).map((file) => ({ ...file, size: file.size + 1 })),
    });
    const told = outcomes(await run(lying));
    assert.match(
      told[4] ?? '',
      /^list: the listing shows link-test-\w+\.tmp with 16385 bytes where one file of 16384/,
    );
    assert.equal(told.at(-1), 'delete');
  });

  describe('of an FTP server', () => {
    let server: FtpServer;
    before(async () => {
      server = await FtpServer.start('vsftpd');
    });
    after(() => server.stop());

    const open = (changes: { password?: string; path?: string; port?: number } = {}): FtpTransport =>
      new FtpTransport({
        host: '127.0.0.1',
        port: server.port,
        user: server.user,
        password: server.password,
        path: server.groupPath,
        tls: 'none',
        certificateAuthority: undefined,
        fingerprint: undefined,
        timeout: 60_000,
        connections: 2,
        ...changes,
      });

    it('works, and is told in plain words', async () => {
      const report = await run(open());
      assert.deepEqual(outcomes(report), GOOD);
      const lines = linkTestLines(report, (_style, text) => text);
      assert.match(lines[0] ?? '', /^ftp:\/\/\w+@127\.0\.0\.1:\d+\//);
      assert.match(lines[1] ?? '', /^ {2}connect, log in and find the folder +ok, /);
      assert.match(lines[9] ?? '', /^Files arrive at \d.*iB\/s \(one of /);
      assert.equal(lines.at(-1), 'The link works.');
      assert.deepEqual(readdirSync(join(server.groupFolder, 'inbox')), []);
    });

    it('names a wrong password, and tells neither it nor the right one', async () => {
      const report = await run(open({ password: 'not-the-one' }));
      const text = linkTestLines(report, (_style, line) => line).join('\n');
      assert.match(text, /find the folder +failed\nThe link does not work: .*(log|password|user)/i);
      assert.ok(!text.includes('not-the-one') && !text.includes(server.password), text);
    });

    it('names a folder that is missing, and a port where nothing listens', async () => {
      const missing = await run(open({ path: server.visiblePath('absent') }));
      assert.match(missing.steps[0]?.failure ?? '', /no folder .*absent.*; make /);
      const nobody = await run(open({ port: 1 }));
      assert.match(nobody.steps[0]?.failure ?? '', /REFUSED.*; see that the server is up/);
    });

    it('names the missing right to write', async () => {
      const readOnly = await FtpServer.start('vsftpd', { configuration: ['write_enable=NO'] });
      try {
        const report = await run(open({ port: readOnly.port, path: readOnly.groupPath }));
        assert.equal(report.steps[1]?.name, 'write');
        assert.match(report.steps[1].failure ?? '', /Permission denied.*; .*(writ|permission|right)/i);
      } finally {
        await readOnly.stop();
      }
    });
  });
});
