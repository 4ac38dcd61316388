/**
 * The model of one host's region: what it wrote, in order, so that any content of the region can be matched with the moment
 * that it shows. A region belongs to one host alone, which sends one request at a time.
 */
import { seededRandom } from '../support/random.ts';

export const SECTOR = 512;
/** A write of up to this many bytes is there whole or not at all (README, "Markers"). */
const WHOLE_MAX = 64 * 1024;
const NOISE_SECTORS = 256;

interface Entry {
  /** What its sectors are stamped with; 0: they are zeros. */
  readonly sequence: number;
  readonly first: number;
  readonly sectors: number;
}

/** What the region may show: `base`, and then a first part of `entries`. */
export interface Moments {
  readonly base: Uint32Array;
  readonly entries: readonly Entry[];
}

interface Moment {
  /** Entries that are in it whole. */
  readonly whole: number;
  /** Sectors of the next one that are in it too. */
  readonly part: number;
}

export class WriteHistory {
  readonly #number: number;
  readonly #noise: Buffer;
  /** Per sector, its stamp: everything flushed, or found by {@link recover}. */
  #base: Uint32Array;
  #entries: Entry[] = [];
  #answered = 0;
  #sequence = 0;
  readonly #marks = new Set<{ readonly entries: Entry[] }>();

  constructor(number: number, length: number) {
    this.#number = number;
    this.#noise = seededRandom(`noise ${number}`).bytes(NOISE_SECTORS * SECTOR);
    this.#base = new Uint32Array(length / SECTOR);
  }

  /** Writes so far. */
  get writes(): number {
    return this.#sequence;
  }

  /** A write is about to be sent; returns its data. */
  write(first: number, sectors: number): Buffer {
    this.#sequence += 1;
    this.#push({ sequence: this.#sequence, first, sectors });
    const data = Buffer.alloc(sectors * SECTOR);
    for (let i = 0; i < sectors; i += 1) this.#fill(data.subarray(i * SECTOR), first + i, this.#sequence);
    return data;
  }

  zero(first: number, sectors: number): void {
    this.#push({ sequence: 0, first, sectors });
  }

  answered(): void {
    this.#answered = this.#entries.length;
  }

  /** A flush was answered that was sent after everything answered so far. */
  flushed(): void {
    this.#base = applied(this.#base, this.#entries.slice(0, this.#answered));
    this.#entries = this.#entries.slice(this.#answered);
    this.#answered = 0;
  }

  /** From now until `end`, or for ever, every moment is one that a marker may show which is placed meanwhile. */
  mark(): { readonly moments: Moments; readonly end: () => void } {
    const entries = this.#entries.slice(this.#answered);
    const mark = { base: applied(this.#base, this.#entries.slice(0, this.#answered)), entries };
    this.#marks.add(mark);
    return { moments: mark, end: () => void this.#marks.delete(mark) };
  }

  /**
   * The host is connected again and has read its region: `content`. Undefined when that is a moment not before the last
   * answered write (`kept` answered), or the last flush; from there it goes on. Otherwise what is wrong, in words.
   */
  recover(content: Buffer, kept: 'answered' | 'flushed'): string | undefined {
    const from = kept === 'answered' ? this.#answered : 0;
    const base = applied(this.#base, this.#entries.slice(0, from));
    const rest = this.#entries.slice(from);
    const moment = this.momentOf(content, { base, entries: rest });
    if (moment === undefined) {
      return `host ${this.#number}: ${this.#difference(content, applied(base, rest))} (${rest.length} of its writes may be missing)`;
    }
    const found = rest.slice(0, moment.whole);
    const next = rest[moment.whole];
    if (next !== undefined && moment.part > 0) found.push({ ...next, sectors: moment.part });
    // What was in doubt ends every mark, however long ago that began.
    for (const { entries } of this.#marks)
      entries.splice(entries.length - rest.length, rest.length, ...found);
    this.#base = applied(base, found);
    this.#entries = [];
    this.#answered = 0;
    return undefined;
  }

  /** Those of the moments in which the first `count` entries are. */
  static notBefore({ base, entries }: Moments, count: number): Moments {
    return { base: applied(base, entries.slice(0, count)), entries: entries.slice(count) };
  }

  /** Which of the moments the content shows, the earliest if it is several. */
  momentOf(content: Buffer, { base, entries }: Moments): Moment | undefined {
    const expected = base.slice();
    const wrong = new Set<number>();
    const look = (sector: number): void => {
      if (this.#shows(content, sector, expected[sector] ?? 0)) wrong.delete(sector);
      else wrong.add(sector);
    };
    for (let sector = 0; sector < expected.length; sector += 1) look(sector);
    for (const [whole, { sequence, first, sectors }] of entries.entries()) {
      if (wrong.size === 0) return { whole, part: 0 };
      const part = this.#partOf(content, wrong, { sequence, first, sectors });
      if (part !== undefined) return { whole, part };
      expected.fill(sequence, first, first + sectors);
      for (let sector = first; sector < first + sectors; sector += 1) look(sector);
    }
    return wrong.size === 0 ? { whole: entries.length, part: 0 } : undefined;
  }

  /** A long write is journalled as it arrives, so the first part of one that is not answered may be there. */
  #partOf(content: Buffer, wrong: ReadonlySet<number>, next: Entry): number | undefined {
    const { sequence, first, sectors } = next;
    if (sequence === 0 || sectors * SECTOR <= WHOLE_MAX) return undefined;
    let part = 0;
    while (part < sectors && this.#shows(content, first + part, sequence)) part += 1;
    const inPart = (sector: number): boolean => sector >= first && sector < first + part;
    return [...wrong].every(inPart) ? part : undefined;
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    for (const mark of this.#marks) mark.entries.push(entry);
  }

  /** Every byte counts: the stamp tells which write it is, the rest that it is whole. */
  #shows(content: Buffer, sector: number, sequence: number): boolean {
    const at = sector * SECTOR;
    if (content.readUInt32LE(at) !== sequence) return false;
    const expected = Buffer.alloc(SECTOR);
    if (sequence !== 0) this.#fill(expected, sector, sequence);
    return expected.equals(content.subarray(at, at + SECTOR));
  }

  #fill(into: Buffer, sector: number, sequence: number): void {
    const from = ((sequence * 31 + sector) % NOISE_SECTORS) * SECTOR;
    this.#noise.copy(into, 0, from, from + SECTOR);
    into.writeUInt32LE(sequence, 0);
    into.writeUInt32LE(this.#number, 4);
    into.writeUInt32LE(sector, 8);
  }

  #difference(content: Buffer, newest: Uint32Array): string {
    for (let sector = 0; sector < newest.length; sector += 1) {
      const expected = newest[sector] ?? 0;
      if (this.#shows(content, sector, expected)) continue;
      const holds = content.readUInt32LE(sector * SECTOR);
      return `sector ${sector} holds ${holds}, its newest write is ${expected}, and no moment has them all`;
    }
    return 'no moment has this content';
  }
}

function applied(base: Uint32Array, entries: readonly Entry[]): Uint32Array {
  const state = base.slice();
  for (const { sequence, first, sectors } of entries) state.fill(sequence, first, first + sectors);
  return state;
}
