/**
 * The applied segments that a destination keeps in its journal, and the snapshots that it makes for them to begin at.
 *
 * I8: they are the first to go when the disk is full. None of them is needed for replication, so nothing here is durable:
 * what a crash brings back is kept if it joins, and removed otherwise.
 */
import { join } from 'node:path';
import { LSN_NONE, type Lsn } from '../journal/ids.ts';
import { JOURNAL_FOLDER, type SegmentRange } from '../journal/names.ts';
import { nameAt } from '../journal/marker-names.ts';
import { describeError, errorCode } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { snapshotId, type SnapshotFacts } from './snapshots.ts';
import type { DestinationState } from './state-file.ts';
import {
  behind,
  isSnapshotDue,
  surplus,
  windowStart,
  type SnapshotPlace,
  type WindowEnd,
  type WindowLimits,
} from './window-plan.ts';

export interface RetainedSegment {
  readonly path: string;
  readonly range: SegmentRange;
  readonly bytes: number;
}

export interface WindowFacts {
  readonly segments: number;
  readonly bytes: number;
  /** From here to what is applied; undefined: no snapshot to begin at is there. */
  readonly from: SnapshotPlace | undefined;
}

/** What stays for somebody. */
interface Hold {
  /** A snapshot here. */
  readonly start: Lsn;
  /** And every segment behind it. */
  readonly segments: boolean;
}

/** What it asks of the group's snapshots. */
export interface WindowSnapshots {
  listSnapshots(): readonly SnapshotFacts[];
  createSnapshot(called: { readonly id: string; readonly name: string }, state: DestinationState): void;
  deleteSnapshot(id: string): void;
}

/** Of a snapshot that the window made for itself at this LSN, and takes away by itself. */
export function windowSnapshotId({ epoch }: Pick<DestinationState, 'epoch'>, at: Lsn): string {
  return snapshotId('window', epoch, at);
}

export class RetainedWindow {
  readonly #files: Files;
  readonly #log: Log;
  readonly #snapshots: WindowSnapshots;
  readonly #limits: WindowLimits | undefined;
  /** Where the segments lie. */
  readonly #folder: string;
  #segments: RetainedSegment[] = [];
  #bytes = 0;
  #applied = LSN_NONE;
  readonly #holds = new Set<Hold>();
  /** Those that there are, when they were listed last. */
  #known: readonly SnapshotFacts[] = [];
  /** What kept a snapshot from being made or listed. */
  #trouble = '';

  /** `folder`: the group's; `retain` undefined: nothing is kept. */
  constructor(
    files: Files,
    log: Log,
    snapshots: WindowSnapshots,
    options: { readonly folder: string; readonly retain: WindowLimits | undefined },
  ) {
    this.#files = files;
    this.#log = log;
    this.#snapshots = snapshots;
    this.#limits = options.retain;
    this.#folder = join(options.folder, JOURNAL_FOLDER);
  }

