/**
 * The working half of a destination, on a thread of its own: checks what arrives, joins it to the journal, applies the
 * journal to the volumes and cuts snapshots.
 *
 * I3: only the segment right behind what was received is joined, and only journal segments are applied, in order.
 * I4: a segment is checked whole before it is joined; what fails is set aside.
 * I6: a segment counts as received once its data and both directory entries are durable; what was applied counts once the
 *     checkpoint is. Everything in between is done again after a crash, with the same result.
 * I8: the checkpoint is overwritten where it lies; what else must be written on a full disk (a journal's entry for what
 *     arrived, the reason beside a refused segment) has a reserve.
 */
import { join } from 'node:path';
import { lsn, type Lsn } from '../journal/ids.ts';
import type { SegmentRange } from '../journal/names.ts';
import { SegmentRefused, type SegmentReader } from '../journal/segment/segment.ts';
import type { RefusedSegment } from '../journal/status.ts';
import type { Verification } from '../journal/verification.ts';
import type { Clock } from '../platform/clock.ts';
import type { Files } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { Reserve } from '../platform/reserve.ts';
import { WrittenState } from '../platform/written-state.ts';
import { Applier } from './applier.ts';
import { Batch } from './batch.ts';
import type { DestinationFacts, ReceiveResult } from './destination-facts.ts';
import { ReceivedJournal, type ReceivedSegment } from './received-journal.ts';
import { PassedMarkers } from './passed-markers.ts';
import { RetainedWindow, type RetainedSegment } from './retained-window.ts';
import { SeedImport, type SeedExpectation } from './seed-import.ts';
import { seedGivenUp, seedNotAwaited } from './seed-errors.ts';
import { beginningWith } from './copy-state.ts';
import { SeedJob } from './seed-job.ts';
import { setAside } from './set-aside.ts';
import { takeInTurn, type RefusedName } from './take-in-turn.ts';
import { volumesAhead, type OpenSnapshots, type SnapshotFacts } from './snapshots.ts';
import {
  readDestinationState,
  sequenceAt,
  withMarker,
  writeDestinationState,
  type DestinationState,
  type PendingMarker,
} from './state-file.ts';
import type { WindowLimits } from './window-plan.ts';

export interface DestinationBackOptions {
  readonly groupName: string;
  readonly folder: string;
  /** Volume name → path. */
  readonly paths: ReadonlyMap<string, string>;
  readonly openSegment: (path: string) => SegmentReader;
  /** The group's, of what is imported by hand. */
  readonly key: Buffer | undefined;
  readonly openSnapshots: OpenSnapshots;
  /** How much of what is applied is kept to go back into; undefined: nothing. */
  readonly retain: WindowLimits | undefined;
}

export class DestinationBack {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: DestinationBackOptions;
  readonly #journal: ReceivedJournal;
  readonly #applier: Applier;
  readonly #window: RetainedWindow;
  readonly #reserve: Reserve;
  readonly #seeds: SeedImport;
  protected readonly markers: PassedMarkers;
  #seedJob: SeedJob | undefined;
  readonly #written: WrittenState<DestinationState>;
  /** Counts what has begun to be copied over the volumes. */
  #copies = 0;
  /** The last record of whatever was begun to be applied, ever. */
  #begun: Lsn;
  #damaged: RefusedSegment[] = [];

  constructor(files: Files, clock: Clock, log: Log, options: DestinationBackOptions) {
    this.#files = files;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
    this.#reserve = new Reserve(files, join(options.folder, 'destination-journal.reserve'));
    this.#journal = new ReceivedJournal(files, options);
    this.#written = new WrittenState(readDestinationState(files, options.folder), (state) =>
      writeDestinationState(files, options.folder, state),
    );
    this.#seeds = new SeedImport(files, options);
    const onCopyBegins = (): void => {
      this.#copies += 1;
      if (this.#state.consistent) this.#move({ ...this.#state, consistent: false });
    };
    const onDiffers = (verification: Verification): void => this.#move({ ...this.#state, verification });
    const markers = (this.markers = new PassedMarkers(files, log, options.folder));
    const applier = { ...options, onCopyBegins, onDiffers, markers };
    this.#applier = new Applier(files, log, applier, this.#state.volumes);
    this.#begun = lsn(Math.max(this.#state.begun, this.#journal.last()));
    // Before any of it is taken out of the journal: of what was received all may have been begun.
    if (this.#begun > this.#state.applied) this.#move(this.#state);
    const applied = this.#journal.recover(this.#state, (path, range, error) =>
      this.#rotted(path, range, error),
    );
    this.#window = new RetainedWindow(files, log, this.#applier, options);
    this.#window.recover(applied, this.#state.applied);
    this.#window.settle(this.#state, this.#state, false);
    // Its last file may be noted, and that it was the last not.
    this.#endSeed();
  }

