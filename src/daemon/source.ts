/** Builds a source group from its configuration and runs it: two threads, its links, its status. */
import type { MarkerToPlace } from '../api/control.ts';
import type { InitializeAnswer, InitializeRequest } from '../api/contract/initialize.ts';
import type { LinkTestReport } from '../api/contract/link-test.ts';
import type { PlacedMarker } from '../api/contract/markers.ts';
import type { SeedExportRequest, SeedExportStatus } from '../api/contract/seed.ts';
import type { SourceStatus } from '../api/contract/status.ts';
import type { Accepted, AcceptRequest, VerificationProgress } from '../api/contract/verification.ts';
import type { ResizeAnswer, ResizeRequest } from '../api/contract/volumes.ts';
import type { MarkedVolume } from '../capture/change-map.ts';
import { RAW_MARGIN } from '../capture/journal-writer.ts';
import type { Config, LinkConfig, SourceGroupConfig } from '../config/config.ts';
import type { ForkPoint } from '../journal/fork.ts';
import type { HandoverPayload } from '../journal/handover.ts';
import type { CopyPoint } from '../journal/copy-point.ts';
import { lsn, LSN_NONE, type Lsn } from '../journal/ids.ts';
import { decodeStatus } from '../journal/status-codec.ts';
import { assert, describeError, OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Events, Remote } from '../platform/node/threads.ts';
import type { WaitCode } from '../platform/wait-codes.ts';
import type { Diverged } from './diverged.ts';
import type { Links } from './links.ts';
import { ALONE, OtherSide, type SourcePart } from './other-side.ts';
import type { RunningSource } from './running-source.ts';
import { SourceGroup } from './source-group.ts';
import type { SourceHost } from './source-host.ts';
import { openWithoutSeed, seedingOf, seedOf } from './seeding.ts';
import { patrolEvents, SourceComparing } from './source-comparing.ts';
import {
  backOptions,
  destinationUnknown,
  hostOptions,
  resizeNeedsEveryWrite,
  resizeNeedsNoSeed,
  verifyNeedsEveryWrite,
} from './source-facts.ts';
import { SourceThreads } from './source-threads.ts';
import { sourceStatus } from './source-status.ts';
import { SourceIdentity } from './source-identity.ts';
import { SourceSide } from './source-side.ts';
import { startFailure } from './start-failure.ts';
import { answersOf, begunByAny, reachedByAll, Stream } from './stream.ts';
import { markerTimetable, type Timetable } from './timetable.ts';
import { VolumeResize } from './volume-resize.ts';
import type { World } from './world.ts';

export async function startSource(
  config: SourceGroupConfig,
  log: Log,
  world: World,
  links: Links,
  part: SourcePart = ALONE,
): Promise<RunningSource> {
  let lock: { release(): void } | undefined;
  let source: Source | undefined;
  try {
    lock = world.lockGroup(config.name, config.folder);
    source = new Source(config, log, { world, links, lock, part });
    await source.start();
    return source;
  } catch (error) {
    await source?.abandon();
    lock?.release();
    throw startFailure(error, world.platform.files, config);
  }
}

interface Surroundings {
  readonly part: SourcePart;
  readonly world: World;
  readonly links: Links;
  readonly lock: { release(): void };
}

class Source extends SourceSide implements RunningSource {
  #config: SourceGroupConfig;
  readonly #log: Log;
  readonly #world: World;
  readonly #lock: { release(): void };
  readonly #links: Links;
  #streams: readonly Stream[] = [];
  readonly #identity: SourceIdentity;
  readonly #other: OtherSide;
  readonly #announcement: SourcePart['announcement'];
  readonly #threads: SourceThreads;
  #timetable: Timetable;
  #group: SourceGroup | undefined;
  #comparing: SourceComparing | undefined;
  #resizing: VolumeResize | undefined;

