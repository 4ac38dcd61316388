/**
 * A source group as a whole: takes each closed raw segment through sealing and destaging, keeps the buffer within its
 * quota, frees what nobody needs any more (I5), and says why anything waits.
 */
import type { InitializeRequest } from '../../api/contract/initialize.ts';
import type { CopyStatus, IntervalStatus, SourceMode as ModeName } from '../../api/contract/status.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import type { MarkerPayload } from '../../journal/record.ts';
import type { MediumChange } from '../../capture/medium-changes.ts';
import type { MediumReport } from '../../capture/medium-watch.ts';
import type { GroupIdentity, Lsn } from '../../journal/ids.ts';
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import { isShippedConsistent, isShippedToEnd } from '../../journal/seal.ts';
import type { SourceCheckpoint } from '../../journal/source-files.ts';
import type { Resync } from '../../journal/status.ts';
import { describeError, errorCode } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { VolumeStatus } from '../../api/contract/status.ts';
import type { Platform } from '../../platform/platform.ts';
import type { Remote } from '../../platform/node/threads.ts';
import { Waits } from '../../platform/waits.ts';
import { observed, rateOf, type Trend } from '../alarms/alarm-trend.ts';
import { drain, settle, type Draining } from './drain.ts';
import { journalRoomText } from '../buffer/journal-room.ts';
import { RawStages, type QueuedRaw, type RawStage } from './raw-stages.ts';
import { DESTAGE_WAITS, waitOf } from './stage-waits.ts';
import { Coalescing, type BufferedSegment, type CoalescingReport } from './coalescing.ts';
import { Freeing } from './freeing.ts';
import { ReplicationFiles } from './replication-files.ts';
import type { SealedFile } from '../source-back/sealed-file.ts';
import { nothingToMark, PlacedMarkers } from './placed-markers.ts';
import type { OpenedBack } from '../source-back/source-back-facts.ts';
import type { ReplicationMode } from './replication-mode.ts';
import type { SourceHost } from './source-host.ts';
import { SourceInterval } from './source-interval.ts';
import { SourcePoints } from './source-points.ts';
import type { SourceWorker } from '../source-back/source-worker.ts';
import { Seeding } from './seeding.ts';
import { SourceMode, type SourceModeOptions } from './source-mode.ts';

const HOUSEKEEPING = 500;
/** Milliseconds that sealing and destaging are waited for when another takes over. */
const GIVE_WAY_LIMIT = 2000;
/** Milliseconds after which a step that has not ended is called stalled. */
const STALLED = 30_000;

/** Segments whose room merging leaves alone. */
const SEALING_RESERVE = 4;

export interface SourceGroupOptions extends Omit<SourceModeOptions, 'clock' | 'used' | 'unsealed' | 'free'> {
  readonly group: GroupIdentity;
  readonly folder: string;
  /** What every destination has durably received; `LSN_NONE` while one has said nothing. Undefined: no destinations. */
  readonly received: () => Lsn | undefined;
  /** Whether a link reads the replication file of this name. */
  readonly isSending: (name: string) => boolean;
  /** As `received`, of what is in their volumes. */
  readonly applied: () => Lsn | undefined;
  /** Milliseconds between the points that are brought over; undefined: every write goes over in order. */
  readonly every: number | undefined;
  readonly keepsSnapshots: boolean;
  /** Snapshots, for want of room. */
  readonly mayGiveUp: () => boolean;
  readonly volumes: readonly Pick<VolumeStatus, 'size'>[];
  /** Raw segments that the hosts' thread has at most. */
  readonly rawsMax: number;
  readonly onSealed: () => void;
  /** The last record that any link has begun to send. Undefined: the backlog is not to be coalesced. */
  readonly begun: () => Lsn | undefined;
}

export class SourceGroup {
  /** What is carried to the destinations on drives; undefined where what changed goes over on an interval. */
  readonly seeding: Seeding | undefined;
  /** Snapshots of its own; undefined: it keeps none. */
  readonly points: SourcePoints | undefined;
  readonly #platform: Pick<Platform, 'clock' | 'files'>;
  readonly #log: Log;
  readonly #host: Remote<SourceHost>;
  readonly #back: Remote<SourceWorker>;
  readonly #options: SourceGroupOptions;
  readonly waits: Waits;
  readonly #files: ReplicationFiles;
  readonly #freeing: Freeing;
  #checkpoint: SourceCheckpoint;
  #medium: MediumReport;
  readonly #stages: RawStages;
  readonly #mode: ReplicationMode;
  readonly #markers: PlacedMarkers;
  readonly #coalescing: Coalescing;
  /** Raw segments, since the start, and how their number grew. */
  #closed = 0;
  #closings: Trend = [];
  #stopping = false;
  #failed: string | undefined;
  #timer: { cancel(): void } | undefined;