  // Every method is asynchronous to its caller, who is in another thread.

  facts(): Promise<DestinationFacts> {
    return Promise.resolve(this.#facts());
  }

  /**
   * Joins the inbox's segments of these names, of which the first must begin right behind what was received, and each of the
   * others behind the one before: while one is checked those before it are on their way to the medium. As many as can be; what
   * keeps another from it is told when that comes again, as the first. @throws the file system's errors
   */
  receive(names: readonly string[]): Promise<ReceiveResult> {
    try {
      const refused = takeInTurn(names, (name, range) => {
        const header = this.#reserve.spend(() => this.#journal.check(name, range, this.#state));
        if (this.#state.groupId === '')
          this.#move({ ...this.#state, groupId: header.group.id, epoch: header.epoch });
      });
      if (refused !== undefined) return Promise.resolve(this.#refused(refused));
      const taken = this.#reserve.spend(() => this.#journal.join());
      return Promise.resolve({ taken, refused, facts: this.#facts() });
    } finally {
      this.#journal.dropChecked();
    }
  }

  /**
   * The inbox's segment of this name is what the journal begins with: nothing that came before it is wanted (`anew`). Durable on
   * return, if it is not refused; it is still to be received.
   */
  beginWith(name: string): Promise<ReceiveResult> {
    const refused = takeInTurn([name], (_, range) => {
      this.#move(beginningWith(this.#journal.checkFirst(name, range, this.#state), this.#state));
    });
    if (refused !== undefined) return Promise.resolve(this.#refused(refused));
    return Promise.resolve({ taken: 0, refused, facts: this.#facts() });
  }

  /** Sets the inbox's segment of this name aside. */
  refuse(name: string, reason: string): Promise<void> {
    this.#setAside(join(this.#journal.inbox, name), reason);
    return Promise.resolve();
  }

  discard(name: string): Promise<void> {
    this.#files.remove(join(this.#journal.inbox, name));
    return Promise.resolve();
  }

  /**
   * Applies what has been received, up to a batch or to the next marker, durably. A custom marker stays `pending` in the
   * state until `finishMarker`, and nothing behind it is applied before (I9).
   * What was applied before a failure counts.
   * @throws OperatorError `VOLUME_OFFLINE`, `VOLUME_UNKNOWN`, `VOLUME_TOO_SMALL`, `SNAPSHOT_LIMIT`, and `ENOSPC`
   */
  applySome(): Promise<DestinationFacts> {
    this.#applyBatch();
    return Promise.resolve(this.#facts());
  }

  /** The marker's program is about to be started; durable on return, so that a repetition is known as one (I9). */
  startMarker(id: string): Promise<PendingMarker | undefined> {
    return Promise.resolve(this.#changeMarker(id, (marker) => ({ ...marker, attempt: marker.attempt + 1 })));
  }

  /** The marker's program ended, and failed. */
  failMarker(id: string): Promise<PendingMarker | undefined> {
    return Promise.resolve(
      this.#changeMarker(id, (marker) => ({ ...marker, failures: marker.failures + 1 })),
    );
  }

  /** The volumes go on behind the pending marker; its program is still to be run to its end. */
  detachMarker(id: string): Promise<DestinationFacts> {
    const { pending, background } = this.#state;
    if (pending?.id === id)
      this.#move({ ...this.#state, pending: undefined, background: [...background, pending] });
    return Promise.resolve(this.#facts());
  }

  /** Nothing is left to be done for this marker. */
  finishMarker(id: string): Promise<DestinationFacts> {
    this.#changeMarker(id, () => undefined);
    return Promise.resolve(this.#facts());
  }

  /**
   * Status sequence numbers from the result on, `count` of them, are used by nobody else, ever. They leap to the clock: one
   * that was restored from a backup does not know which it has used, and its source would take them for a replay (I12).
   */
  reserveSequence(count: number): Promise<number> {
    const first = Math.max(this.#state.statusSequence, sequenceAt(this.#clock.now()));
    this.#move({ ...this.#state, statusSequence: first + count });
    return Promise.resolve(first);
  }

  snapshots(): Promise<readonly SnapshotFacts[]> {
    const { divergence, applied } = this.#state;
    const all = this.#applier.listSnapshots();
    if (divergence === undefined) return Promise.resolve(all);
    // It is about to be noted of them.
    return Promise.resolve(all.map((facts) => (facts.lsn > applied ? { ...facts, apart: true } : facts)));
  }

  /**
   * A recovery point at what is applied; durable on return.
   * @throws OperatorError `GROUP_NOT_CONSISTENT`, `VOLUMES_AHEAD`, `SNAPSHOT_LIMIT`, `ENOSPC`
   */
  createSnapshot(called: { readonly id: string; readonly name: string }): Promise<DestinationFacts> {
    // I3: what was cut off in the middle may be in the volumes in part.
    if (this.#begun > this.#state.applied) throw volumesAhead(this.#state.applied);
    this.#applier.createSnapshot(called, this.#state);
    return Promise.resolve(this.#facts());
  }

  /** Durable on return. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE` */
  deleteSnapshot(id: string): Promise<DestinationFacts> {
    this.#applier.deleteSnapshot(id);
    return Promise.resolve(this.#facts());
  }

  /** One step of what deleting snapshots left to do; true when there is more. */
  tidySnapshots(): Promise<boolean> {
    return Promise.resolve(this.#applier.tidySnapshots());
  }

  /** The disk is to have so many bytes more: of what is kept to go back into, the oldest goes (I8). */
  giveUpRetained(bytes: number): Promise<DestinationFacts> {
    this.#window.giveUp(bytes);
    return Promise.resolve(this.#facts());
  }

  /** Of what is kept to go back into, what leads on from a snapshot without a hole; it stays until `release`. */
  protected retainedBehind(start: Lsn): {
    readonly segments: readonly RetainedSegment[];
    readonly release: () => void;
  } {
    return { segments: this.#window.behind(start), release: this.#window.holdBehind(start) };
  }

  /** A snapshot here stays until the result is called, the window's own too. */
  protected holdSnapshot(at: Lsn): () => void {
    return this.#window.holdSnapshot(at);
  }

  /**
   * What this folder has of a seed is to be imported, by `stepSeed`.
   * @throws OperatorError `SEED_NOT_FOUND`, `SEED_MANIFEST_INVALID`, `SEED_GIVEN_UP`; the drive's errors
   */
  async importSeed(folder: string): Promise<DestinationFacts> {
    const { seed } = this.#state;
    if (seed?.state === 'given-up') throw seedGivenUp();
    this.#seeds.check(folder, seed?.id);
    this.#seedJob?.end();
    this.#seedJob = new SeedJob(this.#seeds, folder);
    return this.facts();
  }

  /** A step of what was ordered. */
  stepSeed(): Promise<DestinationFacts> {
    const { seed, groupId, epoch } = this.#state;
    const expected: SeedExpectation | undefined = seed && { seed: seed.id, groupId, epoch };
    if (seed?.state !== 'imported') {
      this.#seedJob?.step(expected, {
        begin: () => this.#applier.begin(),
        apply: (records) => this.#applier.applySeed(records),
        sync: () => this.#applier.sync(),
      });
    }
    this.#endSeed();
    return this.facts();
  }

  /** Of a seed that is whole nothing more is read: the volumes go on behind it, and a file of it would set them back (I3). */
  #endSeed(): void {
    const { seed } = this.#state;
    if (seed?.state === 'awaited' && this.#seeds.tally(seed.id).whole) {
      this.#move({ ...this.#state, seed: { ...seed, state: 'imported' } });
      this.#log.info('the seed is imported: what follows it is applied', { seed: seed.id });
    }
    if (this.#state.seed?.state === 'imported') this.#seedJob?.finish();
  }

  /** The volumes go on without it, and are not consistent before another full copy; durable on return. @throws OperatorError `SEED_NOT_AWAITED` */
  giveUpSeed(): Promise<DestinationFacts> {
    const { seed } = this.#state;
    if (seed?.state !== 'awaited') throw seedNotAwaited();
    this.#seedJob?.end();
    this.#seedJob = undefined;
    this.#move({ ...this.#state, seed: { ...seed, state: 'given-up' } });
    return this.facts();
  }

  close(): Promise<void> {
    this.#seedJob?.end();
    this.#journal.forgetDecoded();
    this.#applier.close();
    return Promise.resolve();
  }

  #facts(): DestinationFacts {
    const received = this.#journal.received(this.#state.applied);
    this.#damaged = this.#damaged.filter(({ last }) => last > received);
    return {
      state: { ...this.#state, begun: this.#begun },
      received,
      damaged: this.#damaged,
      journalBytes: this.#journal.bytes,
      journalSegments: this.#journal.segments.length,
      snapshots: this.#applier.snapshotCount,
      unreadable: this.#applier.unreadable,
      window: this.#window.facts,
      seed: this.#state.seed && this.#seeds.tally(this.#state.seed.id),
      seedJob: this.#seedJob?.report,
    };
  }

  #refused({ name, error: { code, message, remedy } }: RefusedName): ReceiveResult {
    const reason = `${message}; ${remedy}`;
    this.#setAside(join(this.#journal.inbox, name), `${code}: ${reason}`);
    return { taken: 0, refused: { code, reason }, facts: this.#facts() };
  }

  /** Durable on return. */
  #changeMarker(
    id: string,
    change: (marker: PendingMarker) => PendingMarker | undefined,
  ): PendingMarker | undefined {
    const find = (): PendingMarker | undefined =>
      [this.#state.pending, ...this.#state.background].find((marker) => marker?.id === id);
    if (find() !== undefined) this.#move(withMarker(this.#state, id, change));
    return find();
  }

  #setAside(path: string, reason: string): void {
    const refusal = { path, reason, at: this.#clock.now() };
    this.#reserve.spend(() => setAside(this.#files, this.#options.folder, refusal));
  }

  #applyBatch(): void {
    this.#keepDivergence();
    const before = this.#state;
    let state = before;
    const whole = new Set<unknown>();
    // Applying again goes through older states of the volumes: a crash there must not find that more is applied (I3).
    this.#written.settle();
    this.#applier.begin();
    const batch = new Batch(this.#clock);
    try {
      for (const segment of this.#journal.segments) {
        // What follows a seed's beginning is applied to what the seed brings, and to nothing else (I3).
        if (state.seed?.state === 'awaited') break;
        if (state.pending !== undefined || batch.isFull) break;
        const [copies, { volumes, consistent }] = [this.#copies, state];
        state = this.#applySegment(segment, state);
        const isOther = JSON.stringify(volumes) !== JSON.stringify(state.volumes);
        if (consistent && copies === this.#copies && !isOther) whole.add(segment);
        batch.add(segment.bytes);
      }
    } finally {
      this.#journal.forgetDecoded();
      // What was gathered lies in memory that is used again: it is written now, or not at all.
      if (batch.count > 0 && !this.#applier.lost) {
        this.#applier.sync();
        this.#move(state);
        this.#window.keep(this.#journal.take(batch.count), (segment) => whole.has(segment));
        this.#window.settle(before, state, this.#begun <= state.applied);
      } else this.#applier.begin();
    }
  }

  /** I10: before anything is applied over it. What the other side has too is not asked for, and needs no keeping. */
  #keepDivergence(): void {
    const { divergence, resync, applied } = this.#state;
    if (divergence === undefined) return;
    if (resync !== undefined) this.#applier.keepDivergence(divergence, resync.id);
    this.#applier.leave(applied);
    this.markers.leave(applied);
    this.#move({ ...this.#state, divergence: undefined });
  }

  #applySegment(segment: ReceivedSegment, before: DestinationState): DestinationState {
    const [reader, begun] = [this.#journal.open(segment), this.#begun];
    this.#begun = lsn(Math.max(begun, segment.range.last));
    try {
      return this.#applier.applySegment(reader, before, begun);
    } catch (error) {
      if (error instanceof SegmentRefused) {
        // Noted first: the next start does not find it in the journal.
        this.#move(this.#state);
        this.#journal.cutFrom(segment);
        this.#rotted(segment.path, segment.range, error);
      }
      throw error;
    } finally {
      reader.close();
    }
  }

  /** A received segment that is no longer what was received: it and what follows are asked for again. */
  #rotted(path: string, range: SegmentRange, error: SegmentRefused): void {
    this.#setAside(path, `${error.code}: ${error.message}`);
    const reason = `${error.code}: ${error.message}`.slice(0, 1000);
    this.#damaged.push({ ...range, reason, at: Math.round(this.#clock.now()) });
    this.#log.error(`a received segment was damaged on this side's disk: ${error.message}`);
  }

  get #state(): DestinationState {
    return this.#written.current;
  }

  #move(changed: DestinationState): void {
    this.#written.move({ ...changed, begun: this.#begun });
  }
}
