/** How the SFTP transport logs in, and what it keeps of the keys. */
import assert from 'node:assert/strict';
import { KeyObject } from 'node:crypto';
import SftpClient from 'ssh2-sftp-client';
import { keepKeyObjects } from '../../src/transfer/transports/sftp-keys.ts';
import { LoginOrder, type LoginMethod } from '../../src/transfer/transports/sftp-login.ts';
import { SftpTransport } from '../../src/transfer/transports/sftp.ts';
import { AskingServer, type Question } from '../servers/ssh-questions.ts';
import { SshServer } from '../servers/sshd.ts';
import { never, rejectsWith } from './transport-bench.ts';

const PASSWORD = 'correct-horse';
const HIDDEN = { prompt: 'Password: ', echo: false };

describe('transport: SFTP, a server that asks for the password', () => {
  let stop: (() => Promise<void>) | undefined;

  afterEach(async () => {
    await stop?.();
  });

  const ask = async (
    questions: readonly Question[],
    password = PASSWORD,
  ): Promise<{ server: AskingServer; transport: SftpTransport }> => {
    const server = new AskingServer(questions, PASSWORD);
    const transport = new SftpTransport({
      host: '127.0.0.1',
      port: await server.start(),
      user: 'repl',
      password,
      privateKey: undefined,
      hostKey: server.hostKey,
      path: '/group',
      timeout: 60_000,
      connections: 1,
    });
    stop = async () => {
      await transport.close();
      await server.stop();
    };
    return { server, transport };
  };

  it('answers with it', async () => {
    const { server, transport } = await ask([HIDDEN]);
    assert.deepEqual(await transport.list('inbox', never), []);
    assert.deepEqual(server.answers, [[PASSWORD]]);
  });

  it('Auth: for a wrong one, after a single attempt', async () => {
    const { server, transport } = await ask([HIDDEN], 'battery-staple');
    await rejectsWith('Auth', transport.list('inbox', never));
    assert.deepEqual(server.tried, ['none', 'keyboard-interactive']);
  });

  for (const [what, questions] of [
    ['whose answer is shown', [{ prompt: 'Who are you? ', echo: true }]],
    ['beside another', [HIDDEN, { prompt: 'Code: ', echo: false }]],
  ] as const) {
    it(`gives it to no question ${what}`, async () => {
      const { server, transport } = await ask(questions);
      await rejectsWith('Auth', transport.list('inbox', never));
      assert.deepEqual(server.answers, [[]]);
    });
  }
});

describe('the order of ways to log in', () => {
  const tried = (
    credentials: { password?: string; privateKey?: string },
    ...offers: string[][]
  ): (LoginMethod | false)[] => {
    const { password, privateKey } = credentials;
    const order = new LoginOrder({ password, privateKey });
    return [null, ...offers].map((offered) => order.next(offered));
  };
  const all = ['publickey', 'password', 'keyboard-interactive'];

  it('is the key, then the password, once', () => {
    assert.deepEqual(tried({ password: 'p', privateKey: 'k' }, all, all, all), [
      'none',
      'publickey',
      'password',
      false,
    ]);
  });

  it('leaves out what the server does not offer or there is nothing for', () => {
    assert.deepEqual(tried({ password: 'p' }, ['publickey', 'keyboard-interactive'], all), [
      'none',
      'keyboard-interactive',
      false,
    ]);
    assert.deepEqual(tried({ privateKey: 'k' }, ['password'], ['password']), ['none', false, false]);
  });

  it('goes on with what a server wants next', () => {
    const credentials = { password: 'p', privateKey: 'k' };
    assert.deepEqual(tried(credentials, ['password'], ['publickey']), ['none', 'password', 'publickey']);
  });
});

/** Of both directions. */
function keysOf(connection: unknown): unknown[] {
  const { client } = connection as {
    client: { _protocol: { _cipher: { _encKey: unknown }; _decipher: { _decipherKey: unknown } } };
  };
  return [client._protocol._cipher._encKey, client._protocol._decipher._decipherKey];
}

describe('the keys of an SSH connection', () => {
  it('are key objects, after a later exchange too', async () => {
    const server = await SshServer.start({ configuration: ['RekeyLimit 64K'] });
    const client = new SftpClient('test', {});
    const keys: unknown[] = [];
    // ssh2-sftp-client calls the listener first that was added last.
    client.on('handshake', () => keys.push(...keysOf(client)));
    keepKeyObjects(client);
    const { port, user: username, password } = server;
    await client.connect({ host: '127.0.0.1', port, username, password });
    await client.put(Buffer.alloc(1 << 20), `${server.groupFolder}/x`);
    await client.end();
    await server.stop();
    assert.ok(keys.length >= 4, `${keys.length} keys`);
    assert.ok(keys.every((key) => key instanceof KeyObject));
  });
});
