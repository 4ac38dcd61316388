/** One host's connection to one volume: says what the plan tells it to, and remembers what it was promised. */
import {
  chooses,
  CLIENT_FLAGS,
  FLUSH,
  FUA,
  NO_HOLE,
  option,
  queries,
  READ,
  request,
  STRUCTURED_REPLY,
  TRIM,
  WRITE,
  WRITE_ZEROES,
  BLOCK_STATUS,
} from '../../nbd/wire.ts';
import { Kind, type Model } from '../oracle/model.ts';
import { Violation } from '../oracle/violation.ts';
import type { Loop } from '../platform/loop.ts';
import type { FrontEnd, Line } from './front-end.ts';

export type HostAction =
  | {
      readonly kind: 'write';
      readonly offset: number;
      readonly length: number;
      readonly fua: boolean;
      readonly fill: Fill;
    }
  | { readonly kind: 'trim'; readonly offset: number; readonly length: number; readonly fua: boolean }
  | { readonly kind: 'zero'; readonly offset: number; readonly length: number; readonly fua: boolean }
  | { readonly kind: 'read'; readonly offset: number; readonly length: number }
  | { readonly kind: 'extents'; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush' }
  /** Hangs up; `midway`: in the middle of a write. */
  | { readonly kind: 'leave'; readonly midway: boolean };

/** `sparse`: with runs of zeros that are not shipped. */
export type Fill = 'stamp' | 'zeros' | 'sparse';

export interface HostOracle {
  readonly model: Model;
  fail(violation: Violation): void;
  promised(lsn: number): void;
}

interface Asked {
  readonly type: number;
  readonly flags: number;
  readonly length: number;
  readonly offset: number;
  readonly stamp: number;
  /** Of a flush: the stamps of the writes that had been answered before it was sent. */
  readonly covers: readonly number[];
}

/** Milliseconds before a host that was cut off comes back. */
const RECONNECT = 150;
const GREETING_SIZE = 18;
const OPTION_HEADER = 20;
const SIMPLE = 0x67446698;
const STRUCTURED = 0x668e33ef;

export class Host {
  readonly #loop: Loop;
  readonly #frontEnd: () => FrontEnd | undefined;
  readonly #volume: { readonly name: string; readonly index: number };
  readonly #oracle: HostOracle;
  readonly #structured: boolean;
  #line: Line | undefined;
  #phase: 'greeting' | 'options' | 'ready' = 'greeting';
  #heard = Buffer.alloc(0);
  #asked = new Map<number, Asked>();
  /** Writes that were answered and that no flush has covered yet. */
  #unflushed: number[] = [];
  #cookies = 0;
  #stamps: number;
  #stopped = false;

  constructor(
    loop: Loop,
    frontEnd: () => FrontEnd | undefined,
    options: {
      readonly volume: { readonly name: string; readonly index: number };
      readonly number: number;
      readonly structured: boolean;
      readonly oracle: HostOracle;
    },
  ) {
    this.#loop = loop;
    this.#frontEnd = frontEnd;
    this.#volume = options.volume;
    this.#oracle = options.oracle;
    this.#structured = options.structured;
    this.#stamps = (options.number + 1) * 1_000_000;
    this.#connect();
  }

  /** Requests without an answer. */
  get outstanding(): number {
    return this.#asked.size;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The machine that it is connected to went away without a word. */
  cutOff(): void {
    this.#gone();
  }

  act(action: HostAction): void {
    const line = this.#line;
    if (line === undefined || this.#phase !== 'ready') return;
    if (action.kind === 'leave') {
      if (action.midway) {
        const bytes = request(WRITE, 1, { offset: 0, data: this.#data(0, 8192, 'stamp') });
        line.send(bytes.subarray(0, 28 + 5000));
      }
      line.hangUp();
      this.#gone();
      return;
    }
    this.#ask(line, action);
  }

  #ask(line: Line, action: Exclude<HostAction, { kind: 'leave' }>): void {
    this.#cookies += 1;
    const cookie = this.#cookies;
    if (action.kind === 'flush') {
      this.#note(cookie, { type: FLUSH, covers: this.#unflushed.splice(0) });
      line.send(request(FLUSH, cookie));
      return;
    }
    const { offset, length } = action;
    if (action.kind === 'read' || action.kind === 'extents') {
      const type = action.kind === 'read' ? READ : BLOCK_STATUS;
      if (type === BLOCK_STATUS && !this.#structured) return;
      this.#note(cookie, { type, offset, length });
      line.send(request(type, cookie, { offset, length }));
      return;
    }
    const flags = action.fua ? FUA : 0;
    if (action.kind === 'write') {
      this.#stamps += 1;
      this.#note(cookie, {
        type: WRITE,
        flags,
        offset,
        length,
        stamp: action.fill === 'stamp' ? this.#stamps : 0,
      });
      line.send(
        request(WRITE, cookie, { flags, offset, data: this.#data(this.#stamps, length, action.fill) }),
      );
      return;
    }
    const type = action.kind === 'trim' ? TRIM : WRITE_ZEROES;
    const all = type === WRITE_ZEROES && offset % 1024 === 0 ? flags | NO_HOLE : flags;
    this.#note(cookie, { type, flags: all, offset, length });
    line.send(request(type, cookie, { flags: all, offset, length }));
  }

  #note(cookie: number, asked: Partial<Asked> & { readonly type: number }): void {
    this.#asked.set(cookie, { flags: 0, length: 0, offset: 0, stamp: 0, covers: [], ...asked });
  }

  /** Every sector says which write it is of. */
  #data(stamp: number, length: number, fill: Fill): Buffer {
    const data = Buffer.alloc(length);
    if (fill === 'zeros') return data;
    for (let at = 0; at < length; at += 512) {
      if (fill === 'sparse' && Math.floor(at / 16_384) % 2 === 1) continue;
      data.writeUInt32BE(stamp, at);
      data.fill(stamp & 0xff, at + 8, at + 256);
      data.writeUInt32BE(at, at + 4);
    }
    return data;
  }

  #connect(): void {
    if (this.#stopped) return;
    const frontEnd = this.#frontEnd();
    if (frontEnd?.accepts !== true) {
      this.#loop.after(RECONNECT, () => this.#connect());
      return;
    }
    this.#phase = 'greeting';
    this.#heard = Buffer.alloc(0);
    const line = frontEnd.connect({
      received: (bytes) => {
        if (this.#line === line) this.#received(bytes);
      },
      hungUp: () => {
        if (this.#line === line) this.#gone();
      },
    });
    this.#line = line;
    const { name } = this.#volume;
    const options = this.#structured ? [STRUCTURED_REPLY, option(10, queries(name, 'base:allocation'))] : [];
    line.send(Buffer.concat([CLIENT_FLAGS, ...options, option(7, chooses(name))]));
  }

  #gone(): void {
    if (this.#line === undefined) return;
    this.#line = undefined;
    this.#phase = 'greeting';
    this.#asked.clear();
    this.#unflushed = [];
    this.#loop.after(RECONNECT, () => this.#connect());
  }

  #received(bytes: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, bytes]);
    for (let used = this.#take(); used > 0; used = this.#take()) this.#heard = this.#heard.subarray(used);
  }

  /** Bytes of one message, 0 when it is not all there. */
  #take(): number {
    const heard = this.#heard;
    if (this.#phase === 'greeting') {
      if (heard.length < GREETING_SIZE) return 0;
      this.#phase = 'options';
      return GREETING_SIZE;
    }
    if (this.#phase === 'options') {
      if (heard.length < OPTION_HEADER) return 0;
      const size = OPTION_HEADER + heard.readUInt32BE(16);
      if (heard.length < size) return 0;
      if (heard.readUInt32BE(8) === 7 && heard.readUInt32BE(12) === 1) this.#phase = 'ready';
      return size;
    }
    return this.#takeReply(heard);
  }

  #takeReply(heard: Buffer): number {
    if (heard.length < 16) return 0;
    const magic = heard.readUInt32BE(0);
    const cookie = Number(heard.readBigUInt64BE(8));
    const asked = this.#asked.get(cookie);
    if (asked === undefined || (magic !== SIMPLE && magic !== STRUCTURED)) {
      this.#oracle.fail(new Violation('nbd-reply', `a reply to request ${cookie} that nobody waits for`));
      return heard.length;
    }
    if (magic === SIMPLE) {
      const error = heard.readUInt32BE(4);
      const size = 16 + (asked.type === READ && error === 0 ? asked.length : 0);
      if (heard.length < size) return 0;
      this.#asked.delete(cookie);
      if (error === 0) this.#answered(asked);
      return size;
    }
    if (heard.length < 20) return 0;
    const size = 20 + heard.readUInt32BE(16);
    if (heard.length < size) return 0;
    if ((heard.readUInt16BE(4) & 1) !== 0) this.#asked.delete(cookie);
    return size;
  }

  /** I1, as the host sees it. */
  #answered(asked: Asked): void {
    if (asked.type === FLUSH) for (const stamp of asked.covers) this.#mustBeDurable(stamp);
    if (asked.type !== WRITE || asked.stamp === 0) return;
    if ((asked.flags & FUA) !== 0) this.#mustBeDurable(asked.stamp);
    else {
      this.#lsnOf(asked.stamp);
      this.#unflushed.push(asked.stamp);
    }
  }

  #mustBeDurable(stamp: number): void {
    this.#oracle.promised(this.#lsnOf(stamp));
  }

  /** Of the record that the write with this stamp ends with. */
  #lsnOf(stamp: number): number {
    const { model } = this.#oracle;
    for (let lsn = model.last; lsn > 0; lsn -= 1) {
      const record = model.record(lsn)!;
      if (record.kind === Kind.write && (record.flags & 1) === 0 && record.payload.readUInt32BE(0) === stamp)
        return lsn;
    }
    this.#oracle.fail(
      new Violation('I1-acknowledged', `write ${stamp} was acknowledged and is not in the journal`),
    );
    return 0;
  }
}
