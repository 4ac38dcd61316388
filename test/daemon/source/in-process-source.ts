/** A whole source group in one process and simulated time, on any files: host path, sealing and destaging, and what decides. */
import assert from 'node:assert/strict';
import { RAW_MARGIN } from '../../../src/capture/journal-writer.ts';
import { RAWS_SURE } from '../../../src/capture/raw-pool.ts';
import type { HostVolume } from '../../../src/nbd/front-end.ts';
import { buildSourceBack, type SourceThreadOptions } from '../../../src/daemon/build-threads.ts';
import { SourceGroup, type SourceGroupOptions } from '../../../src/daemon/source/source-group.ts';
import { SourceHost } from '../../../src/daemon/source/source-host.ts';
import type { SourceWorker } from '../../../src/daemon/source-back/source-worker.ts';
import type { CopyPoint } from '../../../src/journal/copy-point.ts';
import { lsn, LSN_NONE, type Lsn } from '../../../src/journal/ids.ts';
import type { Files } from '../../../src/platform/files.ts';
import type { Log, LogFields } from '../../../src/platform/log.ts';
import { noMounts } from '../../support/no-mounts.ts';
import { seededRandom } from '../../support/random.ts';
import { silentLog } from '../../support/silent-log.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const HEADROOM = 28;

export interface SourceSetup {
  readonly files: Files;
  readonly back: SourceThreadOptions;
  /** Bytes. */
  readonly segmentSize: number;
  /** What everything is done up to, of an earlier one. */
  readonly done: Lsn;
}

export class InProcessSource {
  readonly clock = new SimulatedClock();
  /** What every destination has received. */
  received: Lsn = LSN_NONE;
  readonly lines: { readonly level: keyof Log; readonly message: string; readonly fields?: LogFields }[] = [];
  readonly back: SourceWorker;
  readonly host: SourceHost;
  readonly #setup: SourceSetup;
  #group: SourceGroup | undefined;
  #volumes: readonly HostVolume[] = [];
  /** What an earlier run left, handed on before there is a group. */
  readonly #early: Parameters<SourceGroup['closed']>[] = [];

  constructor(setup: SourceSetup) {
    this.#setup = setup;
    const { files, back, segmentSize, done } = setup;
    const platform = { clock: this.clock, files, random: seededRandom('site') };
    this.back = buildSourceBack(platform, silentLog, back, noMounts);
    const events: Record<string, (...args: never[]) => void> = {
      closed: (...args: Parameters<SourceGroup['closed']>) =>
        this.#group === undefined ? void this.#early.push(args) : this.#group.closed(...args),
      copied: (end: Lsn) => this.group.copied(end),
      pointCut: (point: CopyPoint) => this.pointCut(point),
      copyTrouble: (message: string | undefined) => this.group.copyTrouble(message),
      failed: (message: string, remedy: string) => this.group.failed(message, remedy),
    };
    const { folder, epoch, volumes } = back;
    const rawsMax = RAWS_SURE;
    const group = { name: 'g', folder, segmentSize, segmentAge: 1000, rawsMax, epoch, volumes, done };
    this.host = new SourceHost(
      { ...platform, processes: { run: () => Promise.reject(new Error('no programs here')) } },
      { group, nbd: { socket: undefined, tcp: undefined, connections: 1 } },
      (name, ...args) => events[name]?.(...(args as never[])),
      (volumesServed) => {
        this.#volumes = volumesServed;
        return { listen: () => Promise.resolve(), connections: () => 0, close: () => Promise.resolve() };
      },
    );
  }

  async begin(options: Partial<SourceGroupOptions>): Promise<void> {
    const opened = await this.back.open();
    this.#group = this.#make({ ...opened, sealed: [...opened.sealed] }, options);
    for (const args of this.#early) this.#group.closed(...args);
    this.#group.start();
  }

  /** Until it is in journal mode, all that it brings over confirmed. */
  async comeInStep(): Promise<void> {
    for (let i = 0; i < 60 && this.group.mode !== 'journal'; i += 1) await this.passAndConfirm();
    assert.equal(this.group.mode, 'journal');
  }

  protected pointCut(point: CopyPoint): void {
    this.group.pointCut(point);
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
    const { clock, host, back } = this;
    const { files, back: settings, segmentSize } = this.#setup;
    return new SourceGroup({ clock, files, random: seededRandom('seeds') }, log, { host, back }, opened, {
      group: settings.group,
      folder: settings.folder,
      quota: () => 1024 * 1024 * 1024,
      whenFull: 'refuse-writes',
      segmentBytesMax: segmentSize + RAW_MARGIN,
      rawsMax: RAWS_SURE,
      received: () => this.received,
      isSending: () => false,
      applied: () => this.received,
      answers: () => new Map(),
      brings: () => true,
      every: undefined,
      mayGiveUp: () => true,
      keepsSnapshots: settings.snapshots !== undefined,
      volumes: settings.volumes,
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

  /** @throws HostError */
  writeData(name: string, offset: number, data: Buffer): void {
    this.volume(name).write({
      buffer: Buffer.concat([Buffer.alloc(HEADROOM), data]),
      start: 0,
      count: 1,
      offsets: Float64Array.of(offset),
      lengths: Uint32Array.of(data.length),
    });
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
}
