/** The SFTP transport against Debian's OpenSSH server. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { SftpTransport } from '../../src/transfer/transports/sftp.ts';
import type { SftpTransportOptions } from '../../src/transfer/transports/sftp-options.ts';
import { WRITE_WINDOW } from '../../src/transfer/transports/sftp-upload.ts';
import { SERVER_OWNER } from '../servers/settings.ts';
import { SshServer, type SshServerOptions } from '../servers/sshd.ts';
import { folderView } from './folder-bench.ts';
import { LocalFiles, MIB, never, rejectsWith, type ServerBench } from './transport-bench.ts';
import { describeServerTransport } from './transport-suite.ts';

function optionsFor(server: SshServer): SftpTransportOptions {
  return {
    host: '127.0.0.1',
    port: server.port,
    user: server.user,
    password: server.password,
    privateKey: undefined,
    hostKey: server.hostKey,
    path: server.groupFolder,
    timeout: 60_000,
    connections: 3,
  };
}

async function startBench(
  how: SshServerOptions,
  login: (server: SshServer) => Partial<SftpTransportOptions>,
): Promise<ServerBench> {
  const server = await SshServer.start(how);
  const options = optionsFor(server);
  const own = { ...options, ...login(server) };
  return {
    ...folderView(server.groupFolder, SERVER_OWNER),
    folder: server.groupFolder,
    owner: SERVER_OWNER,
    server,
    password: server.password,
    open: () => new SftpTransport(own),
    openWith: (changes) =>
      new SftpTransport({ ...(changes.password === undefined ? own : options), ...changes }),
    openBeside: (name) => new SftpTransport({ ...own, path: server.visiblePath(name) }),
    stop: () => server.stop(),
  };
}

describeServerTransport('sshd, password', () => startBench({}, () => ({})));
describeServerTransport(
  'sshd, key',
  () => startBench({}, (server) => ({ password: undefined, privateKey: server.privateKey })),
  { cuts: 20 },
);

describe('transport: SFTP, whom it trusts and how it renames', () => {
  let server: SshServer;
  const local = new LocalFiles();
  const opened: SftpTransport[] = [];
  const open = (changes: Partial<SftpTransportOptions> = {}): SftpTransport => {
    const transport = new SftpTransport({ ...optionsFor(server), ...changes });
    opened.push(transport);
    return transport;
  };

  before(async () => {
    server = await SshServer.start();
  });
  afterEach(async () => {
    for (const transport of opened.splice(0)) await transport.close();
  });
  after(async () => {
    await server.stop();
    local.remove();
  });

  it('refuses a server whose key it was not told, with the fingerprint to put into the configuration', async () => {
    const error = await rejectsWith('Integrity', open({ hostKey: undefined }).list('inbox', never));
    assert.ok(error.remedy.includes(`host-key: ${server.hostKey}`), error.remedy);
    assert.ok(!error.retryable);
  });

  it('refuses a server with another key than the one it was told, before the password goes out', async () => {
    const other = `SHA256:${'A'.repeat(43)}`;
    const error = await rejectsWith('Integrity', open({ hostKey: other }).list('inbox', never));
    assert.ok(error.message.includes(server.hostKey) && error.remedy.includes('something else answers'));
  });

  it('Auth: for a key that the server does not know, of which it tells nothing', async () => {
    const stranger = await SshServer.start();
    const { privateKey } = stranger;
    await stranger.stop();
    const transport = open({ password: undefined, privateKey });
    const error = await rejectsWith('Auth', transport.list('inbox', never));
    const told = [
      error.message,
      error.remedy,
      String(error.cause),
      error.stack,
      transport.description,
    ].join();
    for (const line of privateKey.split('\n').slice(1, -2)) assert.ok(!told.includes(line));
  });

  it('replaces a file at a server that knows neither OpenSSH’s rename nor how full its disk is', async () => {
    const plain = await SshServer.start({
      configuration: ['ForceCommand internal-sftp -P posix-rename,statvfs'],
    });
    const transport = new SftpTransport(optionsFor(plain));
    for (const text of ['first', 'second']) {
      await transport.put(local.make(Buffer.from(text)), 'inbox/a.seg', { signal: never });
      const view = folderView(plain.groupFolder, SERVER_OWNER);
      assert.equal(view.peek('inbox/a.seg')?.toString(), text);
      assert.deepEqual(view.names('inbox'), ['a.seg']);
    }
    await transport.close();
    await plain.stop();
  });

  it('sends the last of a part again, where writes under way at a cut may have left a hole', async () => {
    const content = randomBytes(4 * MIB);
    const holed = Buffer.from(content.subarray(0, 3 * MIB)).fill(0, 3 * MIB - WRITE_WINDOW, 3 * MIB - 5);
    const view = folderView(server.groupFolder, SERVER_OWNER);
    view.plant('inbox/holed.seg.part', holed);
    await open().put(local.make(content), 'inbox/holed.seg', { signal: never });
    assert.ok(view.peek('inbox/holed.seg')?.equals(content));
  });
});
