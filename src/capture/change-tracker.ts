/**
 * Keeps the change map in step with what becomes of the journal's records: what is left out of the replication files is
 * marked; a region is marked no more when the whole of it was copied since the newest init-begin record. A copy as of a point
 * clears only what was not marked since: where that is not known any more, after a restart, it clears nothing. Nor does one that
 * began before a resync was wanted: whoever wants that takes nothing before the init-begin record that names it.
 */
import type { VolumeIndex } from '../journal/ids.ts';
import { parseInitBegin } from '../journal/init-begin.ts';
import { RecordFlag, RecordKind, type AttachPayload, type JournalRecord } from '../journal/record.ts';
import type { ChangeMap, MarkedVolume } from './change-map.ts';

export class ChangeTracker {
  readonly #map: ChangeMap;
  /** The copy goes through a volume from its start to its end: what of each was copied last without a break and is not cleared. */
  readonly #runs = new Map<number, { start: number; end: number }>();
  /**
   * Bytes of each volume as the journal has it, as far as it was seen to say so. Behind that the map may have more, of a resize
   * that failed half way: no copy brings what is marked there, nor need it.
   */
  readonly #sizes = new Map<number, number>();
  #hasPoint = false;
  /** The resync that the next copy is to name. */
  #awaited: string | undefined;

  /** `resync`: the newest whose regions are marked; a copy may have begun with it, or not yet. */
  constructor(map: ChangeMap, resync?: string) {
    this.#map = map;
    this.#awaited = resync;
  }

  /** The regions of a resync are marked from now on. */
  wanted(resync: string): void {
    this.#awaited = resync;
  }

  /** What is marked at the point that is copied from next. */
  beginPoint(): readonly MarkedVolume[] {
    this.#runs.clear();
    this.#hasPoint = true;
    return this.#map.beginPoint();
  }

  endPoint(): void {
    this.#hasPoint = false;
    this.#map.endPoint();
  }

  /** No replication file will ever hold these. */
  leftOut(records: readonly JournalRecord[]): void {
    for (const record of records) {
      const { kind, volume, offset, length } = record;
      this.#noteSizes(record);
      if (kind === RecordKind.write || kind === RecordKind.zero)
        this.#map.mark(volume, offset, offset + length);
    }
  }

  /** These are durable in a replication file. */
  shipped(records: readonly JournalRecord[]): void {
    for (const record of records) {
      const { kind, flags, volume, offset, length } = record;
      this.#noteSizes(record);
      if (kind === RecordKind.initBegin) this.#begun(record);
      if (kind !== RecordKind.write && kind !== RecordKind.zero) continue;
      if (this.#awaited !== undefined) continue;
      if ((flags & RecordFlag.fromVolume) === 0) continue;
      if ((flags & RecordFlag.fromPoint) !== 0 && !this.#hasPoint) continue;
      const run = this.#runs.get(volume);
      const start = run?.end === offset ? run.start : offset;
      const end = offset + length;
      this.#runs.set(volume, { start: this.#clear(volume, start, end), end });
    }
  }

  /** The destinations hold the range as it is here: it need not be copied. */
  equal(volume: VolumeIndex, start: number, end: number): void {
    this.#clear(volume, start, end);
  }

  #begun(record: JournalRecord): void {
    this.#runs.clear();
    if (this.#awaited !== undefined && parseInitBegin(record).resync === this.#awaited)
      this.#awaited = undefined;
  }

  #clear(volume: VolumeIndex, start: number, end: number): number {
    const isAtEnd = end >= (this.#sizes.get(volume) ?? Infinity);
    return this.#map.clear(volume, start, isAtEnd ? Infinity : end);
  }

  #noteSizes({ kind, volume, offset, payload }: JournalRecord): void {
    if (kind === RecordKind.resize) this.#sizes.set(volume, offset);
    if (kind !== RecordKind.attach) return;
    const { volumes } = JSON.parse(payload.toString('utf8')) as AttachPayload;
    for (const { index, size } of volumes) this.#sizes.set(index, size);
  }
}
