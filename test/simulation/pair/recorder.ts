/** Stands between a host's connection and a volume: what goes in must be in the journal, what comes out must be what went in. */
import type { HostVolume, WriteRun } from '../../../src/nbd/front-end.ts';
import { Kind, type Model, type ModelRecord } from '../oracle/model.ts';
import { Violation } from '../oracle/violation.ts';
import { isZero } from '../platform/zeros.ts';

export interface RecorderOracle {
  readonly model: Model;
  /** What is not destaged may be read as the medium has it. */
  readonly isJournalRotten: boolean;
  fail(violation: Violation): void;
  /** Everything up to this LSN has been promised to be durable. */
  promised(lsn: number): void;
}

interface Expected {
  readonly kind: number;
  readonly offset: number;
  readonly length: number;
  readonly payload: Buffer;
}

export class RecordedVolume implements HostVolume {
  readonly readOnly = false;
  readonly name: string;
  readonly #inner: HostVolume;
  readonly #index: number;
  readonly #oracle: RecorderOracle;
  readonly #isAlive: () => boolean;

  /** `isAlive`: what a program says that has died in the same breath reaches no host. */
  constructor(inner: HostVolume, index: number, oracle: RecorderOracle, isAlive: () => boolean) {
    this.#inner = inner;
    this.#index = index;
    this.#oracle = oracle;
    this.#isAlive = isAlive;
    this.name = inner.name;
  }

  get size(): number {
    return this.#inner.size;
  }

  room(): Promise<void> | undefined {
    return this.#inner.room();
  }

  write(run: WriteRun): void {
    const before = this.#oracle.model.last;
    const expected: Expected[] = [];
    for (let i = 0, at = run.start; i < run.count; i += 1) {
      const [offset, length] = [run.offsets[i]!, run.lengths[i]!];
      const payload = Buffer.from(run.buffer.subarray(at + 28, at + 28 + length));
      expected.push({ kind: Kind.write, offset, length, payload });
      at += 28 + length;
    }
    this.#inner.write(run);
    this.#check(before, expected);
  }

  zero(offset: number, length: number, options: { readonly keepAllocated: boolean }): void {
    const before = this.#oracle.model.last;
    this.#inner.zero(offset, length, options);
    this.#check(before, [{ kind: Kind.zero, offset, length, payload: Buffer.alloc(0) }]);
  }

  read(offset: number, into: Buffer): void {
    this.#inner.read(offset, into);
    this.#checkRead(offset, into);
  }

  readNow(offset: number, into: Buffer): Promise<void> | undefined {
    const wait = this.#inner.readNow(offset, into);
    if (wait === undefined) this.#checkRead(offset, into);
    return wait;
  }

  #checkRead(offset: number, into: Buffer): void {
    const wanted = this.#oracle.model.current[this.#index]!.subarray(offset, offset + into.length);
    if (wanted.equals(into) || this.#oracle.isJournalRotten) return;
    const text = `a read of ${into.length} bytes at ${offset} of volume ${this.name} is not what was written`;
    this.#oracle.fail(new Violation('I2-read', text));
  }

  extents(offset: number, length: number, max: number): ReturnType<HostVolume['extents']> {
    const extents = this.#inner.extents(offset, length, max);
    let at = offset;
    for (const extent of extents) {
      const content = this.#oracle.model.current[this.#index]!.subarray(at, at + extent.length);
      if (extent.kind !== 'data' && !isZero(content)) {
        const text = `${extent.length} bytes at ${at} of volume ${this.name} are said to be zeros`;
        this.#oracle.fail(new Violation('I2-extents', text));
      }
      at += extent.length;
    }
    return extents;
  }

  async flush(alone: boolean): Promise<void> {
    const { last } = this.#oracle.model;
    await this.#inner.flush(alone);
    if (this.#isAlive()) this.#oracle.promised(last);
  }

  /** I1: a write that returned is in the journal, as it was given, and nothing else. */
  #check(before: number, expected: readonly Expected[]): void {
    const { model } = this.#oracle;
    const records = model.records(before + 1, model.last).filter(({ kind }) => kind !== Kind.clock);
    const same = (record: ModelRecord, wanted: Expected | undefined): boolean =>
      record.kind === wanted?.kind &&
      record.volume === this.#index &&
      record.offset === wanted.offset &&
      record.length === wanted.length &&
      record.payload.equals(wanted.payload);
    if (records.length === expected.length && records.every((record, i) => same(record, expected[i]))) return;
    const text = `${expected.length} requests to volume ${this.name} were taken; the journal got ${records.length} records that are not these`;
    this.#oracle.fail(new Violation('I1-journal', text));
  }
}
