/**
 * What of a source group works in one folder: all but its hosts' thread, and its journal in that. Another takes over when
 * the folder is moved.
 */
import { RAW_MARGIN } from '../../capture/journal-writer.ts';
import { rawsMax } from '../../capture/raw-pool.ts';
import type { LinkConfig, SourceGroupConfig } from '../../config/config.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import { lsn, LSN_NONE, type Lsn } from '../../journal/ids.ts';
import { decodeStatus } from '../../journal/status-codec.ts';
import { assert, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Events, Remote } from '../../platform/node/threads.ts';
import type { SharedLink } from '../../transfer/shared-link.ts';
import { openWithoutSeed } from './seeding.ts';
import type { OtherSide, SourcePart } from './other-side.ts';
import type { OpenedBack } from '../source-back/source-back-facts.ts';
import { patrolEvents, SourceComparing } from '../comparing/source-comparing.ts';
import { comparedWith } from '../comparing/window-answers.ts';
import { backOptions, hostOptions } from './source-facts.ts';
import { SourceGroup } from './source-group.ts';
import type { SourceHost, SourceHostOptions } from './source-host.ts';
import { SourceIdentity } from './source-identity.ts';
import type { SourceThreads } from './source-threads.ts';
import { answersOf, begunByAny, reachedByAll, Stream } from '../stream.ts';
import { VolumeResize } from './volume-resize.ts';
import type { World } from '../world.ts';

export interface SourceRunOptions {
  /** As it is now. */
  readonly config: () => SourceGroupConfig;
  /** The folder that it works in. */
  readonly folder: string;
  readonly log: Log;
  readonly world: World;
  /** That a stream uses. */
  readonly link: (config: LinkConfig) => SharedLink;
  readonly threads: SourceThreads;
  readonly other: OtherSide;
  readonly announcement: SourcePart['announcement'];
  readonly mayGiveUpSnapshots: () => boolean;
}

interface Parts {
  readonly group: SourceGroup;
  readonly streams: readonly Stream[];
  readonly comparing: SourceComparing;
  readonly resizing: VolumeResize;
  /** Nothing that these tell the hosts' thread after it reaches their successors there. */
  readonly cutOff: () => void;
}

export class SourceRun {
  readonly identity: SourceIdentity;
  readonly #options: SourceRunOptions;
  #opened: OpenedBack | undefined;
  #parts: Parts | undefined;
  /** What the hosts' thread hands on before there is a group to take it. */
  readonly #early: Parameters<SourceGroup['closed']>[] = [];

