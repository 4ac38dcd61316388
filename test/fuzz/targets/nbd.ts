/** A host that says what it likes: `nbd/session.ts`, from the first byte on or behind a handshake. */
import assert from 'node:assert/strict';
import { HostError, type Extent, type HostVolume, type WriteRun } from '../../../src/nbd/front-end.ts';
import { Received } from '../../../src/nbd/received.ts';
import { Session } from '../../../src/nbd/session.ts';
import { MemoryVolume } from '../../support/memory-volume.ts';
import { chooses, CLIENT_FLAGS, option, queries, request, STRUCTURED_REPLY } from '../../nbd/wire.ts';
import { Prng } from '../engine/prng.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB } from './expect.ts';

/** Bits of an input's first byte. */
const Mode = {
  /** The input is requests: a handshake goes before, magic numbers are put right, WRITEs get their payload. */
  transmission: 1,
  structured: 2,
  /** Room and flushes come late. */
  slow: 4,
  /** Writes fail. */
  failing: 8,
} as const;
const REQUEST_SIZE = 28;
const SIMPLE_REPLY_SIZE = 16;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const VOLUME_SIZE = 512 * 1024;
/** Bytes of payload that the target adds to one input. */
const PAYLOAD_MAX = 768 * 1024;
/** Replies not taken by the host. */
const UNSENT_MAX = 64 * 1024;
const VOLUME = new MemoryVolume('data', VOLUME_SIZE);

/** An input: mode, seed of the cuts, and bytes. */
export function nbdTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    dictionary: ['IHAVEOPT', 'data', 'base:allocation', 'base:'].map((word) => Buffer.from(word)),
    lengthMax: 2048,
    // A session's buffer, twice, and for each request a READ of the whole volume.
    memory: (input) => 8 * MIB + (input.length / REQUEST_SIZE + 1) * 4 * VOLUME_SIZE,
    async run(input) {
      const mode = input[0] ?? 0;
      const stream =
        (mode & Mode.transmission) === 0 ? input.subarray(2) : conversation(input.subarray(2), mode);
      const whole = await talk(stream, mode, undefined);
      const cut = await talk(stream, mode, new Prng(input[1] ?? 0));
      assert.equal(cut.reason, whole.reason);
      // A run that fails, fails as a whole, and pieces of a long WRITE may be done before one fails.
      if ((mode & Mode.failing) !== 0) return;
      assert.ok(cut.content.equals(whole.content), 'what is written depends on how the stream was cut');
      assert.deepEqual(cut.replies, whole.replies);
    },
  };
}

function seeds(): Buffer[] {
  const name = 'data';
  const sector = Buffer.alloc(512, 'x');
  const options = [
    option(3),
    STRUCTURED_REPLY,
    option(9, queries(name)),
    option(10, queries(name, 'base:allocation')),
    option(6, chooses(name)),
  ];
  const requests = [
    ...[
      request(1, 1, { offset: 512, data: sector }),
      request(1, 2, { offset: 1024, data: sector, flags: 1 }),
    ],
    ...[
      request(0, 3, { length: 4096 }),
      request(3, 4),
      request(4, 5, { length: 512 }),
      request(6, 6, { length: 512, flags: 2 }),
    ],
    ...[request(7, 7, { length: 65536, flags: 8 }), request(2, 8)],
  ];
  const go = Buffer.concat([CLIENT_FLAGS, ...options, option(7, chooses(name)), ...requests]);
  const oldest = Buffer.concat([CLIENT_FLAGS, option(1, Buffer.from(name)), ...requests]);
  const abort = Buffer.concat([CLIENT_FLAGS, option(99), option(2)]);
  const headers = Buffer.concat(requests.map((bytes) => bytes.subarray(0, REQUEST_SIZE)));
  const long = Buffer.concat([
    request(1, 9, { length: 200 * 1024 }),
    request(0, 10, { length: 400 * 1024 }),
    request(1, 11, { length: 1000 }),
  ]);
  return [
    ...[go, oldest, abort].map((bytes) => Buffer.concat([Buffer.from([0, 1]), bytes])),
    ...[1, 3, 5, 7, 9, 11].flatMap((mode) =>
      [headers, long].map((bytes) => Buffer.concat([Buffer.from([mode, 2]), bytes])),
    ),
  ];
}

function conversation(bytes: Buffer, mode: number): Buffer {
  const agreed =
    (mode & Mode.structured) === 0 ? [] : [STRUCTURED_REPLY, option(10, queries('data', 'base:allocation'))];
  const parts = [CLIENT_FLAGS, ...agreed, option(7, chooses('data'))];
  let room = PAYLOAD_MAX;
  for (let at = 0; at < bytes.length; at += REQUEST_SIZE) {
    const header = Buffer.from(bytes.subarray(at, at + REQUEST_SIZE));
    parts.push(header);
    if (header.length < REQUEST_SIZE) break;
    header.writeUInt32BE(0x25609513);
    if (header.readUInt16BE(6) !== 1) continue;
    const length = Math.min(header.readUInt32BE(24), room);
    room -= length;
    parts.push(Buffer.alloc(length, header[15]));
  }
  return Buffer.concat(parts);
}

