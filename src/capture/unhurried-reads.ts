/** Reads of volumes that no host waits for, and that keep none waiting: what is not in memory is brought in off their thread. */
import type { CapturedVolume } from './captured-volume.ts';

/** Bytes that are on their way into memory ahead of what is read. */
const AHEAD = 4 * 1024 * 1024;
/** Extents that one look at what lies ahead covers. */
const EXTENTS_MAX = 64;

type ReadVolume = Pick<CapturedVolume, 'read' | 'readNow' | 'extents' | 'startReading'>;

interface Place {
  readonly volume: ReadVolume;
  readonly offset: number;
}

export class UnhurriedReads {
  /** What was waited for last. */
  #awaited: Place | undefined;
  /** Up to where what lies ahead is on its way. */
  #expected: Place | undefined;

  /**
   * Fills `into` with what the volume holds now. A promise: it has not, and is to be asked for the same when that resolves, which
   * it does once memory holds it. @throws HostError
   */
  fill(volume: ReadVolume, offset: number, into: Buffer): Promise<void> | undefined {
    const { volume: before, offset: at } = this.#awaited ?? {};
    this.#awaited = undefined;
    if (before === volume && at === offset) {
      // Memory may have lost it again: it is waited for once, so that this goes on.
      volume.read(offset, into);
      return undefined;
    }
    const wait = volume.readNow(offset, into);
    if (wait !== undefined) this.#awaited = { volume, offset };
    return wait;
  }

  /** What lies from `offset` on, up to `end`, is read next; up to `known` it is data. @throws HostError */
  expect(volume: ReadVolume, offset: number, { known, end }: { known: number; end: number }): void {
    const { volume: before, offset: to } = this.#expected ?? {};
    const start = before === volume && to !== undefined && to > offset && to <= offset + AHEAD ? to : offset;
    const stop = Math.min(end, offset + AHEAD);
    if (stop <= start || (start > offset + AHEAD / 2 && stop < end)) return;
    let at = Math.max(start, Math.min(known, stop));
    if (at > start) volume.startReading(start, at - start);
    if (at < stop) at = this.#expectData(volume, at, stop);
    this.#expected = { volume, offset: at };
  }

  /** Returns how far it looked. */
  #expectData(volume: ReadVolume, start: number, stop: number): number {
    let at = start;
    for (const { kind, length } of volume.extents(start, stop - start, EXTENTS_MAX)) {
      if (kind === 'data') volume.startReading(at, length);
      at += length;
    }
    return at;
  }
}