  /** @throws OperatorError as `SourceIdentity` */
  constructor(options: SourceRunOptions) {
    this.#options = options;
    this.identity = new SourceIdentity(options.world.platform, this.#config);
  }

  get folder(): string {
    return this.#options.folder;
  }

  /** @throws OperatorError `GROUP_STARTING` */
  get parts(): Parts {
    if (this.#parts !== undefined) return this.#parts;
    throw new OperatorError('GROUP_STARTING', `group ${this.#config.name} is starting`);
  }

  /** Undefined before there is one. */
  get group(): SourceGroup | undefined {
    return this.#parts?.group;
  }

  /** What the hosts' thread is to go on with. @throws OperatorError why the folder's state cannot be had */
  async open(): Promise<SourceHostOptions> {
    const { log, threads } = this.#options;
    const { replicateEvery } = this.#config;
    this.identity.begin();
    const back = threads.startBack(backOptions(this.#config, this.identity));
    const opened = await (replicateEvery === undefined ? back.open() : openWithoutSeed(back));
    if (opened.unreadable > 0)
      log.warn('a part of the change map was damaged: all that it stood for is brought over again', {
        blocks: opened.unreadable,
      });
    this.#opened = opened;
    const { applied, digested } = opened.checkpoint;
    return hostOptions(this.#config, this.identity, lsn(Math.min(applied, digested)));
  }

  /** The hosts' thread has the journal open. Hosts may come when this resolves. */
  async begin(): Promise<void> {
    assert(this.#opened !== undefined, 'not open');
    const { log, world, threads } = this.#options;
    const { back } = threads;
    const { host, cutOff } = threads.lendHost();
    const group = this.#group(this.#opened, { host, back });
    const streams = this.#config.destinations.map((link) => this.#stream(link, group));
    const comparing = new SourceComparing({
      config: this.#config,
      log,
      platform: world.platform,
      host,
      back,
      group,
      volumes: () => this.identity.volumes,
      answers: () => answersOf(streams),
    });
    const resizing = new VolumeResize({ ...world.platform, log, back, host, identity: this.identity });
    this.#parts = { group, streams, comparing, resizing, cutOff };
    for (const args of this.#early.splice(0)) group.closed(...args);
    if (this.identity.mustAttach) await this.#attach(host, resizing);
  }

  /** The links begin. */
  connect(): void {
    for (const stream of this.parts.streams) stream.start();
  }

  start(): void {
    const { group, comparing } = this.parts;
    group.start();
    comparing.verifying.start();
  }

  /** What the hosts' thread says, of the run that is the present one then. */
  static events(run: () => SourceRun): Events {
    const group = (): SourceGroup | undefined => run().#parts?.group;
    return {
      closed: (...args: Parameters<SourceGroup['closed']>) => run().#closed(...args),
      copied: (end: Lsn) => group()?.copied(end),
      pointCut: (point: CopyPoint) => group()?.pointCut(point),
      copyTrouble: (message: string | undefined) => group()?.copyTrouble(message),
      ...patrolEvents(() => run().#parts?.comparing.verifying),
      failed: (message: string, remedy: string) => group()?.failed(message, remedy),
    };
  }

  wake(): void {
    for (const stream of this.#parts?.streams ?? []) stream.wake();
  }

  failed(message: string): void {
    this.#parts?.group.failed(message, 'restart blockferry');
  }

  /** Another takes over, once all that is under way has ended; the hosts' thread and its journal are left as they are. */
  async giveWay(): Promise<void> {
    const { group, streams, comparing, resizing, cutOff } = this.parts;
    comparing.verifying.stop();
    resizing.stop();
    await group.giveWay();
    await Promise.all(streams.map((stream) => stream.stop()));
    cutOff();
  }

  /** Hosts are let go, and what they wrote is finished. */
  async stop(): Promise<void> {
    if (this.#parts === undefined) return;
    const { group, streams, comparing, resizing } = this.#parts;
    comparing.verifying.stop();
    resizing.stop();
    try {
      await group.stop();
    } finally {
      await Promise.all(streams.map((stream) => stream.stop()));
    }
  }

  /** Its start failed. */
  async abandon(): Promise<void> {
    await Promise.all((this.#parts?.streams ?? []).map((stream) => stream.stop()));
  }

  get #config(): SourceGroupConfig {
    return { ...this.#options.config(), folder: this.#options.folder };
  }

  #closed(...args: Parameters<SourceGroup['closed']>): void {
    if (this.#parts === undefined) this.#early.push(args);
    else this.#parts.group.closed(...args);
  }

  #group(opened: OpenedBack, threads: ConstructorParameters<typeof SourceGroup>[2]): SourceGroup {
    const { log, world } = this.#options;
    const { name, folder, quota, whenFull, segment, coalesce, replicateEvery, ownSnapshots } = this.#config;
    const streams = (): readonly Stream[] => this.#parts?.streams ?? [];
    return new SourceGroup(world.platform, log, threads, opened, {
      group: { name, id: this.identity.id },
      folder,
      quota: () => this.#options.config().quota,
      whenFull,
      segmentBytesMax: segment.size + RAW_MARGIN,
      rawsMax: rawsMax(segment.size + RAW_MARGIN, quota),
      every: replicateEvery,
      keepsSnapshots: ownSnapshots !== undefined,
      mayGiveUp: this.#options.mayGiveUpSnapshots,
      // Nothing is freed before it is known what they have.
      received: () =>
        this.#parts === undefined ? LSN_NONE : reachedByAll(streams().map(({ received }) => received)),
      isSending: (name) => streams().some((stream) => stream.isSending(name)),
      applied: () => reachedByAll(streams().map(({ answer }) => answer?.applied ?? LSN_NONE)),
      onSealed: () => this.wake(),
      answers: () => comparedWith(answersOf(streams()), this.identity.resync),
      brings: () => this.#options.other.mayBring,
      volumes: this.identity.volumes,
      begun: () => (coalesce ? begunByAny(streams().map(({ begun }) => begun)) : undefined),
    });
  }

  async #attach(host: Remote<SourceHost>, resizing: VolumeResize): Promise<void> {
    for (const volume of this.identity.volumes)
      if (volume.grewFrom !== undefined) await resizing.prepare(volume, volume.grewFrom);
    await host.attach();
    this.identity.attached();
  }

  #stream(config: LinkConfig, group: SourceGroup): Stream {
    const { log, world, link, other, announcement } = this.#options;
    const { name, folder, key } = this.#config;
    return new Stream(config, log, {
      world,
      link: link(config),
      group: { name, id: this.identity.id, epoch: this.identity.epoch, folder },
      announcement,
      segments: () => (other.sends ? group.sealed : []),
      copying: () => group.mode === 'initializing' || group.mode === 'delta',
      decode: (bytes) => decodeStatus(bytes, key, name),
      onStatus: (status) => {
        group.wake();
        other.said(config.name, status);
        if (this.#parts?.streams.every(({ answer }) => answer !== undefined) === true) other.agreed();
      },
      onServing: (status) => other.serving(status),
      onForeign: (status) => other.holdsForeign(status),
    });
  }
}