  get facts(): WindowFacts {
    return {
      segments: this.#segments.length,
      bytes: this.#bytes,
      from: windowStart(this.#segments, this.#known, this.#applied),
    };
  }

  /** Takes over what an earlier run left, in order. */
  recover(found: readonly { readonly path: string; readonly range: SegmentRange }[], applied: Lsn): void {
    let next = applied + 1;
    const kept: RetainedSegment[] = [];
    for (const { path, range } of found.toReversed()) {
      if (this.#limits !== undefined && range.last < next) {
        kept.push({ path, range, bytes: this.#files.stat(path)?.size ?? 0 });
        next = range.first;
      } else this.#files.remove(path);
    }
    this.#add(kept.reverse());
  }

  /** These are applied and checkpointed. `isWhole`: whether there is a state to go back to at each of their records. */
  keep(segments: readonly RetainedSegment[], isWhole: (segment: RetainedSegment) => boolean): void {
    const kept = this.#limits === undefined ? [] : segments.filter(isWhole);
    for (const segment of segments)
      // What is left is removed by the next start.
      if (!kept.includes(segment)) this.#files.removeLater(segment.path).catch(() => undefined);
    this.#add(kept);
  }

  /** What leads on from here without a hole. */
  behind(start: Lsn): RetainedSegment[] {
    return behind(this.#segments, start);
  }

  /** A snapshot at this record stays until the result is called; of segments none is kept for it (I8). */
  holdSnapshot(at: Lsn): () => void {
    return this.#hold({ start: at, segments: false });
  }

  /** As well what lies behind it. */
  holdBehind(start: Lsn): () => void {
    return this.#hold({ start, segments: true });
  }

  #hold(hold: Hold): () => void {
    this.#holds.add(hold);
    return () => this.#holds.delete(hold);
  }

  /**
   * Makes a snapshot at what is applied when one is due, and lets go what has fallen out of the window. Nothing of it may
   * keep replication from going on.
   * @param canSnapshot whether the volumes are at `state.applied` exactly
   */
  settle(before: DestinationState, state: DestinationState, canSnapshot: boolean): void {
    if (this.#limits === undefined) return;
    this.#applied = state.applied;
    const isOther = JSON.stringify(before.volumes) !== JSON.stringify(state.volumes);
    // A window does not lead over these.
    const isBreak = isOther || before.consistent !== state.consistent;
    // The records of before are of other volumes.
    if (isOther) {
      this.#drop(this.#segments.length);
      this.#files.syncDirectory(this.#folder);
    }
    const end = { limits: this.#limits, ...state };
    const hasBegun = this.#attempt(() => {
      if (canSnapshot && state.consistent) this.#makeSnapshot(state, isBreak, end);
    });
    const hasEnded = this.#attempt(() => {
      this.#known = this.#present();
      this.#drop(surplus(this.#segments, this.#known, end));
      this.#deleteUnused(state);
    });
    if (hasBegun && hasEnded) this.#trouble = '';
  }

  /** So many bytes more are wanted on the disk: the oldest go. */
  giveUp(bytes: number): void {
    let freed = 0;
    let count = 0;
    for (const segment of this.#segments) {
      if (freed >= bytes) break;
      freed += segment.bytes;
      count += 1;
    }
    this.#drop(count);
  }

  #makeSnapshot(state: DestinationState, isBreak: boolean, end: WindowEnd): void {
    const snapshots = this.#present();
    if (snapshots.some(({ lsn }) => lsn >= state.applied)) return;
    if (!isBreak && !isSnapshotDue(this.#segments, snapshots, end)) return;
    const id = windowSnapshotId(state, state.applied);
    this.#snapshots.createSnapshot({ id, name: nameAt(state.appliedTime) }, state);
  }

  /** None of a history that was left. */
  #present(): readonly SnapshotFacts[] {
    return this.#snapshots.listSnapshots().filter(({ apart }) => apart === undefined);
  }

  #attempt(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      if (this.#trouble !== errorCode(error))
        this.#log.warn(`the window of points in time cannot be kept: ${describeError(error)}`);
      this.#trouble = errorCode(error);
      return false;
    }
  }

  #add(segments: readonly RetainedSegment[]): void {
    this.#segments.push(...segments);
    for (const { bytes } of segments) this.#bytes += bytes;
  }

  #drop(wanted: number): void {
    const held = Math.min(...Array.from(this.#holds, ({ start, segments }) => (segments ? start : Infinity)));
    const free = this.#segments.findIndex(({ range }) => range.last > held);
    const count = free < 0 ? wanted : Math.min(wanted, free);
    for (const { path, bytes } of this.#segments.splice(0, count)) {
      this.#files.remove(path);
      this.#bytes -= bytes;
    }
  }

  /** The window's own snapshots that it no longer leads over; never the newest of all. */
  #deleteUnused(state: DestinationState): void {
    const start = (this.#segments[0]?.range.first ?? state.applied + 1) - 1;
    const held = new Set(Array.from(this.#holds, (hold) => hold.start));
    for (const { id, lsn } of this.#known.slice(0, -1)) {
      if (lsn >= start || held.has(lsn) || id !== windowSnapshotId(state, lsn)) continue;
      try {
        this.#snapshots.deleteSnapshot(id);
      } catch (error) {
        // Somebody looks at it: it goes another time.
        if (errorCode(error) !== 'SNAPSHOT_IN_USE') throw error;
      }
    }
  }
}
