import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { NbdServer } from '../../src/nbd/server.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { temporaryFolder } from '../support/folder.ts';
import { MemoryVolume } from '../support/memory-volume.ts';
import { run, serve, stopServing, until, type Serving } from './serving.ts';
import * as wire from './wire.ts';

const MIB = 1024 * 1024;
const filled = (length: number, byte: number): Buffer => Buffer.alloc(length, byte);

/** A client that says exactly what it is told to. */
class RawClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  closed = false;

  constructor(serving: Serving) {
    this.socket = connect(serving.path);
    this.socket.on('data', (bytes: Buffer) => (this.received = Buffer.concat([this.received, bytes])));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.closed = true));
  }

  /** Into the transmission phase, with simple replies. */
  async go(name: string): Promise<this> {
    this.socket.write(Buffer.concat([wire.CLIENT_FLAGS, wire.option(1, Buffer.from(name))]));
    await until('the handshake', () => this.received.length >= 28);
    this.received = Buffer.alloc(0);
    return this;
  }
}

describe('the NBD server', () => {
  const clients: RawClient[] = [];
  const client = (serving: Serving): RawClient => {
    const made = new RawClient(serving);
    clients.push(made);
    return made;
  };
  afterEach(async () => {
    for (const { socket } of clients.splice(0)) socket.destroy();
    await stopServing();
  });

  const good = wire.request(wire.WRITE, 1, { data: filled(512, 1) });
  const longWrite = wire.request(wire.WRITE, 2, { data: filled(MIB, 2) });
  for (const [what, bytes, cut, reason] of [
    ['a request without its magic', Buffer.concat([good, filled(28, 0x55)]), false, /magic/],
    ['a WRITE of 4 GiB', wire.request(wire.WRITE, 2, { length: 0xffff_fe00 }), false, /4294966784 bytes/],
    ['a header that breaks off', Buffer.concat([good, good.subarray(0, 11)]), true, /middle/],
    ['a payload that breaks off', Buffer.concat([good, longWrite.subarray(0, 300_000)]), true, /middle/],
  ] as const) {
    it(`ends the connection at ${what}, logs why, and leaves the others unharmed`, async () => {
      const disk = new MemoryVolume('disk', 4 * MIB);
      const serving = await serve([disk]);
      const other = await client(serving).go('disk');
      const bad = await client(serving).go('disk');
      bad.socket.write(bytes);
      if (cut) bad.socket.end();
      await until('the end of the connection', () => bad.closed && serving.server.connections() === 1);
      assert.equal(serving.warnings.length, 1);
      assert.match(serving.warnings[0]!, reason);
      other.socket.write(wire.request(wire.READ, 5, { offset: 2 * MIB, length: 1024 }));
      await until('an answer', () => other.received.length === 16 + 1024);
      assert.equal(other.received.readUInt32BE(4), 0);
    });
  }

  it('answers what waits for a sync when its host has shut its side down', async () => {
    const disk = new MemoryVolume('disk', MIB);
    const serving = await serve([disk]);
    const host = await client(serving).go('disk');
    const gate = Promise.withResolvers<undefined>();
    disk.flushGate = gate.promise;
    host.socket.end(wire.request(wire.FLUSH, 1));
    await until('the flush', () => disk.calls.includes('flush'));
    gate.resolve(undefined);
    await until('the end', () => host.closed);
    assert.equal(host.received.length, 16);
    assert.deepEqual(serving.warnings, []);
  });

  it('keeps its memory when a host asks for far more than it reads, and serves others meanwhile', async () => {
    const disk = new MemoryVolume('disk', 32 * MIB);
    const serving = await serve([disk]);
    const greedy = client(serving);
    const options = [wire.STRUCTURED_REPLY, wire.option(7, wire.chooses('disk'))];
    greedy.socket.write(Buffer.concat([wire.CLIENT_FLAGS, ...options]));
    await until('the handshake', () => greedy.received.length > 100);
    greedy.socket.pause();
    const reads = Array.from({ length: 1000 }, (_, i) => wire.request(wire.READ, i, { length: 32 * MIB }));
    const before = process.memoryUsage().rss;
    greedy.socket.write(Buffer.concat(reads));
    const other = await client(serving).go('disk');
    other.socket.write(wire.request(wire.READ, 1, { length: 4096 }));
    await until('an answer to the other', () => other.received.length === 16 + 4096);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 100 * MIB, `${Math.round(grown / MIB)} MiB more`);
  });

  it('waits for a volume without room without losing anything', async () => {
    const disk = new MemoryVolume('disk', 16 * MIB);
    const serving = await serve([disk]);
    const host = await client(serving).go('disk');
    const open = disk.close();
    const writes = Array.from({ length: 8 }, (_, i) =>
      wire.request(wire.WRITE, i, { offset: i * MIB, data: filled(MIB, i + 1) }),
    );
    host.socket.write(Buffer.concat(writes));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(disk.calls, []);
    open();
    await until('all answers', () => host.received.length === 8 * 16);
    for (let i = 0; i < 8; i += 1) assert.equal(disk.content[(i + 1) * MIB - 1], i + 1);
  });

  it('gives the place of a host that left while its requests wait for room to another', async () => {
    const disk = new MemoryVolume('disk', MIB);
    const serving = await serve([disk], 1);
    const open = disk.close();
    for (let i = 0; i < 3; i += 1) {
      const host = await client(serving).go('disk');
      host.socket.write(wire.request(wire.WRITE, 1, { data: filled(4096, 1) }));
      await until('the connection', () => serving.server.connections() === 1);
      host.socket.destroy();
      await until('its end', () => serving.server.connections() === 0);
    }
    open();
    const host = await client(serving).go('disk');
    host.socket.write(wire.request(wire.WRITE, 1, { data: filled(512, 2) }));
    await until('an answer', () => host.received.length === 16);
    assert.deepEqual(disk.calls, ['write 1']);
  });

  it('hangs up on a host whose requests wait for room when it is closed, and does nothing for it later', async () => {
    const disk = new MemoryVolume('disk', MIB);
    const serving = await serve([disk]);
    const open = disk.close();
    const host = await client(serving).go('disk');
    host.socket.write(wire.request(wire.WRITE, 1, { data: filled(4096, 1) }));
    await serving.server.close();
    await until('the end', () => host.closed);
    open();
    await wire.settle();
    assert.equal(host.received.length, 0);
    assert.deepEqual(disk.calls, []);
  });

  it('ends a connection that chooses no export in time', async () => {
    const due: (() => void)[] = [];
    const clock: Clock = {
      ...nodeClock,
      after: (delay, then) => {
        if (delay >= 10_000) due.push(then);
        return delay >= 10_000 ? { cancel: () => undefined } : nodeClock.after(delay, then);
      },
    };
    const warnings: string[] = [];
    const quiet = (): void => undefined;
    const log = { debug: quiet, info: quiet, error: quiet, warn: (text: string) => warnings.push(text) };
    const server = new NbdServer({ volumes: [new MemoryVolume('disk', MIB)], log, clock, connectionsMax: 4 });
    const path = join(temporaryFolder(), 's');
    await server.listen({ kind: 'socket', path });
    const idle = connect(path);
    let closed = false;
    idle.on('close', () => (closed = true)).resume();
    await until('its time limit', () => due.length === 1);
    due[0]!();
    await until('the end', () => closed);
    assert.match(warnings.join(), /no export was chosen/);
    await server.close();
  });

  it('refuses connections over its limit, all exports together, and takes them again later', async () => {
    const serving = await serve([new MemoryVolume('a', MIB), new MemoryVolume('b', MIB)], 2);
    const first = await client(serving).go('a');
    await client(serving).go('b');
    const third = client(serving);
    await until('the refusal', () => third.closed);
    assert.match(serving.warnings.join(), /2 already/);
    first.socket.end(wire.request(wire.DISC, 0));
    await until('a free place', () => serving.server.connections() === 1);
    await client(serving).go('a');
  });

  it('replaces the socket file of a dead server, refuses that of a live one, and touches no other file', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'nbd.sock');
    const leave = `import os,socket; s=socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(path)})`;
    execFileSync('/usr/bin/python3', ['-c', leave]);
    assert.ok(existsSync(path));
    const serving = await serve([new MemoryVolume('disk', MIB)]);
    await serving.server.listen({ kind: 'socket', path });
    await run('nbdinfo', `nbd+unix:///disk?socket=${path}`);
    const second = await serve([new MemoryVolume('disk', MIB)]);
    await assert.rejects(second.server.listen({ kind: 'socket', path }), { code: 'NBD_ADDRESS' });
    await run('nbdinfo', `nbd+unix:///disk?socket=${path}`);
    const image = join(folder, 'volume.img');
    writeFileSync(image, 'precious');
    await assert.rejects(second.server.listen({ kind: 'socket', path: image }), { code: 'NBD_ADDRESS' });
    assert.equal(readFileSync(image, 'utf8'), 'precious');
  });

  it('answers what it received and then hangs up when it is closed', async () => {
    const disk = new MemoryVolume('disk', MIB);
    const serving = await serve([disk]);
    const host = await client(serving).go('disk');
    const gate = Promise.withResolvers<undefined>();
    disk.flushGate = gate.promise;
    host.socket.write(wire.request(wire.WRITE, 1, { flags: wire.FUA, data: filled(512, 1) }));
    await until('the flush', () => disk.calls.includes('flush'));
    const closing = serving.server.close();
    gate.resolve(undefined);
    await closing;
    await until('the end', () => host.closed);
    assert.equal(host.received.length, 16);
    assert.equal(serving.server.connections(), 0);
    assert.equal(existsSync(serving.path), false);
  });
});
