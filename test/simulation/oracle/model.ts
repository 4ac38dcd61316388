/**
 * What a group is, told independently of the code under test: what its volumes held at first, and an ordered list of
 * writes, each known by its LSN. What the volumes hold at an LSN follows.
 */
export interface ModelRecord {
  readonly lsn: number;
  readonly kind: number;
  readonly volume: number;
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
  readonly payload: Buffer;
}

/** As in the journal's format (architecture, journal/record.ts), written down anew. */
export const Kind = {
  write: 1,
  zero: 2,
  clock: 3,
  marker: 4,
  attach: 5,
  initBegin: 6,
  initEnd: 7,
  verify: 8,
  resize: 9,
  handover: 10,
} as const;
export const HEADER = 28;
export const FROM_VOLUME = 1;
export const FROM_POINT = 4;

/** Whole records that lie one behind the other, as they are appended to a journal. */
export function parseRecords(bytes: Uint8Array): ModelRecord[] {
  const buffer = Buffer.from(bytes);
  const records: ModelRecord[] = [];
  for (let at = 0; at + HEADER <= buffer.length;) {
    const kind = buffer.readUInt8(at + 4);
    const length = buffer.readUInt32BE(at + 24);
    const payloadLength = kind === Kind.zero || kind === Kind.clock ? 0 : length;
    if (at + HEADER + payloadLength > buffer.length) break;
    records.push({
      lsn: Number(buffer.readBigUInt64BE(at + 8)),
      kind,
      volume: buffer.readUInt8(at + 5),
      flags: buffer.readUInt16BE(at + 6),
      offset: Number(buffer.readBigUInt64BE(at + 16)),
      length,
      payload: buffer.subarray(at + HEADER, at + HEADER + payloadLength),
    });
    at += HEADER + payloadLength;
  }
  return records;
}

export class Model {
  readonly #initial: readonly Buffer[];
  #records: ModelRecord[] = [];
  /** At the last record. */
  #current: Buffer[];
  /** Beginnings of copies, and the point that each is as of, if it is of one. */
  #copies: { readonly lsn: number; readonly point: number | undefined }[] = [];

  constructor(initial: readonly Buffer[]) {
    this.#initial = initial.map((bytes) => Buffer.from(bytes));
    this.#current = initial.map((bytes) => Buffer.from(bytes));
  }

  get last(): number {
    return this.#records.length;
  }

  get volumes(): number {
    return this.#initial.length;
  }

  /** What the volumes hold after the last record. */
  get current(): readonly Buffer[] {
    return this.#current;
  }

  record(lsn: number): ModelRecord | undefined {
    return this.#records[lsn - 1];
  }

  /** First and last LSN, both included. */
  records(first: number, last: number): readonly ModelRecord[] {
    return this.#records.slice(Math.max(0, first - 1), last);
  }

  /** What a destination is as of that has got as far as `lsn`: that, or the point that what was copied last is of. */
  asOf(lsn: number): number {
    return this.#copies.findLast((copy) => copy.lsn <= lsn)?.point ?? lsn;
  }

  append(record: ModelRecord): void {
    this.#records.push(record);
    if (record.kind === Kind.initBegin) this.#copies.push({ lsn: record.lsn, point: pointOf(record) });
    play(record, this.#current);
  }

  /** Another that goes on from here by itself. */
  fork(): Model {
    const fork = new Model(this.#initial);
    for (const record of this.#records) fork.append(record);
    return fork;
  }

  /** A crash took what lies behind this LSN. */
  cutAfter(lsn: number): void {
    if (lsn >= this.last) return;
    this.#records.length = lsn;
    this.#copies = this.#copies.filter((copy) => copy.lsn <= lsn);
    this.#current = this.cursor()
      .at(lsn)
      .map((bytes) => Buffer.from(bytes));
  }

  cursor(): Cursor {
    return new Cursor(this, this.#initial);
  }
}

/** What the volumes held at one LSN after another; going on is cheap, going back begins anew. */
export class Cursor {
  readonly #model: Model;
  readonly #initial: readonly Buffer[];
  #content: Buffer[];
  #at = 0;

  constructor(model: Model, initial: readonly Buffer[]) {
    this.#model = model;
    this.#initial = initial;
    this.#content = initial.map((bytes) => Buffer.from(bytes));
  }

  at(lsn: number): readonly Buffer[] {
    if (lsn < this.#at) {
      this.#content = this.#initial.map((bytes) => Buffer.from(bytes));
      this.#at = 0;
    }
    for (const record of this.#model.records(this.#at + 1, lsn)) play(record, this.#content);
    this.#at = lsn;
    return this.#content;
  }
}

function play(record: ModelRecord, volumes: Buffer[]): void {
  for (const { index, size } of sizesIn(record)) {
    const content = volumes[index] ?? Buffer.alloc(0);
    if (size > content.length) volumes[index] = Buffer.concat([content], size);
  }
  if ((record.flags & FROM_VOLUME) !== 0) return;
  const content = volumes[record.volume];
  if (record.kind === Kind.write) content?.set(record.payload, record.offset);
  else if (record.kind === Kind.zero) content?.fill(0, record.offset, record.offset + record.length);
}

function pointOf({ payload }: ModelRecord): number | undefined {
  return (JSON.parse(payload.toString('utf8')) as { readonly point?: { readonly lsn: number } }).point?.lsn;
}

/** What the record says of volumes' sizes: they only grow, and what is new is zeros. */
function sizesIn({ kind, volume, offset, payload }: ModelRecord): readonly { index: number; size: number }[] {
  if (kind === Kind.resize) return [{ index: volume, size: offset }];
  if (kind !== Kind.attach) return [];
  return (JSON.parse(payload.toString('utf8')) as { volumes: { index: number; size: number }[] }).volumes;
}

/** Where two contents of a volume first differ. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) if (a[at] !== b[at]) return at;
  return length;
}
