/**
 * A source group's host path: what hosts write goes into the journal, what they read comes from the undestaged journal and
 * the volumes. Runs on a thread of its own; nothing here waits for a medium but `flush`.
 */
import { join } from 'node:path';
import { describeError, OperatorError } from '../platform/errors.ts';
import type { Platform } from '../platform/platform.ts';
import type { CopyPoint } from '../journal/copy-point.ts';
import type { HandoverPayload } from '../journal/handover.ts';
import type { EpochIdentity, Lsn, VolumeIndex } from '../journal/ids.ts';
import { JOURNAL_FOLDER } from '../journal/names.ts';
import type { ClosedRaw } from '../journal/raw-segment.ts';
import { RecordKind, type AttachPayload, type MarkerPayload } from '../journal/record.ts';
import { HostError, type HostVolume } from '../nbd/front-end.ts';
import type { MarkedVolume } from './change-map.ts';
import { Patrol, type MendRange, type PatrolOrder, type PatrolProgress } from './patrol.ts';
import { appendZeros, roomIn } from './append-zeros.ts';
import { ComparedWindows } from './compared-windows.ts';
import type { AskedWindow, ComparingCopy } from './comparing-copy.ts';
import { JournalWriter } from './journal-writer.ts';
import { NamedResync } from './named-resync.ts';
import { PointCopier } from './point-copier.ts';
import { RAWS_SURE } from './raw-pool.ts';
import { makeDurable, recoverRaws, type RecoveredRaws } from './recover.ts';
import { RegionCopy, type RegionCopyOptions } from './region-copy.ts';
import { reindex } from './reindex.ts';
import { CapturedVolume, type VolumeOptions } from './captured-volume.ts';

export interface GroupHostOptions {
  readonly name: string;
  /** The group's folder. */
  readonly folder: string;
  readonly segmentSize: number;
  readonly segmentAge: number;
  /** Raw segments at most, the open one included. */
  readonly rawsMax: number;
  readonly epoch: EpochIdentity;
  readonly volumes: readonly VolumeOptions[];
  /** Sealed and destaged up to here. */
  readonly done: Lsn;
  /** The newest resync whose regions are marked: every copy from now on brings them. */
  readonly resync?: string | undefined;
}

export interface GroupHostEvents {
  /** A raw segment is complete and durable. Its generation is given back to `destaged` and `release`. */
  readonly onClosed: (raw: ClosedRaw, generation: number) => void;
  /** All that was marked has been brought over, durably in the journal up to this init-end record. */
  readonly onCopied: (end: Lsn) => void;
  /** The copy stands still and says why; undefined: it goes on. */
  readonly onCopyTrouble: (message: string | undefined) => void;
  /** A point is cut that a copy is to be as of: the segment that ends with it is handed on after this. */
  readonly onPoint: (point: CopyPoint) => void;
  readonly onPatrol: (progress: PatrolProgress) => void;
  readonly onMended: (range: MendRange, lsn: Lsn) => void;
  /** The patrol stands still and says why; undefined: it goes on. */
  readonly onPatrolTrouble: (message: string | undefined) => void;
  readonly onFailed: (message: string, remedy: string) => void;
}

export interface GroupHostStatus {
  readonly lsn: Lsn;
  readonly durableLsn: Lsn;
  readonly undestagedExtents: number;
  /** Whether a write waits for room in the journal. */
  readonly isWaitedFor: boolean;
}

export interface PlacedMarker {
  readonly lsn: Lsn;
  /** The source's clock, milliseconds since 1970. */
  readonly time: number;
}

/** Generations of an earlier run's raw segments lie below those of this run, which start at 1. */
const RECOVERED_GENERATION = -1_000_000;
/** Milliseconds until the end of a copy that could not be journalled is tried again. */
const END_RETRY = 2000;

