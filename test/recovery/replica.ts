/** A replica's volumes under a snapshot store, and what they and their snapshots must hold. */
import assert from 'node:assert/strict';
import { errorCode } from '../../src/platform/errors.ts';
import { lsn } from '../../src/journal/ids.ts';
import type { Files } from '../../src/platform/files.ts';
import type { Log } from '../../src/platform/log.ts';
import { ExtentList } from '../../src/nbd/front-end.ts';
import { GRANULE_SIZE } from '../../src/recovery/granules.ts';
import type { VolumeRange } from '../../src/volume/volume-set.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import type {
  SnapshotInfo,
  SnapshotReader,
  SnapshotStore,
  SnapshotVolume,
} from '../../src/recovery/snapshot-store.ts';

export const quiet: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Where a store and its volumes are, fresh: the volumes are all zeros. */
export interface SnapshotPlace {
  readonly files: Files;
  readonly folder: string;
  readonly volumes: readonly SnapshotVolume[];
  /** What a crash does besides ending the process. */
  readonly crash: () => void;
}

export interface Write {
  /** Its number. */
  readonly volume: number;
  readonly offset: number;
  readonly length: number;
  /** What it is filled with; 0 makes zeros. */
  readonly fill: number;
}

export type Step =
  | { readonly kind: 'writes'; readonly writes: readonly Write[] }
  /** They are said to come, and do not. */
  | { readonly kind: 'anticipate'; readonly writes: readonly Write[] }
  /** Snapshot number `id`; the same number again is the same id. */
  | { readonly kind: 'snapshot'; readonly id: number }
  /** No effect when there is none. */
  | { readonly kind: 'delete'; readonly id: number }
  /** So many steps, or as many as it takes. */
  | { readonly kind: 'tidy'; readonly steps?: number }
  | { readonly kind: 'restart' };

export const write = (volume: number, offset: number, length: number, fill: number): Step => ({
  kind: 'writes',
  writes: [{ volume, offset, length, fill }],
});

export const snapshot = (id: number): Step => ({ kind: 'snapshot', id });

export const hexId = (id: number): string => id.toString(16).padStart(32, '0');

export class Replica {
  readonly place: SnapshotPlace;
  files: Files;
  /** What the volumes hold, and what they held at each snapshot, by its id. */
  readonly model: Buffer[];
  readonly snapshots = new Map<string, Buffer[]>();
  #store: SnapshotStore | undefined;
  readonly #deleted = new Set<string>();

  constructor(place: SnapshotPlace, files = place.files) {
    this.place = place;
    this.files = files;
    this.model = place.volumes.map((volume) => Buffer.alloc(volume.size));
  }

