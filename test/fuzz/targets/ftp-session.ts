/**
 * A client that says what it likes to the receiver: `transfer/receiver/session.ts` with real folders, and sockets in
 * memory. Its clock stands still but for the wait after a wrong password.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { parseSealedName } from '../../../src/journal/names.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import type { Log } from '../../../src/platform/log.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { Admission, LoginThrottle } from '../../../src/transfer/receiver/admission.ts';
import { ControlChannel } from '../../../src/transfer/receiver/control-channel.ts';
import { Inbox } from '../../../src/transfer/receiver/inbox.ts';
import { FAILED_LOGIN_DELAY } from '../../../src/transfer/receiver/limits.ts';
import { Logins } from '../../../src/transfer/receiver/logins.ts';
import type { PassiveListener, PassivePorts } from '../../../src/transfer/receiver/passive.ts';
import { runSession } from '../../../src/transfer/receiver/session.ts';
import { SessionState } from '../../../src/transfer/receiver/state.ts';
import { Prng } from '../engine/prng.ts';
import type { FuzzTarget, MutationTools } from '../engine/target.ts';
import { segmentFile, USER, PASSWORD } from '../../transfer/receiver/fixture.ts';
import { MIB } from './expect.ts';

/** Bits of an input's first byte. */
const Mode = { loggedIn: 1, noDataConnection: 2, cutData: 4, segmentData: 8 } as const;
const SEGMENT = '00000001-0000000000000001-000000000000000a.seg';
const DATA = segmentFile(512);
const COMMANDS = [
  ...[
    `STOR /inbox/${SEGMENT}.part`,
    `STOR /inbox/${SEGMENT}`,
    `APPE inbox/${SEGMENT}.part`,
    `APPE inbox/${SEGMENT}`,
  ],
  ...[
    'RETR status/destination.json',
    'LIST',
    'NLST inbox',
    'MLSD /',
    'LIST -al status',
    `SIZE inbox/${SEGMENT}.part`,
  ],
  ...[
    `RETR outbox/${SEGMENT}`,
    `DELE outbox/${SEGMENT}`,
    'NLST outbox',
    'STOR outbox-status/destination.json.part',
    'RNFR outbox-status/destination.json.part',
    'RNTO outbox-status/destination.json',
  ],
  ...[
    `MDTM inbox/${SEGMENT}`,
    `MLST inbox/${SEGMENT}`,
    `RNFR inbox/${SEGMENT}.part`,
    `RNTO inbox/${SEGMENT}`,
  ],
  ...[
    `DELE inbox/${SEGMENT}.part`,
    'REST 100',
    'REST 0',
    'PASV',
    'EPSV',
    'EPSV 1',
    'EPSV ALL',
    'ABOR',
    'CWD inbox',
    'CDUP',
  ],
  ...[
    'PWD',
    'MKD status',
    'TYPE I',
    'MODE S',
    'STRU F',
    'PORT 1,2,3,4,5,6',
    'EPRT |1|',
    'AUTH TLS',
    'PBSZ 0',
    'PROT P',
  ],
  ...[
    'FEAT',
    'SYST',
    'OPTS UTF8 ON',
    'NOOP',
    'QUIT',
    `USER ${USER}`,
    `PASS ${PASSWORD}`,
    'USER nobody',
    'PASS wrong',
  ],
];