export class GroupHost {
  readonly volumes: readonly HostVolume[];
  readonly #options: GroupHostOptions;
  readonly #events: GroupHostEvents;
  readonly #platform: Pick<Platform, 'clock' | 'files' | 'random'>;
  readonly #writer: JournalWriter;
  readonly #captured: readonly CapturedVolume[];
  readonly #patrol: Patrol;
  /** Copies as of one point in time. */
  readonly points: PointCopier;
  /** Of a copy that compares. */
  readonly windows = new ComparedWindows();
  #refusal: HostError | undefined;
  readonly #resync: NamedResync;
  #copy: RegionCopy | ComparingCopy | undefined;
  /** What is handed over, and not called off. */
  #handover: HandoverPayload | undefined;
  /** Counts up with every copy that is begun or stopped: what an older one still waits for is called off. */
  #copies = 0;
  /** The copy stands still once so many bytes are in the journal, as `#appended` counts them. */
  #copyLimit = Number.MAX_SAFE_INTEGER;
  readonly #recoveredBytes: number;
  /** Bytes of each volume as the journal has it; hosts may not know of it yet. */
  readonly #sizes: Map<VolumeIndex, number>;

  constructor(
    platform: Pick<Platform, 'clock' | 'files' | 'random'>,
    options: GroupHostOptions,
    events: GroupHostEvents,
  ) {
    this.#platform = platform;
    this.#options = options;
    this.#events = events;
    this.#resync = new NamedResync(options.resync);
    this.#sizes = new Map(options.volumes.map(({ index, size }) => [index, size]));
    const folder = join(options.folder, JOURNAL_FOLDER);
    platform.files.makeDirectory(folder);
    this.#captured = options.volumes.map((volume) => new CapturedVolume(platform.files, volume, this));
    this.volumes = this.#captured;
    const recovered = this.#recover(folder);
    this.#recoveredBytes = recovered.raws.reduce((sum, { end }) => sum + end, 0);
    this.#writer = new JournalWriter({
      ...platform,
      ...options,
      folder,
      next: (recovered.last + 1) as Lsn,
      recovered: recovered.raws.map(({ path }, i) => ({ path, generation: RECOVERED_GENERATION + i })),
      extents: () => this.#extents(),
      onClosed: events.onClosed,
      onFailed: (error) => this.#onFailed(error),
    });
    this.#patrol = new Patrol({
      clock: platform.clock,
      volumes: this.#captured,
      writer: this.#writer,
      blocked: () => this.#copy !== undefined || this.#refusal !== undefined,
      onProgress: events.onPatrol,
      onMended: events.onMended,
      onTrouble: (error) => events.onPatrolTrouble(error === undefined ? undefined : describeError(error)),
    });
    this.points = new PointCopier({
      clock: platform.clock,
      volumes: this.#captured,
      writer: this.#writer,
      attached: () => this.#attached(),
      resync: this.#resync,
      paused: () => this.#isCopyPaused(),
      onPoint: events.onPoint,
    });
    this.#handOn(recovered);
  }

  get writer(): JournalWriter {
    return this.#writer;
  }

  get refusal(): HostError | undefined {
    return this.#refusal;
  }

  /** Hosts' writes fail with this from now on; undefined: they are taken again. */
  refuse(reason: { readonly code: 'ENOSPC' | 'EIO'; readonly message: string } | undefined): void {
    this.#refusal = reason === undefined ? undefined : new HostError(reason.code, reason.message);
    this.#writer.wakeWaiting();
  }

  /** The regions of a resync are marked, durably: copies that begin from now on bring them. */
  setResync = (id: string): void => this.#resync.set(id);

  /** All of the group's volumes, from the next record on. */
  async attach(): Promise<void> {
    await roomIn(this.#writer);
    this.#control(RecordKind.attach, this.#attached(), 0);
    for (const { index, grewFrom, size } of this.#options.volumes)
      if (grewFrom !== undefined) await appendZeros(this.#writer, index, { start: grewFrom, end: size });
    await this.#writer.durable();
  }

  /**
   * In the journal the volume has so many bytes from the next record on, and zeros from `from` on, which its file holds
   * already. Durable on return; hosts see nothing of it until `offer`.
   */
  async grow(index: VolumeIndex, from: number, size: number): Promise<void> {
    await roomIn(this.#writer);
    const payload = Buffer.alloc(0);
    this.#writer.append({ kind: RecordKind.resize, volume: index, flags: 0, offset: size, payload });
    this.#sizes.set(index, size);
    await appendZeros(this.#writer, index, { start: from, end: size });
    await this.#writer.durable();
  }

  /** Hosts that connect from now on see a volume of so many bytes. */
  offer(index: VolumeIndex, size: number): void {
    this.#captured.find(({ volumeIndex }) => volumeIndex === index)?.grow(size);
  }

  /**
   * The destinations are not consistent from the record on whose LSN this resolves with, and its segment is closed: once
   * that is sealed, what is marked can be handed to `copy`. Undefined when it was called off meanwhile.
   * @param seed the id of the seed that the copy rests on
   */
  async beginCopy(seed?: string): Promise<Lsn | undefined> {
    this.stopCopy();
    const mine = this.#copies;
    for (let wait = this.#writer.closable(); wait !== undefined; wait = this.#writer.closable()) await wait;
    if (this.#copies !== mine) return undefined;
    const begin = this.#control(RecordKind.initBegin, { seed, ...this.#resync.name() }, 0);
    // Again, in the same breath: an earlier one may lie in a gap that is never shipped, before this record.
    this.#control(RecordKind.attach, this.#attached(), 0);
    this.#writer.close();
    return begin;
  }

  /** What is marked is brought over through the journal, in step with what hosts write. */
  copy(marked: readonly MarkedVolume[]): void {
    this.stopCopy();
    this.#copy = new RegionCopy(this.#copyOptions(marked));
    this.#copy.start();
  }

  /** The same, where it differs from what destinations hold. Resolves with the first window that it asks them about. */
  compare(marked: readonly MarkedVolume[]): Promise<AskedWindow | undefined> {
    this.stopCopy();
    const { copy, asked } = this.windows.begin(this.#copyOptions(marked));
    this.#copy = copy;
    copy.start();
    return asked;
  }

  #copyOptions(marked: readonly MarkedVolume[]): RegionCopyOptions {
    const mine = this.#copies;
    return {
      clock: this.#platform.clock,
      volumes: this.#captured,
      marked,
      writer: this.#writer,
      paused: () => this.#isCopyPaused(),
      onDone: () => void this.#endCopy(mine),
      onTrouble: (error) =>
        this.#events.onCopyTrouble(error === undefined ? undefined : describeError(error)),
    };
  }

  /** Nothing more is copied; what has been is in the journal. */
  stopCopy(): void {
    this.#copies += 1;
    this.#copy?.stop();
    this.#copy = undefined;
    this.windows.end();
    this.points.stop();
  }

  /** `bytes`: of all raw segments that were handed on and the open one, since the start. */
  limitCopy(bytes: number): void {
    this.#copyLimit = bytes;
  }

  /** The room that there is for a burst is the hosts': what they write during a copy is not to be behind so much of it. */
  #isCopyPaused(): boolean {
    if (this.#writer.rawsInUse > RAWS_SURE) return true;
    return this.#recoveredBytes + this.#writer.appended >= this.#copyLimit;
  }

  #attached(): AttachPayload {
    const { volumes } = this.#options;
    return {
      volumes: volumes.map(({ index, name, size }) => ({
        index,
        name,
        size: this.#sizes.get(index) ?? size,
      })),
    };
  }

  /** A pass over all volumes, in place of one that is under way; undefined: none. */
  patrol(order: PatrolOrder | undefined): void {
    if (order === undefined) this.#patrol.end();
    else this.#patrol.begin(order);
  }

  /** The range is sent again, in step with what hosts write. */
  mend(range: MendRange): void {
    this.#patrol.mend(range);
  }

  /** One record for all volumes, and the last of its segment (I3): what was acknowledged before the call lies before it. */
  async placeMarker(marker: MarkerPayload): Promise<PlacedMarker> {
    const time = this.#platform.clock.now();
    for (let wait = this.#writer.closable(); wait !== undefined; wait = this.#writer.closable()) await wait;
    // From here to the close nothing can be appended behind the marker: there is no await in between.
    const lsn = this.#control(RecordKind.marker, marker, time);
    this.#writer.close();
    await this.#writer.durable();
    return { lsn, time };
  }

  /**
   * The last record of this epoch: whoever applies it is the source of the next. Hosts must be gone; durable on return. It is put
   * again behind every copy that ends later: one may have begun because this was not shipped, and whoever has it forgets it then.
   * @throws OperatorError `JOURNAL_FAILED`
   */
  async handOver(payload: HandoverPayload): Promise<Lsn> {
    this.#patrol.stop();
    for (let wait = this.#writer.closable(); wait !== undefined; wait = this.#writer.closable()) await wait;
    this.#handover = payload.epoch === null ? undefined : payload;
    const lsn = this.#control(RecordKind.handover, payload, 0);
    this.#writer.close();
    await this.#writer.durable();
    return lsn;
  }

  /** The volumes hold everything up to this generation's end; its file is still needed until `release`. */
  destaged(generation: number): void {
    for (const volume of this.#captured) volume.index.drop(generation);
    this.#writer.forget(generation);
  }

  /** The raw segment at `path` is sealed and durably destaged: its file may be used again. */
  release = (path: string): void => this.#writer.release(path);

  status(): GroupHostStatus {
    const { last, durableLast, isWaitedFor } = this.#writer;
    return { lsn: last, durableLsn: durableLast, isWaitedFor, undestagedExtents: this.#extents() };
  }

  #extents(): number {
    return this.#captured.reduce((sum, volume) => sum + volume.index.extents, 0);
  }

  /**
   * As `drain`, and nothing is appended after it: another takes over. What hosts read, they read still.
   * @throws OperatorError `JOURNAL_FAILED`
   */
  async retire(): Promise<void> {
    if (this.#writer.failure !== undefined) throw this.#writer.failure;
    await this.drain();
    this.#writer.retire(
      new OperatorError('GROUP_MOVING', `group ${this.#options.name} is on its way to another folder`, {
        remedy: 'say it again in a few seconds',
        retryable: true,
      }),
    );
  }

  /** Closes the open segment, so that all there is can be sealed, and makes it durable. Hosts must be gone, or held. */
  async drain(): Promise<void> {
    this.stopCopy();
    this.#patrol.stop();
    if (this.#writer.failure !== undefined) return;
    this.#writer.close();
    await this.#writer.durable();
    // It may have been durable before, and the closed segment not handed on yet.
    await this.#writer.handedOn();
  }

  stop(): void {
    this.stopCopy();
    this.#patrol.stop();
    this.#writer.stop();
    for (const volume of this.#captured) volume.close();
  }

  #control(kind: RecordKind, payload: object, offset: number): Lsn {
    return this.#writer.append({
      kind,
      volume: 0 as VolumeIndex,
      flags: 0,
      offset,
      payload: Buffer.from(JSON.stringify(payload), 'utf8'),
    });
  }

  /** One that was stopped in the meantime is not at its end. */
  async #endCopy(mine: number): Promise<void> {
    try {
      await roomIn(this.#writer);
      if (this.#copies !== mine) return;
      const end = this.#control(RecordKind.initEnd, {}, 0);
      if (this.#handover !== undefined) this.#control(RecordKind.handover, this.#handover, 0);
      // Destinations are consistent once they have it: not only when the segment would be old enough.
      this.#writer.close();
      this.#copy = undefined;
      this.windows.end();
      await this.#writer.durable();
      if (this.#copies !== mine) return;
      this.#events.onCopyTrouble(undefined);
      this.#events.onCopied(end);
    } catch (error) {
      // A journal that failed has been reported.
      if (this.#copies !== mine || this.#writer.failure !== undefined) return;
      this.#events.onCopyTrouble(describeError(error));
      this.#platform.clock.after(END_RETRY, () => void this.#endCopy(mine));
    }
  }

  #recover(folder: string): Omit<RecoveredRaws, 'empty'> {
    const { files } = this.#platform;
    let generation = RECOVERED_GENERATION;
    const recovered = recoverRaws(files, folder, this.#options.epoch, this.#options.done, (raw) => {
      reindex(this.#captured, raw, generation);
      generation += 1;
    });
    for (const path of recovered.empty) files.remove(path);
    return recovered;
  }

  /** What a crash left counts once it is durable. */
  #handOn({ raws, durable }: Pick<RecoveredRaws, 'raws' | 'durable'>): void {
    let generation = RECOVERED_GENERATION;
    for (const raw of raws) {
      if (raw.last > durable) makeDurable(this.#platform.files, raw);
      this.#events.onClosed(raw, generation);
      generation += 1;
    }
  }

  #onFailed(error: OperatorError): void {
    this.refuse({ code: 'EIO', message: error.message });
    this.#events.onFailed(error.message, error.remedy);
  }
}