  get store(): SnapshotStore {
    return (this.#store ??= openSnapshotStore(this.files, quiet, this.place));
  }

  /** Another process on the same disk. */
  restart(files = this.files): void {
    this.files = files;
    this.#store = undefined;
  }

  run(step: Step): void {
    if (step.kind === 'writes') this.#write(step.writes);
    else if (step.kind === 'anticipate') this.store.anticipate(this.#rangesOf(step.writes));
    else if (step.kind === 'snapshot') this.#snapshot(step.id);
    else if (step.kind === 'delete') this.#delete(hexId(step.id));
    else if (step.kind === 'tidy') this.#tidy(step.steps ?? Infinity);
    else {
      this.store.close();
      this.restart();
    }
  }

  /** The snapshots are exactly these, each as the volumes were. `maybe`: was being made or deleted at a crash. */
  check(maybe?: Step): void {
    const ids = this.store.list().map((info) => info.id);
    const id = maybe?.kind === 'snapshot' || maybe?.kind === 'delete' ? hexId(maybe.id) : '';
    if (maybe?.kind === 'snapshot' && !this.snapshots.has(id) && ids.includes(id)) this.#remember(id);
    if (maybe?.kind === 'delete' && !ids.includes(id)) this.snapshots.delete(id);
    assert.deepEqual(ids, [...this.snapshots.keys()]);
    for (const [id, contents] of this.snapshots) {
      contents.forEach((expected, number) => this.assertSnapshot(id, number, expected));
    }
  }

  checkVolumes(): void {
    this.place.volumes.forEach((volume, number) => {
      const file = this.files.open(volume.path, 'read');
      const content = Buffer.alloc(volume.size);
      file.read(content, 0);
      file.close();
      assert.ok(content.equals(this.model[number]!), `volume ${volume.name} is what was written`);
    });
  }

  assertSnapshot(id: string, number: number, expected: Buffer): void {
    const reader = this.store.open(id, this.place.volumes[number]!.name);
    try {
      const content = Buffer.alloc(reader.size);
      reader.read(0, content);
      assertExtents(reader, content);
      if (content.equals(expected)) return;
      const at = content.findIndex((byte, i) => byte !== expected[i]);
      assert.fail(`snapshot ${id} of volume ${number} differs at ${at}`);
    } finally {
      reader.close();
    }
  }

  info(id: string): Omit<SnapshotInfo, 'kind'> {
    return {
      id,
      name: `snapshot ${id}`,
      lsn: lsn(1 + this.snapshots.size + this.#deleted.size),
      time: 1_700_000_000_000,
    };
  }

  #write(writes: readonly Write[]): void {
    this.store.preserve(this.#rangesOf(writes));
    const opened = this.place.volumes.map((volume) => this.files.open(volume.path, 'write'));
    for (const { volume, offset, length, fill } of writes) {
      const data = Buffer.alloc(length, fill);
      opened[volume]!.write(data, offset);
      data.copy(this.model[volume]!, offset);
    }
    for (const file of opened) {
      file.syncNow();
      file.close();
    }
  }

  #rangesOf(writes: readonly Write[]): VolumeRange[] {
    return writes.map(({ volume, offset, length }) => ({
      volume: this.place.volumes[volume]!.name,
      offset,
      length,
    }));
  }

  #snapshot(number: number): void {
    const id = hexId(number);
    // A marker's id is never used again.
    if (this.#deleted.has(id)) return;
    const before = this.store.list().some((info) => info.id === id);
    this.store.create(this.info(id));
    if (!before) this.#remember(id);
  }

  #delete(id: string): void {
    if (!this.snapshots.has(id)) return;
    // After a crash it may be gone already.
    if (this.store.list().some((info) => info.id === id)) this.store.delete(id);
    this.snapshots.delete(id);
    this.#deleted.add(id);
  }

  #tidy(steps: number): void {
    for (let step = 0; step < steps; step += 1) if (!this.store.tidy()) return;
  }

  #remember(id: string): void {
    this.snapshots.set(
      id,
      this.model.map((content) => Buffer.from(content)),
    );
  }
}

export function replicaAfter(place: SnapshotPlace, ...steps: readonly Step[]): Replica {
  const replica = new Replica(place);
  for (const step of steps) replica.run(step);
  return replica;
}

export function throwsCode(code: string, work: () => void): void {
  assert.throws(work, (error) => {
    assert.equal(errorCode(error), code, String(error));
    return true;
  });
}

/** Those of the whole of it, and of parts that begin and end anywhere in a chunk. */
function assertExtents(reader: SnapshotReader, content: Buffer): void {
  for (const step of [reader.size, 5 * GRANULE_SIZE])
    for (let start = 0; start < reader.size; start += step)
      assertExtentsOf(reader, content, { start, end: Math.min(reader.size, start + step) });
}

/** They cover what was asked for and no more, and what is told to be a hole reads as zeros. */
function assertExtentsOf(
  reader: SnapshotReader,
  content: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
): void {
  const list = new ExtentList(1000);
  reader.extents(start, end - start, list);
  let at = start;
  for (const { length, kind } of list.extents) {
    assert.ok(length > 0, `${length} bytes at ${at}`);
    const part = content.subarray(at, at + length);
    assert.ok(kind !== 'hole' || part.equals(Buffer.alloc(length)), `a hole of ${length} at ${at} with data`);
    at += length;
  }
  assert.equal(at, end, `from ${start}`);
}
