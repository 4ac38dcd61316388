/** A volume in memory that holds a front end to the letter of its contract, and fails or makes it wait on request. */
import assert from 'node:assert/strict';
import {
  HostError,
  WRITE_HEADROOM,
  WRITE_LENGTH_MAX,
  WRITE_RUN_MAX,
  type Extent,
  type HostVolume,
  type WriteRun,
} from '../../src/nbd/front-end.ts';

const BLOCK = 4096;
const KINDS = ['hole', 'zero', 'data'] as const;

export class MemoryVolume implements HostVolume {
  readonly readOnly = false;
  readonly name: string;
  readonly size: number;
  readonly content: Buffer;
  /** Every call that changes something, in order. */
  readonly calls: string[] = [];
  /** Thrown by every write that touches this byte offset. */
  failWriteAt: { readonly offset: number; readonly error: Error } | undefined;
  failReadAt: { readonly offset: number; readonly error: Error } | undefined;
  /** Flushes wait for this. */
  flushGate: Promise<void> | undefined;
  /** Reads that it gives a promise for wait for that. */
  readGate: ((offset: number) => Promise<void> | undefined) | undefined;
  recording = true;
  #blocks: Uint8Array;
  #room: Promise<void> | undefined;

  constructor(name: string, size: number) {
    this.name = name;
    this.size = size;
    this.content = Buffer.alloc(size);
    this.#blocks = new Uint8Array(Math.ceil(size / BLOCK));
  }

  /** No room from now until the returned function is called. */
  close(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#room = promise.then(() => undefined);
    return () => {
      this.#room = undefined;
      resolve(undefined);
    };
  }

  room(): Promise<void> | undefined {
    return this.#room;
  }

  write(run: WriteRun): void {
    assert.equal(this.#room, undefined, 'a write while there is no room');
    assert.ok(run.count > 0 && run.start >= 0);
    let at = run.start;
    for (let i = 0; i < run.count; i += 1) {
      const offset = run.offsets[i]!;
      const length = run.lengths[i]!;
      assert.ok(length > 0 && length <= WRITE_LENGTH_MAX && length % 512 === 0, `length ${length}`);
      this.#checkRange(offset, length);
      const payload = run.buffer.subarray(at + WRITE_HEADROOM, at + WRITE_HEADROOM + length);
      assert.equal(payload.length, length);
      this.#failIf(this.failWriteAt, offset, length);
      at += WRITE_HEADROOM + length;
    }
    assert.ok(at - run.start <= WRITE_RUN_MAX && at <= run.buffer.length);
    this.#apply(run);
    if (this.recording) this.calls.push(`write ${run.count}`);
  }

  zero(offset: number, length: number, options: { readonly keepAllocated: boolean }): void {
    assert.equal(this.#room, undefined, 'zeros while there is no room');
    this.#checkRange(offset, length);
    this.#failIf(this.failWriteAt, offset, length);
    this.content.fill(0, offset, offset + length);
    this.#blocks.fill(
      options.keepAllocated ? 1 : 0,
      Math.ceil(offset / BLOCK),
      Math.floor((offset + length) / BLOCK),
    );
    this.calls.push(`zero ${offset} ${length} ${options.keepAllocated ? 'keep' : 'free'}`);
  }

  read(offset: number, into: Buffer): void {
    this.#checkRange(offset, into.length);
    this.#failIf(this.failReadAt, offset, into.length);
    this.content.copy(into, 0, offset, offset + into.length);
  }

  readNow(offset: number, into: Buffer): Promise<void> | undefined {
    const wait = this.readGate?.(offset);
    if (wait === undefined) this.read(offset, into);
    return wait;
  }

  extents(offset: number, length: number, max: number): Extent[] {
    this.#checkRange(offset, length);
    const extents: { length: number; kind: Extent['kind'] }[] = [];
    for (let at = offset; at < offset + length;) {
      const end = Math.min(offset + length, (Math.floor(at / BLOCK) + 1) * BLOCK);
      const kind = KINDS[this.#blocks[Math.floor(at / BLOCK)]!]!;
      const last = extents.at(-1);
      if (last?.kind === kind) last.length += end - at;
      else if (extents.length === max) break;
      else extents.push({ length: end - at, kind });
      at = end;
    }
    return extents;
  }

  async flush(alone = false): Promise<void> {
    if (this.recording) this.calls.push(alone ? 'flush alone' : 'flush');
    await this.flushGate;
  }

  #apply(run: WriteRun): void {
    let at = run.start;
    for (let i = 0; i < run.count; i += 1) {
      const offset = run.offsets[i]!;
      const length = run.lengths[i]!;
      run.buffer.copy(this.content, offset, at + WRITE_HEADROOM, at + WRITE_HEADROOM + length);
      // What the journal does with it: a front end must need nothing of its header any more.
      run.buffer.fill(0xee, at, at + WRITE_HEADROOM);
      this.#blocks.fill(2, Math.floor(offset / BLOCK), Math.ceil((offset + length) / BLOCK));
      at += WRITE_HEADROOM + length;
    }
  }

  #checkRange(offset: number, length: number): void {
    assert.ok(offset % 512 === 0 && length % 512 === 0, `not whole sectors: ${offset} ${length}`);
    assert.ok(offset >= 0 && offset + length <= this.size, `outside the volume: ${offset} ${length}`);
  }

  #failIf(fault: { offset: number; error: Error } | undefined, offset: number, length: number): void {
    if (fault !== undefined && fault.offset >= offset && fault.offset < offset + length) throw fault.error;
  }
}

export const ioError = (): HostError => new HostError('EIO', 'the medium is broken');
