import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { listenOnLocalSocket } from '../../src/platform/node/local-socket.ts';
import { temporaryFolder } from '../support/folder.ts';

describe('a local socket', () => {
  const servers: Server[] = [];
  const releases: (() => void)[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    for (const release of releases.splice(0)) release();
  });

  const make = (): Server => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('hello'));
    servers.push(server);
    return server;
  };

  async function listen(path: string, server = make()): Promise<string> {
    const socket = await listenOnLocalSocket(server, path);
    if (socket.kind === 'listening') releases.push(socket.close);
    return socket.kind;
  }

  async function greeting(path: string): Promise<string> {
    const [bytes] = (await once(connect(path), 'data')) as [Buffer];
    return bytes.toString();
  }

  /** As a killed program leaves it. */
  function leaveSocket(path: string): void {
    const program = `import os,socket; s=socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(path)})`;
    assert.equal(spawnSync('/usr/bin/python3', ['-c', program]).status, 0);
  }

  it('is there under its name only when its rights are right, whatever the umask', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'sock');
    const mask = process.umask(0);
    try {
      const server = make();
      const seen: { there: boolean; mode: number }[] = [];
      server.on('listening', () => {
        seen.push({ there: existsSync(path), mode: statSync(`${path}.d`).mode & 0o777 });
      });
      assert.equal(await listen(path, server), 'listening');
      assert.deepEqual(seen, [{ there: false, mode: 0o700 }]);
      assert.equal(statSync(path).mode & 0o777, 0o600);
    } finally {
      process.umask(mask);
    }
    assert.equal(await greeting(path), 'hello');
    assert.deepEqual(readdirSync(folder).sort(), ['sock', 'sock.lock']);
  });

  it('is one program’s when several start at the same time over what a killed one left', async () => {
    const folder = temporaryFolder();
    for (let round = 0; round < 10; round += 1) {
      const path = join(folder, `s${round}`);
      leaveSocket(path);
      const kinds = await Promise.all([listen(path), listen(path), listen(path)]);
      assert.deepEqual(kinds.sort(), ['in-use', 'in-use', 'listening']);
      assert.equal(await greeting(path), 'hello');
    }
  });

  it('is left to a program that listens there without knowing of our lock', async () => {
    const path = join(temporaryFolder(), 'sock');
    const other = make().listen(path);
    await once(other, 'listening');
    assert.equal(await listen(path), 'in-use');
    assert.equal(await greeting(path), 'hello');
  });

  it('touches no file of another kind, and can be had once that is gone', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'sock');
    writeFileSync(path, 'precious');
    assert.equal(await listen(path), 'not-a-socket');
    assert.equal(readFileSync(path, 'utf8'), 'precious');
    mkdirSync(join(folder, 'other.d'));
    writeFileSync(join(folder, 'other.d', 'mine'), 'precious');
    await assert.rejects(listen(join(folder, 'other')), { code: 'ENOTEMPTY' });
    assert.equal(readFileSync(join(folder, 'other.d', 'mine'), 'utf8'), 'precious');
  });

  it('is made anew where a start was killed halfway, and free again once it is closed', async () => {
    const path = join(temporaryFolder(), 'sock');
    mkdirSync(`${path}.d`, { mode: 0o777 });
    leaveSocket(join(`${path}.d`, 's'));
    assert.equal(await listen(path), 'listening');
    servers.splice(0)[0]?.close();
    releases.splice(0)[0]?.();
    assert.equal(existsSync(path), false);
    assert.equal(await listen(path), 'listening');
  });
});
