/**
 * Applies the received journal to the group's volumes and cuts its snapshots.
 *
 * I3: a segment's records are applied in their order, and again with the same result after a crash.
 * I7: what a snapshot needs is preserved before the volume under it is overwritten.
 */
import { withCompared } from '../journal/compare-answer.ts';
import { parseCompare } from '../journal/compare.ts';
import type { Divergence } from '../journal/fork.ts';
import { parseHandover } from '../journal/handover.ts';
import { parseInitBegin } from '../journal/init-begin.ts';
import { LSN_NONE, type AttachedVolume, type Lsn } from '../journal/ids.ts';
import { parseMarker } from '../journal/marker-record.ts';
import { RecordKind, type JournalRecord } from '../journal/record.ts';
import type { Verification } from '../journal/verification.ts';
import { parseVerify } from '../journal/verify.ts';
import { errorCode, OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { keeping } from '../volume/keeping.ts';
import { VolumeSet, type SetVolume, type VolumeRange } from '../volume/volume-set.ts';
import { attach, resize, volumeUnknown } from './attach.ts';
import { compare, comparePieces } from './comparing.ts';
import { afterCopy, duringCopy } from './copy-state.ts';
import type { AppliedSegment } from './decoded-segment.ts';
import { Gathered, rangesWritten } from './gathered.ts';
import type { PassedMarkers } from './passed-markers.ts';
import { snapshotId, type OpenSnapshots, type SnapshotFacts, type Snapshots } from './snapshots.ts';
import { awaitsAll, type DestinationState } from './state-file.ts';
import { UnreadableRanges } from './unreadable.ts';
import { afterVerify } from './verification.ts';

export interface ApplierOptions {
  /** Volume name → path. */
  readonly paths: ReadonlyMap<string, string>;
  readonly openSnapshots: OpenSnapshots;
  /** The volumes are about to be copied over: durable on return, so that half a copy is never called consistent. */
  readonly onCopyBegins: () => void;
  /** A range differs from the source's: durable on return, because nobody looks there again before the next pass. */
  readonly onDiffers: (verification: Verification) => void;
  readonly markers: Pick<PassedMarkers, 'note'>;
}

export class Applier {
  readonly #files: Files;
  readonly #log: Log;
  readonly #options: ApplierOptions;
  #attached: readonly AttachedVolume[] = [];
  #placed: readonly SetVolume[] = [];
  /** A volume that was attached, and is not in the configuration any more. */
  #unplaced: string | undefined;
  #volumes: VolumeSet | undefined;
  #snapshots: Snapshots | undefined;
  readonly #unreadable = new UnreadableRanges();
  #begun = LSN_NONE;
  #lost = false;
  readonly #gathered = new Gathered({
    announce: (records) => this.#announce(records),
    write: (records) => this.#write(records),
  });
  /** The record that was applied last. */
  #reached = LSN_NONE;

  constructor(
    files: Files,
    log: Log,
    options: ApplierOptions,
    /** What was attached in an earlier run. */
    attached: readonly AttachedVolume[],
  ) {
    this.#files = files;
    this.#log = log;
    this.#options = options;
    this.#attached = attached;
    if (attached.length === 0) return;
    this.#attachVolumes(attached);
    this.#tryStore();
  }

  /**
   * The state behind the segment; in the volumes, and durable there, only after `sync`.
   * @param begun up to here the volumes may be ahead of the records: none of these is compared
   * @throws SegmentRefused, OperatorError
   */
  applySegment(reader: AppliedSegment, before: DestinationState, begun: Lsn): DestinationState {
    this.#begun = begun;
    // An attempt that failed half way may have resized them.
    if (before.volumes !== this.#attached) this.#attachVolumes(before.volumes);
    this.#reached = before.applied;
    const state = this.#applyFrames(reader.frames('rot'), before);
    const { last, digestAfter, lastTime } = reader.header;
    return { ...state, applied: last, digest: digestAfter, appliedTime: lastTime };
  }

  /** What a seed file holds; durable in the volumes only after `sync`. @throws OperatorError as for a segment's records */
  applySeed(records: readonly JournalRecord[]): void {
    this.#write(records);
  }

  sync(): void {
    this.#orLost(() => {
      this.#gathered.flush();
      this.#volumes?.sync();
    });
  }

  /** A write, a sync, or what must come before them failed: what is behind the checkpoint may be lost though a later sync succeeds, and is applied again. */
  get lost(): boolean {
    return this.#lost;
  }

  /** What follows begins behind the checkpoint. */
  begin(): void {
    this.#lost = false;
    this.#gathered.clear();
  }

  /** How many there are, as far as it can be told without a volume that is away. */
  get snapshotCount(): number {
    return this.#snapshots?.list().length ?? 0;
  }

  /** What cannot be read here, as far as it was to be compared. */
  get unreadable(): string | undefined {
    return this.#unreadable.first;
  }

  listSnapshots(): readonly SnapshotFacts[] {
    return this.#placed.length === 0 ? [] : this.#store().list();
  }

  /** A recovery point at what is applied. @throws OperatorError `GROUP_NOT_CONSISTENT`, `SNAPSHOT_LIMIT`, `ENOSPC` */
  createSnapshot(called: { readonly id: string; readonly name: string }, state: DestinationState): void {
    if (!state.consistent) {
      throw new OperatorError(
        'GROUP_NOT_CONSISTENT',
        'the volumes hold no state that can be gone back to yet',
        {
          remedy: 'wait until what the source holds has been brought over: `blockferry status` says so',
          retryable: true,
        },
      );
    }
    this.#snapshot({ ...called, lsn: state.applied, time: state.appliedTime });
  }

  /**
   * What this side's hosts wrote behind the fork point is kept as it is, called by where it ends (I10). Called before anything
   * is applied over it; again after a crash. `id`: of the resync that it makes way for, since a side that is set back leaves the
   * same record twice. @throws OperatorError `SNAPSHOT_LIMIT`, `ENOSPC`
   */
  keepDivergence({ epoch, lsn, time }: Divergence, id: string): void {
    this.#snapshot({ id, name: `diverged-${epoch.number}-${lsn}`, lsn, time });
  }

  /** What follows this record is another history from now on: snapshots behind it are apart (I3). @throws OperatorError `ENOSPC` */
  leave(fork: Lsn): void {
    keeping(() => this.#store().leave(fork));
  }

  deleteSnapshot(id: string): void {
    this.#store().delete(id);
  }

  /** One step of what deleting snapshots left to do; true when there is more. */
  tidySnapshots(): boolean {
    return this.#placed.length > 0 && this.#store().tidy();
  }

  close(): void {
    this.#volumes?.close();
    this.#snapshots?.close();
  }

  /**
   * What is written between two records of other kinds goes together, as far as memory allows: where something is kept of what
   * it overwrites. Elsewhere a frame is written while the processor still has it at hand.
   */
  #applyFrames(frames: Iterable<readonly JournalRecord[]>, before: DestinationState): DestinationState {
    let state = before;
    for (const frame of frames) {
      for (const record of frame) {
        if (record.kind === RecordKind.write || record.kind === RecordKind.zero) {
          this.#gather(record, state);
        } else {
          if (record.kind !== RecordKind.clock) {
            this.#orLost(() => this.#gathered.flush());
            state = this.#applyControl(record, state);
          }
          this.#gathered.pass(record);
        }
        this.#reached = record.lsn;
      }
      this.#orLost(() => {
        this.#gathered.endFrame(frame);
        if (this.#snapshots?.isKeeping !== true) this.#gathered.flush();
      });
    }
    return state;
  }

  #gather(record: JournalRecord, state: DestinationState): void {
    if (awaitsAll(state)) this.#gathered.pass(record);
    else {
      this.#attachedVolumes();
      this.#gathered.add(record);
    }
  }

  /** What a snapshot needs of these is on its way to the medium while what came before is written, and more is gathered. */
  #announce(records: readonly JournalRecord[]): void {
    const ranges = rangesWritten(records, this.#placed);
    if (ranges.length > 0) keeping(() => this.#store().anticipate(ranges));
  }

  /** What was gathered is not written later: it may lie in memory that is used again. */
  #orLost(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#lost = true;
      this.#gathered.clear();
      throw error;
    }
  }

  #attachedVolumes(): VolumeSet {
    this.#checkPlaces();
    if (this.#volumes !== undefined) return this.#volumes;
    throw new OperatorError('ATTACH_MISSING', 'the source sends data before it has said of which volumes', {
      remedy: 'begin again with a full copy: stop both sides and move the group’s folder away on each',
    });
  }

  #write(records: readonly JournalRecord[]): void {
    const volumes = this.#attachedVolumes();
    const preserve = (ranges: readonly VolumeRange[]): void => keeping(() => this.#store().preserve(ranges));
    volumes.apply(records, { fromVolume: 'apply', isUnread: true, preserve });
    volumes.beginSync();
  }

  #applyControl(record: JournalRecord, state: DestinationState): DestinationState {
    switch (record.kind) {
      case RecordKind.attach: {
        // Their files are synced here too: were that to fail, what was written before would be lost unnoticed.
        this.sync();
        const volumes = attach(this.#files, record, this.#options.paths, state.volumes);
        this.#attachVolumes(volumes);
        return { ...state, volumes };
      }
      case RecordKind.resize:
        return this.#resize(record, state);
      case RecordKind.initBegin: {
        const begun = parseInitBegin(record);
        if (state.consistent) this.#keepBefore(state);
        this.#options.onCopyBegins();
        return duringCopy(state, begun);
      }
      case RecordKind.initEnd:
        this.#unreadable.clear();
        return afterCopy(state);
      case RecordKind.marker:
        return this.#reachMarker(record, state);
      case RecordKind.verify:
        return this.#verify(record, state);
      case RecordKind.handover:
        return this.#handOver(record, state);
      case RecordKind.compare:
        return this.#compare(record, state);
      case RecordKind.clock:
      case RecordKind.write:
      case RecordKind.zero:
        return state;
    }
  }

  #handOver(record: JournalRecord, state: DestinationState): DestinationState {
    const payload = parseHandover(record);
    if (payload === undefined) return this.#passOver(record, 'handover', state);
    return { ...state, handover: payload.epoch ?? undefined };
  }

  #resize(record: JournalRecord, state: DestinationState): DestinationState {
    // The copy that is awaited says how large they are.
    if (awaitsAll(state)) return state;
    this.#checkPlaces();
    // As for an attach record.
    this.sync();
    const volumes = resize(this.#files, record, this.#options.paths, state.volumes);
    if (volumes === undefined) return this.#passOver(record, 'resize', state);
    this.#attachVolumes(volumes);
    return { ...state, volumes };
  }

  #passOver({ lsn }: JournalRecord, what: string, state: DestinationState): DestinationState {
    this.#log.error(`a ${what} record cannot be used and is passed over`, { lsn });
    return state;
  }

  /** Also before the copy's end: what is compared is what it began with, and what was applied since. */
  #compare(record: JournalRecord, state: DestinationState): DestinationState {
    const payload = parseCompare(record);
    if (payload === undefined) return this.#passOver(record, 'compare', state);
    this.#checkPlaces();
    const volumes = record.lsn > this.#begun && !awaitsAll(state) ? this.#volumes : undefined;
    const compared = volumes && comparePieces(volumes, record, payload);
    if (compared !== undefined) this.#unreadable.note(record, compared.unreadable);
    return { ...state, comparison: withCompared(state.comparison, payload, compared?.differs) };
  }

  #verify(record: JournalRecord, state: DestinationState): DestinationState {
    const payload = parseVerify(record);
    if (payload === undefined) return this.#passOver(record, 'verify', state);
    this.#checkPlaces();
    const isComparable = state.consistent && record.lsn > this.#begun;
    const comparison = isComparable && this.#volumes ? compare(this.#volumes, record, payload) : undefined;
    if (comparison !== undefined) this.#unreadable.note(record, comparison.unreadable);
    const verification = afterVerify(state.verification, record, payload, comparison);
    if (comparison !== undefined && comparison.differing.length > 0) {
      this.#options.onDiffers(verification);
      const volume = this.#placed.find(({ index }) => index === record.volume)?.name;
      for (const range of comparison.differing)
        this.#log.error('the replica differs from the source', { volume, ...range, lsn: record.lsn });
    }
    return { ...state, verification };
  }

  #attachVolumes(volumes: readonly AttachedVolume[]): void {
    this.sync();
    this.close();
    this.#snapshots = undefined;
    const { paths } = this.#options;
    this.#attached = volumes;
    this.#placed = volumes.flatMap((volume) => {
      const path = paths.get(volume.name);
      return path === undefined ? [] : [{ ...volume, path }];
    });
    this.#unplaced = volumes.find(({ name }) => !paths.has(name))?.name;
    this.#volumes = new VolumeSet(this.#files, this.#placed);
  }

  /** So that what is there can be told at once; what stands in its way is told when it is needed. */
  #tryStore(): void {
    try {
      this.#store();
    } catch (error) {
      if (!['VOLUME_OFFLINE', 'VOLUME_UNKNOWN'].includes(errorCode(error))) throw error;
    }
  }

  /** The next attach record may be without it; until then nothing can be done without it. */
  #checkPlaces(): void {
    if (this.#unplaced !== undefined) throw volumeUnknown(this.#unplaced);
  }

  /** Opened with the first use: a volume that is offline when the daemon starts is no reason not to receive. */
  #store(): Snapshots {
    this.#checkPlaces();
    return (this.#snapshots ??= keeping(() => this.#options.openSnapshots(this.#placed)));
  }

  #reachMarker(record: JournalRecord, state: DestinationState): DestinationState {
    const marker = parseMarker(record);
    if (marker === undefined) return this.#passOver(record, 'marker', state);
    const facts = { id: marker.id, name: marker.name, lsn: record.lsn, time: record.offset };
    if (state.consistent) this.#options.markers.note(facts);
    if (marker.kind === 'custom')
      return { ...state, pending: { ...facts, kind: 'custom', attempt: 0, failures: 0 } };
    if (!state.consistent) {
      this.#log.warn(`snapshot marker ${marker.name} was passed over: the initial copy is not complete`, {
        lsn: record.lsn,
      });
      return state;
    }
    this.#snapshot(facts);
    return state;
  }

  /** A copy over a replica that was consistent: what it was is kept (I10). What the source left out before it is not there. */
  #keepBefore(state: DestinationState): void {
    const at = this.#reached;
    const id = snapshotId('before-copy', state.epoch, at);
    this.#snapshot({ id, name: `before-copy-${at}`, lsn: at, time: state.appliedTime });
  }

  #snapshot(info: {
    readonly id: string;
    readonly name: string;
    readonly lsn: Lsn;
    readonly time: number;
  }): void {
    this.sync();
    keeping(() => this.#store().create(info));
    this.#log.info(`snapshot ${info.name} taken`, { lsn: info.lsn });
  }
}
