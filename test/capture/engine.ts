/** A source's host path on a disk in memory, with a destager as simple as can be, and the volumes as they ought to be. */
import assert from 'node:assert/strict';
import type { AskedWindow } from '../../src/capture/comparing-copy.ts';
import { GroupHost, type GroupHostOptions } from '../../src/capture/group-host.ts';
import type { MendRange, PatrolProgress } from '../../src/capture/patrol.ts';
import { RAWS_SURE } from '../../src/capture/raw-pool.ts';
import { RAW_SIZE_MAX } from '../../src/capture/recover.ts';
import type { HostVolume } from '../../src/nbd/front-end.ts';
import type { CopyPoint } from '../../src/journal/copy-point.ts';
import { lsn, LSN_NONE, type Lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { loadRaw, RawMemory, type ClosedRaw } from '../../src/journal/raw-segment.ts';
import type { JournalRecord } from '../../src/journal/record.ts';
import { VolumeSet } from '../../src/volume/volume-set.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { seededRandom } from '../support/random.ts';
import { TamperedFiles } from '../support/tampered-files.ts';
import { SimulatedClock } from '../transfer/simulated-clock.ts';
import { EPOCH } from './journal.ts';

const HEADROOM = 28;
/** More than the journal takes in one record. */
export const VOLUME_SIZE = 320 * 1024;
const NAMES = ['a', 'b'];

/** What lasts when a process dies: the disk, and how far it was destaged. */
export interface Remains {
  readonly disk: MemoryDisk;
  done: Lsn;
}

export function freshDisk(fill = 0, options = { clones: false }): Remains {
  const disk = new MemoryDisk(options);
  disk.makeDirectory('/volumes');
  for (const name of NAMES) {
    const file = disk.open(`/volumes/${name}`, 'create-new');
    file.write(Buffer.alloc(VOLUME_SIZE, fill), 0);
    file.syncNow();
  }
  disk.syncDirectory('/volumes');
  return { disk, done: LSN_NONE };
}

export class Engine {
  readonly remains: Remains;
  readonly files: TamperedFiles;
  readonly clock = new SimulatedClock();
  readonly host: GroupHost;
  readonly closed: { readonly raw: ClosedRaw; readonly generation: number }[] = [];
  readonly failures: string[] = [];
  copied = 0;
  readonly points: CopyPoint[] = [];
  readonly troubles: (string | undefined)[] = [];
  readonly #volumes = NAMES.map((name, i) => ({
    index: i as VolumeIndex,
    name,
    path: `/volumes/${name}`,
    size: VOLUME_SIZE,
  }));

  readonly patrolled: PatrolProgress[] = [];
  readonly mended: { readonly range: MendRange; readonly lsn: Lsn }[] = [];

  constructor(
    remains: Remains = freshDisk(),
    options: Partial<GroupHostOptions> = {},
    prepare: (files: TamperedFiles) => void = () => undefined,
  ) {
    this.remains = remains;
    this.files = new TamperedFiles(remains.disk);
    prepare(this.files);
    const platform = { clock: this.clock, files: this.files, random: seededRandom(`engine ${remains.done}`) };
    this.host = new GroupHost(
      platform,
      {
        name: 'g',
        folder: '/group',
        segmentSize: 16 * 1024,
        rawsMax: RAWS_SURE,
        segmentAge: 1000,
        epoch: EPOCH,
        volumes: this.#volumes,
        done: remains.done,
        ...options,
      },
      {
        onClosed: (raw, generation) => this.closed.push({ raw, generation }),
        onCopied: () => (this.copied += 1),
        onCopyTrouble: (message) => this.troubles.push(message),
        onPoint: (point) => this.points.push(point),
        onPatrol: (progress) => this.patrolled.push(progress),
        onMended: (range, at) => this.mended.push({ range, lsn: at }),
        onPatrolTrouble: (message) => this.troubles.push(message),
        onFailed: (message) => this.failures.push(message),
      },
    );
  }

  volume(name: string): HostVolume {
    const found = this.host.volumes.find((volume) => volume.name === name);
    assert.ok(found !== undefined);
    return found;
  }

  /** @throws HostError */
  write(name: string, offset: number, data: Buffer): void {
    const run = {
      buffer: Buffer.concat([Buffer.alloc(HEADROOM), data]),
      start: 0,
      count: 1,
      offsets: Float64Array.of(offset),
      lengths: Uint32Array.of(data.length),
    };
    this.volume(name).write(run);
  }

  read(name: string, offset = 0, length = VOLUME_SIZE): Buffer {
    const into = Buffer.alloc(length, 0xee);
    this.volume(name).read(offset, into);
    return into;
  }

  /** Begins to bring over these regions of 64 KiB of each volume, by default all. */
  async beginCopy(regions = 0xff): Promise<void> {
    await this.host.beginCopy();
    const [regionSize, bits] = [64 * 1024, Uint8Array.of(regions)];
    this.host.copy(this.#volumes.map(({ index }) => ({ index, regionSize, bits })));
  }

  /** The same, where destinations have old copies. Resolves with the first window that they are asked about. */
  async beginCompare(regions = 0xff): Promise<AskedWindow | undefined> {
    await this.host.beginCopy();
    const [regionSize, bits] = [64 * 1024, Uint8Array.of(regions)];
    return this.host.compare(this.#volumes.map(({ index }) => ({ index, regionSize, bits })));
  }

  /** The records of a closed segment. */
  records(raw: ClosedRaw): readonly JournalRecord[] {
    const loaded = loadRaw(this.files, raw.path, { sizeMax: RAW_SIZE_MAX, limit: raw.last }, new RawMemory());
    assert.equal(loaded?.end, raw.end);
    return loaded.records;
  }

  /** Takes the oldest closed segment into the volumes; false when there is none. `before`: what happens in between. */
  destage(before: () => void = () => undefined): boolean {
    const item = this.closed.shift();
    if (item === undefined) return false;
    const volumes = new VolumeSet(this.files, this.#volumes);
    volumes.apply(this.records(item.raw), { fromVolume: 'skip' });
    volumes.sync();
    volumes.close();
    before();
    this.remains.done = item.raw.last;
    this.host.destaged(item.generation);
    this.host.release(item.raw.path);
    return true;
  }
}

/** The volumes as a history of writes and zeros makes them, up to an LSN. */
export class History {
  readonly #fill: number;
  readonly #steps: {
    readonly lsn: Lsn;
    readonly name: string;
    readonly offset: number;
    readonly data: Buffer;
  }[] = [];

  constructor(fill = 0) {
    this.#fill = fill;
  }

  add(at: number, name: string, offset: number, data: Buffer): void {
    this.#steps.push({ lsn: lsn(at), name, offset, data });
  }

  at(last: Lsn, name: string): Buffer {
    const content = Buffer.alloc(VOLUME_SIZE, this.#fill);
    for (const step of this.#steps)
      if (step.name === name && step.lsn <= last) step.data.copy(content, step.offset);
    return content;
  }
}
