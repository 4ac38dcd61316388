/** What a device was told, in order, and what lies on its medium when the power fails at some point of that. Pure. */
import type { Random } from '../../../src/platform/random.ts';

/** Something that was known outside at this point of the log. */
export type Note =
  | { readonly kind: 'ready' }
  /** A flush of this host was answered, behind so many of its writes. */
  | { readonly kind: 'flushed'; readonly host: number; readonly writes: number }
  /** The source has sent everything up to this LSN. */
  | { readonly kind: 'shipped'; readonly lsn: number }
  /** The destination's status file says that it holds everything up to this LSN. */
  | { readonly kind: 'told'; readonly lsn: number }
  /** The custom marker's program has run. */
  | { readonly kind: 'ran'; readonly id: string; readonly attempt: number; readonly lsn: number }
  /** The source is going to be told so: noted before. */
  | { readonly kind: 'heard'; readonly lsn: number };

export type LogEntry =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: 'zero'; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush' }
  | { readonly kind: 'note'; readonly note: Note };

/**
 * `all`: every write up to the point. `some`: every write before the last flush, and any of those behind it, one of them
 * torn: a device may write them in any order.
 */
export type Kept = 'all' | 'some';

/** The least that a device writes whole, bytes. */
const ATOM = 512;
const PAGE = 64 * 1024;

/** The medium, moved along the log; points are asked for in ascending order. */
export class Medium {
  readonly #log: readonly LogEntry[];
  readonly #content: Buffer;
  /** Pages that hold, or have held, anything but zeros. */
  readonly #pages = new Set<number>();
  #durable = 0;

  constructor(log: readonly LogEntry[], size: number) {
    this.#log = log;
    this.#content = Buffer.alloc(size);
  }

  /** Calls `use` with the content after a power failure before entry `point`. */
  at(
    point: number,
    kept: Kept,
    random: Random,
    use: (content: Buffer, pages: Iterable<number>) => void,
  ): void {
    let flush = point;
    while (flush > this.#durable && this.#log[flush - 1]?.kind !== 'flush') flush -= 1;
    for (; this.#durable < flush; this.#durable += 1) this.#apply(this.#log[this.#durable]);
    const behind = this.#log.slice(flush, point).filter(isChange);
    const lost = kept === 'all' ? [] : behind.filter(() => random.fraction() < 0.5);
    const here = behind.filter((entry) => !lost.includes(entry));
    const last = here.at(-1);
    if (kept === 'some' && last?.kind === 'write') here.splice(-1, 1, tear(last, random));
    const before = this.#save(here);
    for (const entry of here) this.#apply(entry);
    use(this.#content, this.#pages);
    for (const [page, content] of before) content.copy(this.#content, page * PAGE);
  }

  /** Bytes of a page; the last may be shorter. */
  static readonly page = PAGE;

  #save(entries: readonly LogEntry[]): Map<number, Buffer> {
    const pages = new Set(entries.flatMap(pagesOf));
    return new Map(
      [...pages].map((page) => [page, Buffer.from(this.#content.subarray(page * PAGE, (page + 1) * PAGE))]),
    );
  }

  #apply(entry: LogEntry | undefined): void {
    if (entry?.kind === 'zero') this.#content.fill(0, entry.offset, entry.offset + entry.length);
    if (entry?.kind !== 'write') return;
    this.#content.set(entry.data, entry.offset);
    for (const page of pagesOf(entry)) this.#pages.add(page);
  }
}

/** The notes that were taken before entry `point`. */
export function notesBefore(log: readonly LogEntry[], point: number): Note[] {
  return log.slice(0, point).flatMap((entry) => (entry.kind === 'note' ? [entry.note] : []));
}

/** The highest LSN that a kind of note tells of. */
export function highest(notes: readonly Note[], kind: 'shipped' | 'told' | 'heard'): number {
  return Math.max(0, ...notes.flatMap((note) => (note.kind === kind ? [note.lsn] : [])));
}

/**
 * `count` points behind the note `ready`: half of them anywhere, half at a flush, where what is durable changes. Ascending.
 */
export function choosePoints(log: readonly LogEntry[], count: number, random: Random): number[] {
  const ready = log.findIndex((entry) => entry.kind === 'note' && entry.note.kind === 'ready');
  const flushes = log.flatMap((entry, i) => (i > ready && entry.kind === 'flush' ? [i] : []));
  const points = Array.from({ length: count }, (_, i) => {
    const at = random.fraction();
    if (i % 2 === 0) return ready + 1 + Math.floor(at * (log.length - ready));
    // Right before a flush, or right behind it.
    return (flushes[Math.floor(at * flushes.length)] ?? log.length) + Math.round(random.fraction());
  });
  return points.sort((a, b) => a - b);
}

function isChange(entry: LogEntry): boolean {
  return entry.kind === 'write' || entry.kind === 'zero';
}

function pagesOf(entry: LogEntry): number[] {
  if (entry.kind !== 'write' && entry.kind !== 'zero') return [];
  const length = entry.kind === 'write' ? entry.data.length : entry.length;
  const first = Math.floor(entry.offset / PAGE);
  return Array.from({ length: Math.ceil((entry.offset + length) / PAGE) - first }, (_, i) => first + i);
}

/** Any sectors of it; none is torn itself. */
function tear(write: LogEntry & { kind: 'write' }, random: Random): LogEntry {
  const atoms = write.data.length / ATOM;
  const from = Math.floor(random.fraction() * atoms);
  const to = from + Math.ceil(random.fraction() * (atoms - from));
  return {
    kind: 'write',
    offset: write.offset + from * ATOM,
    data: write.data.subarray(from * ATOM, to * ATOM),
  };
}
