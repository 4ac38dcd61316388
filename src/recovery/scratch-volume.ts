import {
  ExtentList,
  HostError,
  WRITE_HEADROOM,
  type Extent,
  type HostVolume,
  type WriteRun,
} from '../nbd/front-end.ts';
import { describeError } from '../platform/errors.ts';
import { isNoRoom } from '../platform/reserve.ts';
import { SCRATCH_BLOCK, type Scratch } from './scratch.ts';

/** Blocks that one answer about extents tells of at most: 4 GiB. */
const EXTENT_BLOCKS_MAX = 2 ** 20;
const BlockState = { base: 0, zeros: 1, written: 2 } as const;

/** One volume of a recovery point that can be written; what is written goes to a scratch file. */
export class ScratchVolume implements HostVolume {
  readonly name: string;
  readonly size: number;
  readonly readOnly = false;
  readonly #base: HostVolume;
  readonly #scratch: Scratch;
  readonly #number: number;
  readonly #block = Buffer.alloc(SCRATCH_BLOCK);

  /** `number`: tells the volumes of one scratch file apart. */
  constructor(base: HostVolume, scratch: Scratch, number: number) {
    this.name = base.name;
    this.size = base.size;
    this.#base = base;
    this.#scratch = scratch;
    this.#number = number;
  }

  room(): undefined {
    return undefined;
  }

  write(run: WriteRun): void {
    let at = run.start;
    for (let i = 0; i < run.count; i += 1) {
      const length = run.lengths[i] ?? 0;
      at += WRITE_HEADROOM;
      this.#write(run.offsets[i] ?? 0, run.buffer.subarray(at, at + length));
      at += length;
    }
  }

  zero(offset: number, length: number): void {
    const end = offset + length;
    // A volume may end within a block, which then is whole too.
    const first = Math.ceil(offset / SCRATCH_BLOCK);
    const last = end === this.size ? Math.ceil(end / SCRATCH_BLOCK) : Math.floor(end / SCRATCH_BLOCK);
    if (first >= last) {
      this.#write(offset, Buffer.alloc(length));
      return;
    }
    const [start, stop] = [first * SCRATCH_BLOCK, Math.min(end, last * SCRATCH_BLOCK)];
    if (offset < start) this.#write(offset, Buffer.alloc(start - offset));
    if (stop < end) this.#write(stop, Buffer.alloc(end - stop));
    this.#scratch.trim(this.#number, first, last);
  }

  read(offset: number, into: Buffer): void {
    let baseFrom = 0;
    const readBase = (to: number): void => {
      if (to > baseFrom) this.#base.read(offset + baseFrom, into.subarray(baseFrom, to));
    };
    for (let done = 0; done < into.length;) {
      const block = Math.floor((offset + done) / SCRATCH_BLOCK);
      const within = offset + done - block * SCRATCH_BLOCK;
      const next = Math.min(into.length, done + SCRATCH_BLOCK - within);
      const position = this.#scratch.find(this.#number, block);
      if (position !== undefined || this.#scratch.isTrimmed(this.#number, block)) {
        readBase(done);
        baseFrom = next;
        const part = into.subarray(done, next);
        if (position === undefined) part.fill(0);
        else this.#scratch.read(part, position + within);
      }
      done = next;
    }
    readBase(into.length);
  }

  readNow(offset: number, into: Buffer): undefined {
    this.read(offset, into);
    return undefined;
  }

  extents(offset: number, length: number, max: number): Extent[] {
    const list = new ExtentList(max);
    const first = Math.floor(offset / SCRATCH_BLOCK);
    const count = Math.min(EXTENT_BLOCKS_MAX, Math.ceil((offset + length) / SCRATCH_BLOCK) - first);
    const states = new Uint8Array(count);
    const { written, trimmed } = this.#scratch.changes(this.#number, first, first + count);
    for (const { start, end } of trimmed) states.fill(BlockState.zeros, start - first, end - first);
    for (const block of written) states[block - first] = BlockState.written;
    for (let from = 0; from < count;) {
      const state = states[from];
      let to = from + 1;
      while (to < count && states[to] === state) to += 1;
      const start = Math.max(offset, (first + from) * SCRATCH_BLOCK);
      const end = Math.min(offset + length, (first + to) * SCRATCH_BLOCK);
      from = to;
      const taken =
        state === BlockState.base
          ? this.#addBase(start, end, list)
          : list.add(end - start, state === BlockState.zeros ? 'hole' : 'data');
      if (!taken) break;
    }
    return list.extents;
  }

  /** Nothing of it outlasts the process, so there is nothing to wait for. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  #addBase(start: number, end: number, list: ExtentList): boolean {
    let at = start;
    for (const { length, kind } of this.#base.extents(start, end - start, Infinity)) {
      if (!list.add(length, kind)) return false;
      at += length;
    }
    return at === end;
  }

  #write(offset: number, data: Buffer): void {
    try {
      for (let done = 0; done < data.length;) {
        const block = Math.floor((offset + done) / SCRATCH_BLOCK);
        const within = offset + done - block * SCRATCH_BLOCK;
        const part = data.subarray(done, done + Math.min(data.length - done, SCRATCH_BLOCK - within));
        this.#writeBlock(block, within, part);
        done += part.length;
      }
    } catch (error) {
      if (error instanceof HostError) throw error;
      throw new HostError(
        isNoRoom(error) ? 'ENOSPC' : 'EIO',
        `cannot write its scratch file: ${describeError(error)}`,
      );
    }
  }

  #writeBlock(block: number, within: number, part: Buffer): void {
    const position = this.#scratch.find(this.#number, block);
    if (position !== undefined) {
      this.#scratch.overwrite(part, position + within);
      return;
    }
    let content: Buffer = part;
    if (part.length < SCRATCH_BLOCK) {
      content = this.#block;
      content.fill(0);
      const start = block * SCRATCH_BLOCK;
      if (!this.#scratch.isTrimmed(this.#number, block))
        this.#base.read(start, content.subarray(0, Math.min(SCRATCH_BLOCK, this.size - start)));
      part.copy(content, within);
    }
    this.#scratch.add(this.#number, block, content);
  }
}
