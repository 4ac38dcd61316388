/** Bytes as a client sends them, and replies taken apart; written down anew here, so that a wrong constant in the server shows. */
import assert from 'node:assert/strict';
import type { HostError, HostVolume } from '../../src/nbd/front-end.ts';
import { Received } from '../../src/nbd/received.ts';
import { Session } from '../../src/nbd/session.ts';

export const READ = 0;
export const WRITE = 1;
export const DISC = 2;
export const FLUSH = 3;
export const TRIM = 4;
export const CACHE = 5;
export const WRITE_ZEROES = 6;
export const BLOCK_STATUS = 7;
export const FUA = 1;
export const NO_HOLE = 2;
export const DF = 4;
export const REQ_ONE = 8;
export const FAST_ZERO = 16;

export function request(
  type: number,
  cookie: number,
  fields: { flags?: number; offset?: number; length?: number; data?: Buffer } = {},
): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(0x25609513, 0);
  header.writeUInt16BE(fields.flags ?? 0, 4);
  header.writeUInt16BE(type, 6);
  header.writeBigUInt64BE(BigInt(cookie), 8);
  header.writeBigUInt64BE(BigInt(fields.offset ?? 0), 16);
  header.writeUInt32BE(fields.length ?? fields.data?.length ?? 0, 24);
  return Buffer.concat([header, fields.data ?? Buffer.alloc(0)]);
}

export function option(type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16);
  header.write('IHAVEOPT', 0, 'latin1');
  header.writeUInt32BE(type, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

export function string(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
}

/** Data of INFO and GO. */
export const chooses = (name: string): Buffer => Buffer.concat([string(name), Buffer.from([0, 0])]);

/** Data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function queries(name: string, ...texts: string[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(texts.length);
  return Buffer.concat([string(name), count, ...texts.map(string)]);
}

export const CLIENT_FLAGS = Buffer.from([0, 0, 0, 3]);
export const STRUCTURED_REPLY = option(8);

export interface OptionAnswer {
  readonly option: number;
  readonly type: number;
  readonly data: Buffer;
}

/** Taken apart behind the 18 bytes of greeting. */
export function optionAnswers(bytes: Buffer): OptionAnswer[] {
  const answers: OptionAnswer[] = [];
  for (let at = 0; at < bytes.length;) {
    assert.equal(bytes.readBigUInt64BE(at), 0x3e889045565a9n);
    const length = bytes.readUInt32BE(at + 16);
    answers.push({
      option: bytes.readUInt32BE(at + 8),
      type: bytes.readUInt32BE(at + 12),
      data: bytes.subarray(at + 20, at + 20 + length),
    });
    at += 20 + length;
  }
  return answers;
}

export interface Reply {
  readonly cookie: number;
  readonly error: number;
  readonly data: Buffer;
}

/** Replies of a session that agreed on structured replies, chunks of one reply put together. */
export function replies(bytes: Buffer): Reply[] {
  const done: Reply[] = [];
  const open = new Map<number, Buffer[]>();
  let at = 0;
  while (at < bytes.length) {
    const cookie = Number(bytes.readBigUInt64BE(at + 8));
    if (bytes.readUInt32BE(at) === 0x67446698) {
      done.push({ cookie, error: bytes.readUInt32BE(at + 4), data: Buffer.alloc(0) });
      at += 16;
      continue;
    }
    assert.equal(bytes.readUInt32BE(at), 0x668e33ef, `a reply's magic at ${at}`);
    const type = bytes.readUInt16BE(at + 6);
    const length = bytes.readUInt32BE(at + 16);
    const payload = bytes.subarray(at + 20, at + 20 + length);
    const chunks = open.get(cookie) ?? [];
    if (type === 1) chunks.push(payload.subarray(8));
    if (type === 5) chunks.push(payload);
    open.set(cookie, chunks);
    if ((bytes.readUInt16BE(at + 4) & 1) !== 0) {
      const error = type === 0x8001 ? payload.readUInt32BE(0) : 0;
      done.push({ cookie, error, data: Buffer.concat(chunks) });
      open.delete(cookie);
    }
    at += 20 + length;
  }
  assert.equal(open.size, 0, 'replies that were not ended');
  return done;
}

export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A session with a client that can be slow to take its replies. */
export class Talk {
  readonly session: Session;
  readonly #received = new Received();
  /** Given while the session was full. */
  #held: Buffer[] = [];
  sent: Buffer[] = [];
  ended: { readonly reason: string | undefined } | undefined;
  full = false;
  alone = false;
  /** Why requests were answered with an error. */
  failures: HostError[] = [];
  #stalled: PromiseWithResolvers<undefined> | undefined;
  #limit: number;

  constructor(volumes: readonly HostVolume[], unsentMax = Number.POSITIVE_INFINITY) {
    this.#limit = unsentMax;
    this.session = new Session({
      volumes,
      received: this.#received,
      send: (bytes) => this.sent.push(bytes),
      unsent: () => Number.POSITIVE_INFINITY,
      isAlone: () => this.alone,
      drained: () => {
        if (this.bytes().length <= this.#limit) return undefined;
        this.#stalled ??= Promise.withResolvers<undefined>();
        return this.#stalled.promise;
      },
      failed: (_volume, error) => this.failures.push(error),
      onEnd: (reason) => {
        assert.equal(this.ended, undefined, 'the end came twice');
        this.ended = { reason };
      },
      onFull: (full) => {
        this.full = full;
        if (!full) for (const bytes of this.#held.splice(0)) this.receive(bytes);
      },
    });
  }

  /** What the host sends, as its socket gives it. */
  receive(bytes: Buffer): void {
    const { inbox } = this.#received;
    for (let at = 0; at < bytes.length;) {
      if (this.full) {
        this.#held.push(bytes.subarray(at));
        return;
      }
      const count = bytes.copy(inbox, 0, at);
      this.session.arrived(count);
      at += count;
    }
  }

  bytes(): Buffer {
    return Buffer.concat(this.sent);
  }

  /** What was sent since the last call; a stalled session goes on. */
  take(): Buffer {
    const bytes = this.bytes();
    this.sent = [];
    const stalled = this.#stalled;
    this.#stalled = undefined;
    stalled?.resolve(undefined);
    return bytes;
  }

  /** Through the handshake with GO, structured replies and base:allocation. */
  go(name: string): this {
    const options = [
      STRUCTURED_REPLY,
      option(10, queries(name, 'base:allocation')),
      option(7, chooses(name)),
    ];
    this.receive(Buffer.concat([CLIENT_FLAGS, ...options]));
    this.take();
    return this;
  }
}
