import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { hostSocket, type HostSocket } from '../../src/platform/node/host-socket.ts';
import { temporaryFolder } from '../support/folder.ts';

const CHUNK = 256 * 1024;

describe('a host’s connection', () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  /** The host does not read. */
  async function connect(path?: string): Promise<{ readonly host: Socket; readonly ours: HostSocket }> {
    const server = createServer({ pauseOnConnect: true });
    ends.push(() => server.close());
    server.listen(path ?? { port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const host = createConnection(
      path === undefined ? { port: (server.address() as AddressInfo).port, host: '127.0.0.1' } : { path },
    );
    ends.push(() => host.destroy());
    const [accepted] = (await once(server, 'connection')) as [Socket];
    const ours = hostSocket(accepted, { inbox: Buffer.alloc(1024), onArrived: () => undefined });
    ends.push(() => ours.socket.destroy());
    return { host, ours };
  }

  it('holds a chunk of a reply whose host has not begun to read', async function () {
    if (process.platform !== 'linux') this.skip();
    const { ours } = await connect(join(temporaryFolder(), 'socket'));
    ours.send(Buffer.alloc(CHUNK));
    assert.equal(ours.socket.writableLength, 0, 'the system has all of it');
  });

  for (const what of ['a unix socket', 'TCP']) {
    it(`brings over all that is sent, more than the system holds, by ${what}`, async () => {
      const { host, ours } = await connect(what === 'TCP' ? undefined : join(temporaryFolder(), 'socket'));
      const sent = randomBytes(64 * CHUNK);
      for (let at = 0; at < sent.length; at += CHUNK) ours.send(sent.subarray(at, at + CHUNK));
      assert.ok(ours.socket.writableLength > 0, 'some of it waits for the host');
      const arrived: Buffer[] = [];
      host.on('data', (bytes) => arrived.push(bytes));
      ours.socket.end();
      await once(host, 'end');
      assert.ok(Buffer.concat(arrived).equals(sent));
    });
  }
});