interface Outcome {
  readonly replies: readonly string[];
  readonly reason: string | undefined;
  readonly content: Buffer;
}

async function talk(stream: Buffer, mode: number, cuts: Prng | undefined): Promise<Outcome> {
  VOLUME.content.fill(0);
  VOLUME.calls.length = 0;
  const volume = new Watched(VOLUME, mode);
  const sent: Buffer[] = [];
  let unsent = 0;
  const state: { full: boolean; ended?: { readonly reason: string | undefined } } = { full: false };
  const received = new Received();
  const session = new Session({
    volumes: [volume],
    received,
    send: (bytes) => {
      sent.push(Buffer.from(bytes));
      unsent += bytes.length;
    },
    unsent: () => 0,
    isAlone: () => true,
    drained: () => {
      if (unsent <= UNSENT_MAX) return undefined;
      unsent = 0;
      return Promise.resolve();
    },
    failed: () => undefined,
    onEnd: (reason) => {
      assert.equal(state.ended, undefined, 'the end came twice');
      state.ended = { reason };
    },
    onFull: (full) => (state.full = full),
  });
  for (let at = 0; at < stream.length && state.ended === undefined;) {
    const piece = cuts === undefined ? stream.length : 1 + cuts.below(cuts.oneIn(4) ? 100_000 : 100);
    const count = stream.copy(received.inbox, 0, at, at + piece);
    session.arrived(count);
    at += count;
    await until(() => !state.full || state.ended !== undefined);
  }
  // A host that leaves while its requests wait for room loses them; this one waits.
  for (let calm = 0, seen = -1; (mode & Mode.slow) !== 0 && calm < 3; calm += 1) {
    const now = sent.length + VOLUME.calls.length;
    if (now !== seen) [calm, seen] = [0, now];
    await turn();
  }
  session.hostLeft();
  await until(() => state.ended !== undefined);
  if (volume.violation !== undefined) throw volume.violation as Error;
  const content = Buffer.from(VOLUME.content);
  return {
    replies: taken(Buffer.concat(sent), (mode & Mode.structured) !== 0),
    reason: state.ended?.reason,
    content,
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Replies one by one, in an order of their own: flushes are answered when they are done. A simple READ reply, of which there is
 * none where replies are structured, does not say how long it is: from the first simple one on, how many bytes there are.
 */
function taken(bytes: Buffer, structured: boolean): string[] {
  const found: string[] = [];
  let at = 18;
  while (at + SIMPLE_REPLY_SIZE <= bytes.length) {
    const magic = bytes.readUInt32BE(at);
    const isSimple = structured && magic === SIMPLE_REPLY_MAGIC;
    if (!isSimple && magic !== 0x0003e889 && magic !== 0x668e33ef) break;
    const end = isSimple ? at + SIMPLE_REPLY_SIZE : at + 20 + bytes.readUInt32BE(at + 16);
    found.push(bytes.toString('latin1', at, end));
    at = end;
  }
  return [...found.sort(), `${bytes.length - at} bytes`];
}

/** A volume that remembers what a front end did wrong: inside, it would be told to the host as an error. */
class Watched implements HostVolume {
  readonly readOnly = false;
  readonly name: string;
  readonly size: number;
  violation: unknown;
  readonly #inner: MemoryVolume;
  readonly #mode: number;
  #writes = 0;
  #open = true;

  constructor(inner: MemoryVolume, mode: number) {
    this.name = inner.name;
    this.size = inner.size;
    this.#inner = inner;
    this.#mode = mode;
  }

  room(): Promise<void> | undefined {
    if ((this.#mode & Mode.slow) === 0 || this.#open) return undefined;
    return turn().then(() => {
      this.#open = true;
    });
  }

  write(run: WriteRun): void {
    this.#count();
    this.#watch(() => this.#inner.write(run));
  }

  zero(offset: number, length: number, options: { readonly keepAllocated: boolean }): void {
    this.#count();
    this.#watch(() => this.#inner.zero(offset, length, options));
  }

  read(offset: number, into: Buffer): void {
    this.#watch(() => this.#inner.read(offset, into));
  }

  readNow(offset: number, into: Buffer): Promise<void> | undefined {
    if ((this.#mode & Mode.slow) !== 0) return turn();
    this.read(offset, into);
    return undefined;
  }

  extents(offset: number, length: number, max: number): Extent[] {
    return this.#watch(() => this.#inner.extents(offset, length, max));
  }

  async flush(): Promise<void> {
    if ((this.#mode & Mode.slow) !== 0) await turn();
    if ((this.#mode & Mode.failing) !== 0 && this.#writes % 2 === 1) throw new HostError('EIO', 'no sync');
  }

  #count(): void {
    if ((this.#mode & Mode.slow) !== 0 && !this.#open)
      this.violation ??= new Error('a write while there is no room');
    this.#writes += 1;
    this.#open = false;
    if ((this.#mode & Mode.failing) !== 0 && this.#writes % 3 === 0) throw new HostError('ENOSPC', 'full');
  }

  #watch<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      this.violation ??= error;
      throw error;
    }
  }
}