/** An input: mode, seed of the cuts, and what the client says. */
export function ftpSessionTarget(): FuzzTarget {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-fuzz-'));
  return {
    seeds: seeds(),
    dictionary: COMMANDS.map((command) => Buffer.from(`${command}\r\n`)),
    lengthMax: 2048,
    memory: (input) => 8 * MIB + 4096 * input.length,
    timeLimit: 5000,
    mutate: mutateCommands,
    run: (input) => converse(folder, input),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function seeds(): Buffer[] {
  const put = [
    'EPSV',
    `STOR inbox/${SEGMENT}.part`,
    `SIZE inbox/${SEGMENT}.part`,
    `RNFR inbox/${SEGMENT}.part`,
    `RNTO inbox/${SEGMENT}`,
  ];
  const look = ['CWD inbox', 'PASV', 'MLSD', 'EPSV', 'LIST', 'EPSV', 'RETR ../status/destination.json'];
  const login = [`USER ${USER}`, `PASS ${PASSWORD}`, 'FEAT', 'TYPE I', 'QUIT'];
  const wrong = [`USER ${USER}`, 'PASS wrong', 'USER a', 'PASS b', 'USER c', 'PASS d'];
  const more = [
    'REST 9',
    'EPSV',
    `APPE inbox/${SEGMENT}.part`,
    `DELE inbox/${SEGMENT}.part`,
    'EPSV',
    `STOR inbox/${SEGMENT}`,
    'ABOR',
  ];
  return [
    ...[put, look, more].flatMap((some) => [1, 3, 5, 9].map((mode) => ({ mode, some }))),
    ...[login, wrong, COMMANDS].map((some) => ({ mode: 0, some })),
  ].map(({ mode, some }) => Buffer.concat([Buffer.from([mode, 1]), Buffer.from(`${some.join('\r\n')}\r\n`)]));
}

function mutateCommands(input: Buffer, { prng, other }: MutationTools): Buffer {
  const lines = input.toString('latin1', 2).split('\r\n');
  const more = other.toString('latin1', 2).split('\r\n');
  for (let steps = 1 + prng.below(4); steps > 0; steps -= 1) {
    const at = prng.below(lines.length + 1);
    const what = prng.below(4);
    if (what === 0) lines.splice(at, 1);
    else if (what === 1) lines.splice(at, 0, ...more.slice(prng.below(more.length)));
    else lines.splice(at, 0, prng.pick(COMMANDS));
  }
  const mode = prng.oneIn(4) ? prng.bytes(2) : input.subarray(0, 2);
  return Buffer.concat([mode, Buffer.from(lines.join('\r\n'), 'latin1')]);
}

async function converse(folder: string, input: Buffer): Promise<void> {
  reset(folder);
  const mode = input[0] ?? 0;
  const clock = new StandingClock();
  const errors: string[] = [];
  const sockets: PipeSocket[] = [];
  const session = makeSession(folder, mode, { clock, errors, sockets });
  const client = sockets[0];
  assert.ok(client !== undefined);
  const ended = runSession(session);
  const stream = Buffer.concat([login(mode), input.subarray(2), Buffer.from('\r\nQUIT\r\n')]);
  const cuts = new Prng(input[1] ?? 0);
  for (let at = 0; at < stream.length;) {
    const piece = 1 + cuts.below(cuts.oneIn(2) ? 600 : 20);
    client.push(Buffer.from(stream.subarray(at, at + piece)));
    at += piece;
    if (cuts.oneIn(8)) await new Promise((resolve) => setImmediate(resolve));
  }
  // It ends with QUIT at the latest. Sockets that were destroyed close in the next turn.
  await ended;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(errors, []);
  checkReplies(client.written());
  assert.equal(session.services.admission.count, 0);
  assert.equal(clock.pending, 0, 'timers left behind');
  assert.ok(
    sockets.every((socket) => socket.destroyed),
    'sockets left open',
  );
  for (const name of readdirSync(join(folder, 'inbox'))) {
    assert.ok(parseSealedName(name.replace(/\.part$/, '')) !== undefined, name);
  }
  const words = readdirSync(join(folder, 'outbox-status'));
  assert.ok(words.every((name) => name.replace(/\.part$/, '') === 'destination.json'));
  assert.deepEqual(readdirSync(folder).sort(), ['inbox', 'outbox', 'outbox-status', 'status']);
}

const login = (mode: number): Buffer =>
  Buffer.from((mode & Mode.loggedIn) === 0 ? '' : `USER ${USER}\r\nPASS ${PASSWORD}\r\n`);

function reset(folder: string): void {
  for (const name of ['inbox', 'outbox', 'outbox-status']) {
    rmSync(join(folder, name), { recursive: true, force: true });
    mkdirSync(join(folder, name));
  }
  writeFileSync(join(folder, 'outbox', SEGMENT), DATA);
  mkdirSync(join(folder, 'status'), { recursive: true });
  writeFileSync(join(folder, 'status', 'destination.json'), '{}');
}

interface World {
  readonly clock: StandingClock;
  readonly errors: string[];
  readonly sockets: PipeSocket[];
}

function makeSession(folder: string, mode: number, { clock, errors, sockets }: World): SessionState {
  const none = (): void => undefined;
  const log: Log = {
    debug: none,
    info: none,
    warn: none,
    error: (message, fields) => errors.push(`${message} ${JSON.stringify(fields)}`),
  };
  const logins = new Logins();
  const stream = { user: USER, password: PASSWORD, folder, quota: () => MIB };
  logins.add(stream, new Inbox(stream, nodeFiles));
  const admission = new Admission(4);
  const control = new PipeSocket();
  sockets.push(control);
  admission.connected('127.0.0.1');
  const services = {
    ...{ clock, log, logins, admission, throttle: new LoginThrottle(), publicAddress: undefined },
    ...{ secureContext: undefined, tlsRequired: false, onStored: none },
    passivePorts: passivePorts(mode, sockets),
  };
  return new SessionState(services, new ControlChannel(control as unknown as Socket));
}

/** Each port has its connection already, or never gets one. */
function passivePorts(mode: number, sockets: PipeSocket[]): PassivePorts {
  const open = (): Promise<PassiveListener> => {
    let data: PipeSocket | undefined;
    if ((mode & Mode.noDataConnection) === 0) {
      data = new PipeSocket();
      sockets.push(data);
      data.push((mode & Mode.segmentData) === 0 ? Buffer.from('some data') : DATA);
      if ((mode & Mode.cutData) === 0) data.push(null);
      else setImmediate((socket: PipeSocket) => socket.destroy(), data);
    }
    const close = (): PipeSocket | undefined => {
      const given = data;
      data = undefined;
      return given;
    };
    return Promise.resolve({
      port: 30_000,
      take: () => Promise.resolve(close()),
      close,
    } as unknown as PassiveListener);
  };
  return { open } as unknown as PassivePorts;
}

function checkReplies(text: string): void {
  const lines = text.split('\r\n');
  assert.equal(lines.pop(), '');
  assert.match(lines[0] ?? '', /^220 /);
  let multi = '';
  for (const line of lines) {
    if (multi !== '') {
      assert.match(line, /^(?: |\d{3} End$)/);
      if (line.startsWith(`${multi} `)) multi = '';
    } else {
      assert.match(line, /^[1-5]\d\d[ -]/);
      if (line[3] === '-') multi = line.slice(0, 3);
    }
  }
}

/** A socket whose other end is the target. */
class PipeSocket extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  readonly localAddress = '127.0.0.1';
  readonly #written: Buffer[] = [];

  written(): string {
    return Buffer.concat(this.#written).toString('latin1');
  }

  override _read(): void {
    // What there is was pushed.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#written.push(chunk);
    done();
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}

class StandingClock implements Clock {
  pending = 0;

  now(): number {
    return 1_790_000_000_000;
  }

  monotonic(): number {
    return 1000;
  }

  after(delay: number, then: () => void): { cancel: () => void } {
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.pending -= 1;
      return true;
    };
    this.pending += 1;
    if (delay === FAILED_LOGIN_DELAY) setImmediate(() => end() && then());
    return { cancel: () => void end() };
  }
}
