/** A whole source group in one process, on a disk in memory: host path, sealing and destaging, and what decides. */
import assert from 'node:assert/strict';
import { RAW_MARGIN } from '../../src/capture/journal-writer.ts';
import type { HostVolume } from '../../src/nbd/front-end.ts';
import { buildSourceBack } from '../../src/daemon/build-threads.ts';
import type { SourceBack, SourceBackOptions } from '../../src/daemon/source-back.ts';
import { SourceGroup, type SourceGroupOptions } from '../../src/daemon/source-group.ts';
import { SourceHost } from '../../src/daemon/source-host.ts';
import type { CopyPoint } from '../../src/journal/copy-point.ts';
import { lsn, LSN_NONE, type Lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import type { Log, LogFields } from '../../src/platform/log.ts';
import { freshDisk, VOLUME_SIZE } from '../capture/engine.ts';
import { EPOCH } from '../capture/journal.ts';
import type { MemoryDisk } from '../recovery/memory-disk.ts';
import { seededRandom } from '../support/random.ts';
import { silentLog } from '../support/silent-log.ts';
import { TamperedFiles } from '../support/tampered-files.ts';
import { SimulatedClock } from '../transfer/simulated-clock.ts';

const FOLDER = '/group';
const SEGMENT_SIZE = 64 * 1024;
const HEADROOM = 28;
export const SEGMENT_BYTES_MAX = SEGMENT_SIZE + RAW_MARGIN;

const VOLUMES = ['a', 'b'].map((name, i) => ({
  index: i as VolumeIndex,
  name,
  path: `/volumes/${name}`,
  size: VOLUME_SIZE,
}));

const BACK: SourceBackOptions = {
  folder: FOLDER,
  group: { name: 'g', id: '34'.repeat(16) },
  epoch: EPOCH,
  key: undefined,
  compression: 0,
  dropOverwritten: false,
  volumes: VOLUMES,
};

export class SourceSite {
  readonly disk: MemoryDisk;
  readonly files: TamperedFiles;
  readonly clock = new SimulatedClock();
  /** What every destination has received. */
  received: Lsn = LSN_NONE;
  readonly lines: { readonly level: keyof Log; readonly message: string; readonly fields?: LogFields }[] = [];
  /** What hosts saw at each point that was cut. */
  readonly atPoints = new Map<Lsn, readonly Buffer[]>();
  readonly back: SourceBack;
  readonly host: SourceHost;
  #group: SourceGroup | undefined;
  #volumes: readonly HostVolume[] = [];
  /** What an earlier run left, handed on before there is a group. */
  readonly #early: Parameters<SourceGroup['closed']>[] = [];
  #fill = 0;

  /** In journal mode, what it brought over confirmed. Of the group's options the quota and what happens when it is full count. */
  static async start(
    options: Partial<SourceGroupOptions> = {},
    left?: { readonly disk: MemoryDisk; readonly done: Lsn },
  ): Promise<SourceSite> {
    const site = await SourceSite.startFresh(options, left);
    for (let i = 0; i < 60 && site.group.mode !== 'journal'; i += 1) await site.passAndConfirm();
    assert.equal(site.group.mode, 'journal');
    return site;
  }

  /** `left`: the disk, and the LSN that everything is done up to, of an earlier one. */
  static async startFresh(
    options: Partial<SourceGroupOptions> = {},
    left: { readonly disk: MemoryDisk; readonly done: Lsn } = freshDisk(),
  ): Promise<SourceSite> {
    const site = new SourceSite(left.disk, left.done);
    const opened = await site.back.open();
    site.#group = site.#make({ ...opened, sealed: [...opened.sealed] }, options);
    for (const args of site.#early) site.#group.closed(...args);
    site.#group.start();
    return site;
  }

  private constructor(disk: MemoryDisk, done: Lsn) {
    this.disk = disk;
    this.files = new TamperedFiles(disk);
    const platform = { clock: this.clock, files: this.files, random: seededRandom('site') };
    this.back = buildSourceBack(platform, silentLog, BACK);
    const events: Record<string, (...args: never[]) => void> = {
      closed: (...args: Parameters<SourceGroup['closed']>) =>
        this.#group === undefined ? void this.#early.push(args) : this.#group.closed(...args),
      copied: (end: Lsn) => this.group.copied(end),
      pointCut: (point: CopyPoint) => {
        this.atPoints.set(point.lsn, [this.seen('a'), this.seen('b')]);
        this.group.pointCut(point);
      },
      copyTrouble: (message: string | undefined) => this.group.copyTrouble(message),
      failed: (message: string, remedy: string) => this.group.failed(message, remedy),
    };
    const group = {
      name: 'g',
      folder: FOLDER,
      segmentSize: SEGMENT_SIZE,
      segmentAge: 1000,
      epoch: EPOCH,
      volumes: VOLUMES,
      done,
    };
    this.host = new SourceHost(
      { ...platform, processes: { run: () => Promise.reject(new Error('no programs here')) } },
      { group, nbd: { socket: undefined, tcp: undefined, connections: 1 } },
      (name, ...args) => events[name]?.(...(args as never[])),
      (volumes) => {
        this.#volumes = volumes;
        return { listen: () => Promise.resolve(), connections: () => 0, close: () => Promise.resolve() };
      },
    );
  }

  #make(
    opened: ConstructorParameters<typeof SourceGroup>[3],
    options: Partial<SourceGroupOptions>,
  ): SourceGroup {
    const line =
      (level: keyof Log) =>
      (message: string, fields?: LogFields): void =>
        void this.lines.push({ level, message, ...(fields === undefined ? {} : { fields }) });
    const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    const { clock, files, host, back } = this;
    return new SourceGroup({ clock, files, random: seededRandom('seeds') }, log, { host, back }, opened, {
      group: BACK.group,
      folder: FOLDER,
      quota: () => 1024 * 1024 * 1024,
      whenFull: 'refuse-writes',
      segmentBytesMax: SEGMENT_BYTES_MAX,
      received: () => this.received,
      applied: () => this.received,
      every: undefined,
      volumes: VOLUMES,
      onSealed: () => undefined,
      begun: () => undefined,
      ...options,
    });
  }

  get group(): SourceGroup {
    assert.ok(this.#group !== undefined, 'an event before there is a group');
    return this.#group;
  }

  volume(name: string): HostVolume {
    const found = this.#volumes.find((volume) => volume.name === name);
    assert.ok(found !== undefined);
    return found;
  }

  /** 32 KiB of something new, half a segment. @throws HostError */
  write(name: string, offset = ((this.#fill + 1) % 8) * 32 * 1024): void {
    this.#fill = (this.#fill + 1) % 255;
    const data = Buffer.alloc(32 * 1024, this.#fill + 1);
    this.volume(name).write({
      buffer: Buffer.concat([Buffer.alloc(HEADROOM), data]),
      start: 0,
      count: 1,
      offsets: Float64Array.of(offset),
      lengths: Uint32Array.of(data.length),
    });
  }

  /** Writes so many segments' worth, or until there is no room or they are refused; says which. */
  async fill(segments: number): Promise<'taken' | 'no room' | 'refused'> {
    for (let i = 0; i < 2 * segments; i += 1) {
      if (this.volume('a').room() !== undefined) {
        await this.clock.pass(1500);
        if (this.volume('a').room() !== undefined) return 'no room';
      }
      try {
        this.write(i % 2 === 0 ? 'a' : 'b');
      } catch {
        return 'refused';
      }
      await this.clock.pass(50);
    }
    await this.clock.pass(1500);
    return 'taken';
  }

  /** Destinations have everything that is sealed. */
  confirm(): void {
    this.received = lsn(Math.max(this.received, ...this.group.sealed.map(({ range }) => range.last)));
    this.group.wake();
  }

  async passAndConfirm(): Promise<void> {
    await this.clock.pass(500);
    this.confirm();
    await this.clock.pass(0);
  }

  waiting(): string[] {
    return this.group.waits.list().map(({ code }) => code);
  }

  /** Sealed segments on the disk. */
  segments(): string[] {
    return this.disk.list(`${FOLDER}/journal`).filter((name) => name.endsWith('.seg'));
  }

  content(name: string): Buffer {
    const file = this.disk.open(`/volumes/${name}`, 'read');
    const content = Buffer.alloc(file.size());
    file.read(content, 0);
    return content;
  }

  seen(name: string): Buffer {
    const content = Buffer.alloc(VOLUME_SIZE);
    this.volume(name).read(0, content);
    return content;
  }
}
