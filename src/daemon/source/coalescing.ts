/**
 * Merges what of a backlog no link has begun to send, in the background. A link that begins to send any of it wins.
 *
 * Any-point granularity is given up inside what was merged; recovery points stay (I3), as nothing is merged across a marker.
 */
import { planCoalescing } from '../../journal/coalesce-plan.ts';
import { LSN_NONE, type Lsn } from '../../journal/ids.ts';
import { sleep, type Clock } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { SealedFile } from '../source-back/sealed-file.ts';
import type { SourceBack } from '../source-back/source-back.ts';

/** Bytes of a merged segment at most: half of what a receiver takes. A hot region that is larger is sent more than once. */
const MERGED_BYTES_MAX = 2 * 1024 * 1024 * 1024;
/** Of the buffer's quota: the destination's may be no larger. */
const MERGED_QUOTA_SHARE = 1 / 4;
/** Of the back thread's time that merging takes at most; a single step holds up sealing and destaging by one frame. */
const TIME_SHARE = 1 / 4;

export interface BufferedSegment extends SealedFile {
  /** When it was sealed: monotonic milliseconds. */
  readonly sealedAt: number;
}

export interface CoalescingOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly back: Pick<Remote<SourceBack>, 'beginMerge' | 'stepMerge' | 'commitMerge' | 'dropMerge'>;
  /** The buffer's, bytes. */
  readonly quota: () => number;
  /** Bytes that may be taken of the file system without sealing running out of room. */
  readonly room: () => number;
  /** In order. */
  readonly segments: () => readonly BufferedSegment[];
  /** The last record that any link has begun to send. Undefined: there are no links. */
  readonly begun: () => Lsn | undefined;
  readonly onMerged: (run: readonly BufferedSegment[], merged: BufferedSegment) => void;
}

/** What was merged since the start. */
export interface CoalescingReport {
  readonly segments: number;
  /** Of replication files that are not there any more and need not be sent. */
  readonly bytesSaved: number;
}

export class Coalescing {
  readonly #options: CoalescingOptions;
  readonly #stopped = new AbortController();
  readonly #tried = new Map<string, number>();
  #merging: Promise<void> | undefined;
  #held: Lsn | undefined;
  #segments = 0;
  #bytesSaved = 0;

  constructor(options: CoalescingOptions) {
    this.#options = options;
  }

  /** The first record of what is being replaced at this moment: nothing from there on may be begun to be sent. */
  get held(): Lsn | undefined {
    return this.#held;
  }

  get report(): CoalescingReport {
    return { segments: this.#segments, bytesSaved: this.#bytesSaved };
  }

  /** Begins a merge if there is one to begin and none is under way. */
  look(): void {
    if (this.#merging !== undefined || this.#stopped.signal.aborted) return;
    const run = this.#plan();
    if (run === undefined) return;
    this.#merging = this.#merge(run)
      .catch((error: unknown) => this.#failed(run, error))
      .finally(() => (this.#merging = undefined));
  }

  /** What is under way is given up. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#merging;
  }

  #plan(): readonly BufferedSegment[] | undefined {
    const begun = this.#options.begun();
    if (begun === undefined) return undefined;
    const all = this.#options.segments();
    const names = new Set(all.map(({ name }) => name));
    for (const name of this.#tried.keys()) if (!names.has(name)) this.#tried.delete(name);
    const bytesMax = Math.min(MERGED_BYTES_MAX, this.#options.quota() * MERGED_QUOTA_SHARE);
    const segments = all.filter(({ range }) => range.first > begun);
    const now = this.#options.clock.monotonic();
    const run = planCoalescing({ now, segments, tried: this.#tried, bytesMax });
    return run === undefined || this.#options.room() < bytesOf(run) ? undefined : run;
  }

  async #merge(run: readonly BufferedSegment[]): Promise<void> {
    const { clock, back, room } = this.#options;
    await back.beginMerge(run);
    for (;;) {
      const before = clock.monotonic();
      const step = await back.stepMerge();
      if (step.kind === 'useless') this.#tried.set(run[0]?.name ?? '', bytesOf(run));
      if (step.kind === 'ready' && (await this.#commit(run.slice(0, step.merged)))) return;
      if (step.kind !== 'more' || !this.#isFree(run) || room() <= 0) break;
      const took = clock.monotonic() - before;
      await sleep(clock, Math.max(1, took * (1 / TIME_SHARE - 1)), this.#stopped.signal);
      if (this.#isStopped()) break;
    }
    await back.dropMerge();
  }

  /** From the check on, which nothing comes between, no link begins to send what is replaced. */
  async #commit(run: readonly BufferedSegment[]): Promise<boolean> {
    const first = run[0];
    if (first === undefined || !this.#isFree(run) || this.#isStopped()) return false;
    this.#held = first.range.first;
    try {
      const merged = await this.#options.back.commitMerge();
      this.#options.onMerged(run, { ...merged, sealedAt: first.sealedAt });
      this.#segments += run.reduce((sum, segment) => sum + (segment.merged === undefined ? 1 : 0), 0);
      this.#bytesSaved += bytesOf(run) - merged.bytes;
      const { range, bytes } = merged;
      this.#options.log.info('backlog coalesced: records between these cannot be recovery points', {
        first: range.first,
        last: range.last,
        segments: run.length,
        bytesBefore: bytesOf(run),
        bytes,
      });
      return true;
    } finally {
      this.#held = undefined;
    }
  }

  #isFree(run: readonly BufferedSegment[]): boolean {
    const there = new Set(this.#options.segments());
    const begun = this.#options.begun() ?? LSN_NONE;
    return run.every((segment) => there.has(segment) && segment.range.first > begun);
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** It is tried again when there is more to gain: the segments are as good as they were. */
  async #failed(run: readonly BufferedSegment[], error: unknown): Promise<void> {
    this.#tried.set(run[0]?.name ?? '', bytesOf(run));
    this.#options.log.warn(
      `the backlog could not be coalesced, and is sent as it is: ${describeError(error)}`,
    );
    await this.#options.back.dropMerge().catch(() => undefined);
  }
}

function bytesOf(run: readonly SealedFile[]): number {
  return run.reduce((sum, { bytes }) => sum + bytes, 0);
}