  constructor(config: SourceGroupConfig, log: Log, { world, links, lock, part }: Surroundings) {
    super(config.name);
    this.#config = config;
    this.#log = log;
    this.#world = world;
    this.#links = links;
    this.#lock = lock;
    this.#identity = new SourceIdentity(world.platform, config);
    this.#timetable = this.#timetableOf(config);
    this.#threads = new SourceThreads(world, log, (error) => this.#threadEnded(error));
    this.#announcement = part.announcement;
    this.#other = new OtherSide({
      ...part,
      log,
      identity: this.#identity,
      group: () => this.#group,
      host: () => this.#threads.host,
    });
  }

  async start(): Promise<void> {
    const { folder, whenFull, segment, coalesce } = this.#config;
    this.#identity.begin();
    const back = this.#threads.startBack(backOptions(this.#config, this.#identity));
    const isOnInterval = this.#config.replicateEvery !== undefined;
    const opened = await (isOnInterval ? openWithoutSeed(back) : back.open());
    if (opened.unreadable > 0)
      this.#log.warn('a part of the change map was damaged: all that it stood for is brought over again', {
        blocks: opened.unreadable,
      });
    const done = lsn(Math.min(opened.checkpoint.applied, opened.checkpoint.digested));
    // What a crash left is handed over before there is a group to take it.
    const early: Parameters<SourceGroup['closed']>[] = [];
    const host = this.#threads.startHost(
      hostOptions(this.#config, this.#identity, done),
      this.#eventsOf(early),
    );
    const group = (this.#group = new SourceGroup(this.#world.platform, this.#log, { host, back }, opened, {
      group: { name: this.name, id: this.#identity.id },
      folder,
      quota: () => this.#config.quota,
      whenFull,
      segmentBytesMax: segment.size + RAW_MARGIN,
      every: this.#config.replicateEvery,
      keepsSnapshots: this.#config.ownSnapshots !== undefined,
      received: () => reachedByAll(this.#streams.map(({ received }) => received)),
      applied: () => reachedByAll(this.#streams.map(({ answer }) => answer?.applied ?? LSN_NONE)),
      onSealed: () => this.wake(),
      answers: () => answersOf(this.#streams),
      volumes: this.#identity.volumes,
      begun: () => (coalesce ? begunByAny(this.#streams.map(({ begun }) => begun)) : undefined),
    }));
    this.#streams = this.#config.destinations.map((link) => this.#stream(link));
    this.#comparing = new SourceComparing({
      config: this.#config,
      log: this.#log,
      platform: this.#world.platform,
      host,
      back,
      group,
      volumes: () => this.#identity.volumes,
      answers: () => answersOf(this.#streams),
    });
    const { platform } = this.#world;
    this.#resizing = new VolumeResize({ ...platform, log: this.#log, back, host, identity: this.#identity });
    for (const args of early) group.closed(...args);
    if (this.#identity.mustAttach) await this.#attach(host, this.#resizing);
    for (const stream of this.#streams) stream.start();
    await this.#other.hear(this.#streams, platform.clock);
    if (this.#other.mayServe) await host.listen();
    // It may have said so while hosts were let in.
    if (!this.#other.mayServe) await host.stopServing();
    group.start();
    this.keepSnapshots(this.#config.ownSnapshots, { platform, log: this.#log, host, back, group });
    this.#comparing.verifying.start();
    this.#timetable.start();
  }

  async placeMarker({ kind, name }: MarkerToPlace): Promise<PlacedMarker> {
    const id = this.#world.platform.random.bytes(16).toString('hex');
    const placed = await this.#running.placeMarker({ id, kind, name });
    this.#log.info(`${kind} marker ${name} placed`, { lsn: placed.lsn });
    return { id, name, ...placed };
  }

  async initialize(how: InitializeRequest): Promise<InitializeAnswer> {
    this.#compared.checkInitialize(how);
    await this.#running.initialize(how);
    return { bytes: this.#identity.bytes };
  }

  exportSeed(request: SeedExportRequest): Promise<SeedExportStatus> {
    return seedingOf(this.#running.seeding, this.name).export(request);
  }

  cancelSeed = (): Promise<void> => seedingOf(this.#running.seeding, this.name).cancel();

  async testLink(destination: string): Promise<LinkTestReport> {
    const stream = this.#streams.find(({ name }) => name === destination);
    if (stream !== undefined) return stream.test();
    const known = this.#streams.map(({ name }) => name).join(', ');
    throw destinationUnknown(this.name, destination, known);
  }

  async verify(order: { readonly full: boolean }): Promise<number> {
    if (this.#config.replicateEvery !== undefined) throw verifyNeedsEveryWrite(this.name);
    return this.#compared.verifying.begin(order);
  }

  async verification(pass: number): Promise<VerificationProgress> {
    const { id, epoch, volumes } = this.#identity;
    return Promise.resolve(this.#compared.progress(pass, { id, epoch, volumes }));
  }

  async acceptSourceChanges(request: AcceptRequest): Promise<Accepted> {
    return this.#compared.accept(request);
  }

  async resize(volume: string, request: ResizeRequest): Promise<ResizeAnswer> {
    if (this.#config.replicateEvery !== undefined) throw resizeNeedsEveryWrite(this.name);
    if (seedOf(this.#running.seeding).seed !== undefined) throw resizeNeedsNoSeed(this.name);
    if (this.#running.mode === 'stopped' || this.#resizing === undefined) {
      throw new OperatorError('GROUP_STOPPED', `group ${this.name} has stopped`, {
        remedy: '`blockferry status` says why, and what to do',
      });
    }
    return this.#resizing.resize(volume, request);
  }

  configure(config: Config['groups'][number]): void {
    if (config.role !== 'source') return;
    this.#config = config;
    this.#timetable.stop();
    this.#timetable = this.#timetableOf(config);
    this.#timetable.start();
    if (config.replicateEvery !== undefined) this.#group?.setEvery(config.replicateEvery);
    for (const stream of this.#streams) {
      const link = config.destinations.find(({ name }) => name === stream.name);
      if (link !== undefined) stream.configure(link);
    }
  }

  wake(): void {
    for (const stream of this.#streams) stream.wake();
  }

  async status(): Promise<SourceStatus> {
    const group = this.#running;
    const answer = await this.#threads.hostStatus();
    const host = answer === 'stalled' ? undefined : answer;
    group.lookAround({ isStalled: answer === 'stalled', isWaitedFor: host?.isWaitedFor === true });
    return sourceStatus(this.#config, {
      group,
      host,
      files: this.#world.platform.files,
      identity: this.#identity,
      streams: this.#streams,
      verifying: this.#comparing?.verifying,
      held: this.heldStatus(group),
    });
  }

  settle = (): Promise<boolean> => this.#running.settle();

  async markDiverged(fork: ForkPoint): Promise<Diverged & { readonly marked: readonly MarkedVolume[] }> {
    const { back } = this.#threads;
    assert(back !== undefined, 'a source that runs');
    return { ...(await back.markDiverged(fork)), marked: await back.marked() };
  }

  async handOver(payload: HandoverPayload): Promise<Lsn> {
    const { host } = this.#threads;
    assert(host !== undefined, 'a source that runs');
    await host.stopServing();
    return host.handOver(payload);
  }

  tell = (code: WaitCode, message: string): unknown => this.#running.waits.raise(code, message);

  async stop(): Promise<void> {
    this.#timetable.stop();
    await this.leaveSnapshots();
    try {
      this.#comparing?.verifying.stop();
      await this.#group?.stop();
    } finally {
      await Promise.all(this.#streams.map((stream) => stream.stop()));
      await this.#threads.end();
      this.#lock.release();
    }
  }

  /** Its start failed. */
  async abandon(): Promise<void> {
    await Promise.all(this.#streams.map((stream) => stream.stop()));
    await this.#threads.end();
  }

  get #running(): SourceGroup {
    if (this.#group === undefined)
      throw new OperatorError('GROUP_STARTING', `group ${this.name} is starting`);
    return this.#group;
  }

  get #compared(): SourceComparing {
    if (this.#comparing === undefined)
      throw new OperatorError('GROUP_STARTING', `group ${this.name} is starting`);
    return this.#comparing;
  }

  #timetableOf({ timedMarkers }: SourceGroupConfig): Timetable {
    const place = (marker: MarkerToPlace): Promise<unknown> => this.placeMarker(marker);
    return markerTimetable(timedMarkers, this.#world.platform.clock, this.#log, place);
  }

  /** `early`: takes what comes before there is a group. */
  #eventsOf(early: Parameters<SourceGroup['closed']>[]): Events {
    return {
      closed: (...args: Parameters<SourceGroup['closed']>) => {
        if (this.#group === undefined) early.push(args);
        else this.#group.closed(...args);
      },
      copied: (end: Lsn) => this.#group?.copied(end),
      pointCut: (point: CopyPoint) => this.#group?.pointCut(point),
      copyTrouble: (message: string | undefined) => this.#group?.copyTrouble(message),
      ...patrolEvents(() => this.#comparing?.verifying),
      failed: (message: string, remedy: string) => this.#group?.failed(message, remedy),
    };
  }

  #threadEnded(error: Error): void {
    this.#group?.failed(
      `a thread of group ${this.name} ended: ${describeError(error)}`,
      'restart blockferry',
    );
  }

  async #attach(host: Remote<SourceHost>, resizing: VolumeResize): Promise<void> {
    for (const volume of this.#identity.volumes)
      if (volume.grewFrom !== undefined) await resizing.prepare(volume, volume.grewFrom);
    await host.attach();
    this.#identity.attached();
  }

  #stream(config: LinkConfig): Stream {
    const { folder, key, segment } = this.#config;
    return new Stream(config, this.#log, {
      world: this.#world,
      link: this.#links.of(config, segment.size),
      group: { name: this.name, id: this.#identity.id, epoch: this.#identity.epoch, folder },
      announcement: this.#announcement,
      segments: () => this.#running.sealed,
      copying: () => this.#group?.mode === 'initializing' || this.#group?.mode === 'delta',
      decode: (bytes) => decodeStatus(bytes, key, this.name),
      onStatus: (status) => {
        this.#group?.wake();
        this.#other.said(status);
      },
      onServing: (status) => this.#other.serving(status),
    });
  }
}
