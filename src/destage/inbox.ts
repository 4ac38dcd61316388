/**
 * The inbox as the deciding half sees it. It is listed when that can tell something new, not for every segment, and a
 * file's size is asked once: a large backlog costs what it holds, not its square.
 */
import { join } from 'node:path';
import type { Epoch, Lsn } from '../journal/ids.ts';
import { parseSealedName, type SegmentRange } from '../journal/names.ts';
import type { Platform } from '../platform/platform.ts';
import { judge, planInbox, type InboxEntry, type InboxPlan, type InboxStep } from './inbox-plan.ts';

/** Milliseconds. A missed event costs one rescan. */
export const RESCAN = 2000;
/** Where more names wait behind a hole than this, an event alone is no reason to list them all again. */
const LISTED_FREELY = 1000;

/** Names that are looked at: the first of them in the journal's order, which what is next is always among. */
export const NAMES_MAX = 100_000;

interface KnownFile {
  readonly range: SegmentRange;
  readonly bytes: number;
}

/** How far the journal is. */
export interface InboxPosition {
  readonly received: Lsn;
  readonly epoch: Epoch | undefined;
}

export class Inbox {
  readonly #platform: Pick<Platform, 'clock' | 'files'>;
  readonly #folder: string;
  readonly #known = new Map<string, KnownFile>();
  #bytes = 0;
  #otherBytes = 0;
  #foreign: InboxStep[] = [];
  #queue: InboxEntry[] = [];
  /** Of the queue, the first that is not done with. */
  #at = 0;
  #missing: InboxPlan['missing'] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;
  #hasNews = true;
  #listed = 0;

  constructor(platform: Pick<Platform, 'clock' | 'files'>, folder: string) {
    this.#platform = platform;
    this.#folder = folder;
  }

  /** What lies in it, partly arrived files included. */
  get bytes(): number {
    return this.#bytes + this.#otherBytes;
  }

  /** Of these, what is no segment: most is one that is still arriving. */
  get arriving(): number {
    return this.#otherBytes;
  }

  /** Segments that wait for their turn. */
  get waiting(): number {
    return this.#queue.length - this.#at;
  }

  /** Ranges between what was received and what came early, as of the last look. */
  get missing(): InboxPlan['missing'] {
    return this.#missing;
  }

  /** How many names there are, when they are more than are looked at. */
  get crowd(): number | undefined {
    return this.#listed > NAMES_MAX ? this.#listed : undefined;
  }

  /** Something may have arrived, or is not as it was believed to be. */
  note(): void {
    this.#hasNews = true;
  }

  isDue(received: Lsn): boolean {
    if (this.#platform.clock.monotonic() - this.#lookedAt >= RESCAN) return true;
    return this.#hasNews && this.waiting <= LISTED_FREELY && this.step(received) === undefined;
  }

  /** Reads the folder afresh. True when what is missing is not what it was. */
  look({ received, epoch }: InboxPosition): boolean {
    this.#hasNews = false;
    this.#lookedAt = this.#platform.clock.monotonic();
    const names = this.#platform.files.list(this.#folder);
    this.#listed = names.length;
    // Epoch and LSN have a fixed width in a name: by name is by the journal's order.
    this.#learn(names.length > NAMES_MAX ? names.sort().slice(0, NAMES_MAX) : names);
    const entries = [...this.#known].map(([name, { range }]) => ({ name, range }));
    const plan = planInbox(entries, received, epoch);
    const before = JSON.stringify(this.#missing);
    this.#foreign = [...plan.foreign];
    this.#queue = [...plan.queue];
    this.#at = 0;
    this.#missing = plan.missing;
    return JSON.stringify(plan.missing) !== before;
  }

  /** What to do next; undefined when nothing can be done with what is known to be there. */
  step(received: Lsn): InboxStep | undefined {
    const first = this.#queue[this.#at];
    return this.#foreign[0] ?? (first && judge(first, received));
  }

  /** What can be received next, each right behind the one before, so many at most. */
  run(received: Lsn, most: number): InboxEntry[] {
    const run: InboxEntry[] = [];
    let reached = received;
    for (const entry of this.#queue.slice(this.#at, this.#at + most)) {
      if (entry.range.first !== reached + 1) break;
      run.push(entry);
      reached = entry.range.last;
    }
    return run;
  }

  /** The first that waits for what lies before it. */
  first(received: Lsn): InboxEntry | undefined {
    return this.#queue.slice(this.#at).find(({ range }) => range.first > received);
  }

  /** What came first is done with: its file lies here no longer. */
  taken(entry: InboxEntry): void {
    if (this.#foreign[0]?.entry === entry) this.#foreign.shift();
    else this.#at += 1;
    this.#forget(entry.name);
  }

  /** The last quarter of what waits behind a hole, no longer counted as lying here. */
  giveUp(): InboxEntry[] {
    const given = this.#queue.splice(this.#queue.length - Math.ceil(this.waiting / 4));
    for (const { name } of given) this.#forget(name);
    return given;
  }

  #learn(names: readonly string[]): void {
    const there = new Set(names);
    for (const name of this.#known.keys()) if (!there.has(name)) this.#forget(name);
    this.#otherBytes = 0;
    for (const name of names) {
      const range = parseSealedName(name);
      // It may grow: its size is asked every time.
      if (range === undefined) this.#otherBytes += this.#sizeOf(name);
      else if (!this.#known.has(name)) {
        const bytes = this.#sizeOf(name);
        this.#known.set(name, { range, bytes });
        this.#bytes += bytes;
      }
    }
  }

  #forget(name: string): void {
    this.#bytes -= this.#known.get(name)?.bytes ?? 0;
    this.#known.delete(name);
  }

  #sizeOf(name: string): number {
    return this.#platform.files.stat(join(this.#folder, name))?.size ?? 0;
  }
}