  constructor(
    platform: Pick<Platform, 'clock' | 'files' | 'random'>,
    log: Log,
    threads: { readonly host: Remote<SourceHost>; readonly back: Remote<SourceWorker> },
    opened: OpenedBack,
    options: SourceGroupOptions,
  ) {
    this.#platform = platform;
    this.#log = log;
    this.#host = threads.host;
    this.#back = threads.back;
    this.#options = options;
    this.#files = new ReplicationFiles(opened.sealed, platform.clock.monotonic());
    this.#checkpoint = opened.checkpoint;
    this.#medium = opened.medium;
    this.waits = new Waits(platform.clock);
    this.#markers = new PlacedMarkers(options.group.name);
    const { every, quota, begun, segmentBytesMax } = options;
    const free = (): number => platform.files.freeSpace(options.folder);
    const of = { ...options, clock: platform.clock, used: (): number => this.bufferUsed, free };
    const freed = { files: this.#files, back: threads.back, applied: (): Lsn => this.#checkpoint.applied };
    this.#freeing = new Freeing({ ...of, ...freed });
    this.#mode =
      every === undefined
        ? new SourceMode(log, this.waits, threads, opened, { ...of, unsealed: () => this.#stages.unsealed })
        : new SourceInterval(log, this.waits, threads, opened, { ...of, every });
    const [{ clock, files }, { back }] = [platform, threads];
    if (this.#mode instanceof SourceMode)
      this.seeding = new Seeding({ ...platform, ...options, log, waits: this.waits, back, mode: this.#mode });
    const [count, undestaged] = [opened.snapshots, (): number => this.#stages.left().destage];
    const given = { ...options, ...threads, clock, log, waits: this.waits };
    if (options.keepsSnapshots) this.points = new SourcePoints({ ...given, count, undestaged });
    this.#coalescing = new Coalescing({
      clock,
      log,
      back,
      quota,
      begun,
      room: () => files.freeSpace(options.folder) - SEALING_RESERVE * segmentBytesMax,
      segments: () => this.#files.all,
      onMerged: (run, merged) => this.#replace(run, merged),
    });
    this.#stages = new RawStages(platform.clock, {
      seal: (item) => this.#seal(item),
      destage: (item) => this.#destage(item),
      release: (item) => this.#release(item),
      onFailed: (stage, error) => this.#onStageFailed(stage, error),
    });
  }

  /** Segments to send, in order; none of those that are being replaced at this moment. */
  get sealed(): readonly SealedFile[] {
    const { held } = this.#coalescing;
    const { all } = this.#files;
    return held === undefined ? all : all.filter(({ range }) => range.first < held);
  }

  /** What was coalesced since the start, and what of it is in the buffer: there is no recovery point inside these ranges. */
  get coalesced(): CoalescingReport & { readonly ranges: readonly { first: Lsn; last: Lsn }[] } {
    return { ...this.#coalescing.report, ranges: this.#files.mergedRanges };
  }

  get checkpoint(): SourceCheckpoint {
    return this.#checkpoint;
  }

  /** Where its own volumes hold what no host wrote, as of the checkpoint. */
  get medium(): MediumReport {
    return this.#medium;
  }

  /** That is right where a record up to this one told of it. Durable on return. @throws the file system's errors */
  async acceptMedium(upTo: Lsn): Promise<readonly MediumChange[]> {
    const { accepted, medium } = await this.#back.acceptMedium(upTo);
    this.#medium = medium;
    return accepted;
  }

  get bufferUsed(): number {
    return this.#files.bytes;
  }

  get mode(): ModeName {
    return this.#failed === undefined ? this.#mode.mode : 'stopped';
  }

  /** Of what the change map has marked; undefined when that is nothing and every write goes over in order. */
  get copy(): CopyStatus | undefined {
    return this.#mode.copy;
  }

  /** Undefined where every write goes over in order. */
  get interval(): IntervalStatus | undefined {
    return this.#mode.interval;
  }

  /** The newest record that destinations are to get; `last` is the newest there is. */
  lastToShip(last: Lsn): Lsn {
    return this.#mode.lastToShip(last);
  }

  /** Milliseconds, from now on. */
  setEvery(every: number): void {
    this.#mode.setEvery(every);
  }

  start(): void {
    this.#housekeep(0);
  }

  /** A raw segment is closed and durable. */
  closed(raw: ClosedRaw, generation: number): void {
    this.#mode.closed(raw.last);
    this.#closed += 1;
    this.#closings = observed(this.#closings, { at: this.#platform.clock.monotonic(), value: this.#closed });
    this.#stages.add({ raw, generation });
  }

  /** What was marked is in the journal up to this init-end record. */
  copied(end: Lsn): void {
    this.#mode.copied(end);
  }

  /** What comes next is copied as of this point. */
  pointCut(point: CopyPoint): void {
    this.#mode.pointCut(point);
    this.points?.pointCut(point);
  }

  /** All that the volumes hold is brought over, again. Durable on return. @throws the file system's errors */
  initialize({ compare }: InitializeRequest): Promise<void> {
    return this.#mode.bringOver(() => this.#back.markAll(compare));
  }

  /** Whether whoever has all up to this record has all that was copied, and nothing more is being copied. */
  isBroughtTo(applied: Lsn): boolean {
    return this.mode === 'journal' && applied >= this.#checkpoint.copyEnded;
  }

  /** What a destination asked for is brought over with the next copy; on an interval nothing is compared. Durable on return. @throws the file system's errors */
  resync(wanted: Resync, note: () => Promise<void>): Promise<void> {
    return this.#mode.bringOver(async () => {
      const compares = wanted.compare === true && this.#options.every === undefined;
      const toBring = await this.#back.markWanted(wanted, compares);
      await note();
      return toBring;
    });
  }

  /** Hosts are let go, and nobody comes any more. */
  stopServing(): Promise<void> {
    return this.#host.stopServing();
  }

  /** The copy stands still and says why; undefined: it goes on. */
  copyTrouble(message: string | undefined): void {
    if (message === undefined) this.waits.clear('copy-failed');
    else this.waits.raise('copy-failed', `the copy waits: ${message}`);
  }

  /** What nothing tells of itself. `isStalled`: the hosts' thread does not answer; `isWaitedFor`: a write waits for room in the journal. */
  lookAround(hosts: { readonly isStalled: boolean; readonly isWaitedFor: boolean }): void {
    const room = `what is written waits until one of the ${this.#options.rawsMax} journal segments is in the source's own volumes`;
    if (hosts.isWaitedFor) this.waits.raise('hosts-waiting', room);
    else this.waits.clear('hosts-waiting');
    const slow = this.#stages.takesLonger(STALLED);
    if (!hosts.isStalled && slow === undefined) {
      this.waits.clear('source-stalled');
      return;
    }
    const what = hosts.isStalled
      ? 'the hosts’ thread does not answer'
      : `to ${slow} takes longer than ${STALLED / 1000} seconds`;
    this.waits.raise('source-stalled', `${what}: see whether the disks of the buffer and the volumes answer`);
  }

  failed(message: string, remedy: string): void {
    this.#failed = message;
    this.#markers.stop();
    this.waits.raise('journal-failed', `${message}; ${remedy}`);
  }

  /** Resolves when it is sure to fire. @throws OperatorError `GROUP_NOT_CONSISTENT` while there can be no recovery point */
  async placeMarker(marker: MarkerPayload): Promise<{ readonly lsn: Lsn; readonly time: number }> {
    return this.#markers.follow(() => {
      const placed = this.#failed === undefined ? this.#mode.placeMarker(marker) : undefined;
      if (placed !== undefined) return placed;
      throw nothingToMark(this.#options.group.name, this.mode);
    });
  }

  /** A destination confirmed more. */
  wake(): void {
    void this.#freeing.free().catch((error: unknown) => this.#log.warn(describeError(error)));
  }

  /**
   * Resolves when every closed segment is sealed and destaged, or when there is nothing to gain by waiting: a volume is
   * offline, say, or it takes too long. The journal is durable then, and what is left is replayed at the next start.
   * @throws OperatorError what kept the journal from becoming durable; the group has stopped all the same
   */
  async stop(): Promise<void> {
    try {
      await this.seeding?.stop();
      await drain(this.#draining);
    } finally {
      await this.#end();
    }
  }

  /**
   * Another takes over; hosts, who are held, are kept. What is not sealed or destaged within a moment is in the journal, for
   * the other. Nothing is under way any more when this resolves.
   */
  async giveWay(): Promise<void> {
    await this.seeding?.stop();
    await this.#stages.settledWithin(GIVE_WAY_LIMIT);
    await this.#end();
    await this.#stages.settled();
  }

  async #end(): Promise<void> {
    this.#stopping = true;
    this.#stages.stop();
    this.#markers.stop();
    this.points?.stop();
    this.#mode.stop();
    await this.#coalescing.stop();
    this.#timer?.cancel();
  }

  /**
   * All that there is is sealed and in the source's own volumes; nobody may be served any more. False: something stands in
   * the way, which the waits say. @throws OperatorError `JOURNAL_FAILED`, `JOURNAL_OPEN`
   */
  settle(): Promise<boolean> {
    return settle(this.#draining);
  }

  get #draining(): Draining {
    const [host, stages, log] = [this.#host, this.#stages, this.#log];
    return { host, stages, log, waits: this.waits, applied: () => this.#checkpoint.applied };
  }

  async #seal(items: readonly QueuedRaw[]): Promise<number> {
    const raws = items.map(({ raw }) => raw);
    const result = await this.#back.seal(raws, this.#mode.shipping);
    const { sealed, checkpoint } = result;
    if (this.#files.add(result.files, this.#platform.clock.monotonic())) this.#options.onSealed();
    const fires = isShippedToEnd(checkpoint) && isShippedConsistent(checkpoint);
    for (const raw of raws.slice(0, sealed)) {
      await this.#mode.sealed(result, raw);
      this.#markers.sealed(raw.last, fires ? 'shipped' : 'lost');
    }
    this.waits.clear('seal-failed');
    await this.#mode.diskHasRoom();
    await this.#mode.govern();
    return sealed;
  }

  async #destage({ raw }: QueuedRaw): Promise<void> {
    const { checkpoint, medium } = await (this.points?.apply(raw) ?? this.#back.apply(raw));
    [this.#checkpoint, this.#medium] = [checkpoint, medium];
    await this.#mode.destaged(raw.last);
    await this.points?.destaged(raw.last);
    for (const wait of DESTAGE_WAITS) this.waits.clear(wait);
  }

  async #release({ raw, generation }: QueuedRaw): Promise<void> {
    await this.#host.destaged(generation);
    await this.#host.release(raw.path);
    this.waits.clear('release-failed');
    // No part of the stage: its file is given back already, and cannot be a second time.
    this.wake();
  }

  #onStageFailed(stage: RawStage, error: unknown): void {
    const code = errorCode(error);
    if (stage === 'seal' && (code === 'ENOSPC' || code === 'EDQUOT')) {
      const sentence = `the file system of ${this.#options.folder} is full: a replication file could not be written`;
      this.#mode.diskFull(sentence).catch((failure: unknown) => this.#log.warn(describeError(failure)));
      return;
    }
    const text = describeError(error);
    this.#log.debug(text, { code });
    this.waits.raise(waitOf(stage, code), stage === 'seal' ? text : `${text}; ${this.#journalRoom()}`);
  }

  #journalRoom(): string {
    const at = this.#platform.clock.monotonic();
    const closed = this.#stages.left().destage;
    const rate = rateOf(observed(this.#closings, { at, value: this.#closed }));
    return journalRoomText({ segmentsMax: this.#options.rawsMax, closed, rate });
  }

  #replace(run: readonly BufferedSegment[], merged: BufferedSegment): void {
    this.#files.replace(run, merged);
    // Once the links see it: what they wait for behind it is not held any more either.
    queueMicrotask(() => this.#options.onSealed());
  }

  /** Also moves what no event moves: a copy that is due at the start, a disk that has room again, a quota that is free again. */
  #housekeep(delay: number): void {
    this.#timer = this.#platform.clock.after(delay, () => {
      this.points?.tidy();
      void this.#freeing
        .tidy()
        .then(() => this.#mode.govern())
        .then(() => this.#coalescing.look())
        .catch((error: unknown) => this.#log.warn(describeError(error)))
        .then(() => {
          if (!this.#stopping) this.#housekeep(HOUSEKEEPING);
        });
    });
  }
}
