/** Builds a source group from its configuration and runs it: two threads, its links, its status. */
import { sep } from 'node:path';
import type { MarkerToPlace } from '../../api/control.ts';
import type { InitializeAnswer, InitializeRequest } from '../../api/contract/initialize.ts';
import type { LinkTestReport } from '../../api/contract/link-test.ts';
import type { PlacedMarker } from '../../api/contract/markers.ts';
import type { SeedExportRequest, SeedExportStatus } from '../../api/contract/seed.ts';
import type { SourceStatus } from '../../api/contract/status.ts';
import type { Accepted, AcceptRequest, VerificationProgress } from '../../api/contract/verification.ts';
import type { ResizeAnswer, ResizeRequest } from '../../api/contract/volumes.ts';
import type { Config, LinkConfig, SourceGroupConfig } from '../../config/config.ts';
import type { HandoverPayload } from '../../journal/handover.ts';
import type { EpochIdentity, Lsn } from '../../journal/ids.ts';
import type { SiteStatus } from '../../journal/status.ts';
import { assert, describeError, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { WaitCode } from '../../platform/wait-codes.ts';
import type { Parting } from '../source-back/diverged.ts';
import type { Links } from '../links.ts';
import { ALONE, OtherSide, type SourcePart } from './other-side.ts';
import type { DivergedVolumes, RunningSource } from './running-source.ts';
import { seedingOf, seedOf } from './seeding.ts';
import {
  destinationUnknown,
  resizeNeedsEveryWrite,
  resizeNeedsNoSeed,
  verifyNeedsEveryWrite,
} from './source-facts.ts';
import { SourceThreads } from './source-threads.ts';
import { sourceStatus } from './source-status.ts';
import { SourceSide, type SideParts } from './source-side.ts';
import { startFailure } from '../start-failure.ts';
import { markerTimetable, type Timetable } from '../timetable.ts';
import { findGroup, mountedMeanwhile, movedByHand } from '../buffer/buffer-place.ts';
import { FolderLocks } from '../buffer/folder-locks.ts';
import { SourceMove, type MovingSource } from './source-move.ts';
import type { SourceRun } from './source-run.ts';
import { SourceRuns } from './source-runs.ts';
import type { SharedLink } from '../../transfer/shared-link.ts';
import type { World } from '../world.ts';

export async function startSource(
  config: SourceGroupConfig,
  log: Log,
  world: World,
  links: Links,
  part: SourcePart = ALONE,
): Promise<RunningSource> {
  const { files } = world.platform;
  const locks = new FolderLocks(config.name, world);
  let source: Source | undefined;
  try {
    locks.take(config.folder);
    const { live } = findGroup(files, config.name, config.folder);
    locks.take(live);
    source = new Source(config, log, { world, links, locks, live, part });
    await source.start();
    return source;
  } catch (error) {
    await source?.abandon();
    locks.releaseAll();
    throw startFailure(error, files, config);
  }
}

interface Surroundings {
  readonly part: SourcePart;
  readonly world: World;
  readonly links: Links;
  readonly locks: FolderLocks;
  /** The group's folder, from which it is to move to the one that is configured. */
  readonly live: string;
}

class Source extends SourceSide implements RunningSource {
  #config: SourceGroupConfig;
  readonly #log: Log;
  readonly #world: World;
  readonly #locks: FolderLocks;
  readonly #other: OtherSide;
  readonly #threads: SourceThreads;
  readonly #runs: SourceRuns;
  #timetable: Timetable;
  readonly #move: SourceMove;

  constructor(config: SourceGroupConfig, log: Log, { world, links, locks, live, part }: Surroundings) {
    super(config.name, part.rollback !== undefined);
    this.#config = config;
    this.#log = log;
    this.#world = world;
    this.#locks = locks;
    this.#timetable = this.#timetableOf(config);
    const threads = (this.#threads = new SourceThreads(world, log, (error) => this.#threadEnded(error)));
    const other = (this.#other = new OtherSide({
      ...part,
      log,
      identity: () => this.#run.identity,
      group: () => this.#run.group,
      host: () => this.#threads.host,
    }));
    const used = new Map(config.destinations.map((link) => [link.name, links.of(link, config.segment.size)]));
    const link = ({ name }: LinkConfig): SharedLink => {
      const found = used.get(name);
      assert(found !== undefined, `${name} is one of the destinations`);
      return found;
    };
    const { announcement } = part;
    const mayGiveUpSnapshots = (): boolean => this.mayGiveUpSnapshots;
    const options = { config: () => this.#config, log, world, threads, link, other, announcement };
    this.#runs = new SourceRuns({ ...options, mayGiveUpSnapshots }, live);
    this.#move = new SourceMove(world.platform, log, this.#moving(), config.folder);
  }

  async start(): Promise<void> {
    this.#threads.startHost(await this.#run.open(), this.#runs.events);
    await this.#run.begin();
    this.#run.connect();
    await this.#other.hear(this.#run.parts.streams, this.#world.platform.clock);
    if (this.#other.rollback === undefined) await this.#other.serve();
    // What keeps its journal from being opened fails the start, though nobody is served yet.
    else await this.#threads.host.status();
    this.#run.start();
    this.rollBack(this.#other, this.#runs.folder, this.#sideParts);
    this.keepSnapshots(this.#config.ownSnapshots, this.#sideParts);
    this.#timetable.start();
    this.#move.start();
  }

  get epoch(): EpochIdentity {
    return this.#run.identity.epoch;
  }

  async placeMarker({ kind, name }: MarkerToPlace): Promise<PlacedMarker> {
    await this.#steady.then(() => this.refuseWhileRollingBack());
    const id = this.#world.platform.random.bytes(16).toString('hex');
    const placed = await this.#run.parts.group.placeMarker({ id, kind, name });
    this.#log.info(`${kind} marker ${name} placed`, { lsn: placed.lsn });
    return { id, name, ...placed };
  }

  async initialize(how: InitializeRequest): Promise<InitializeAnswer> {
    await this.#steady;
    this.#run.parts.comparing.checkInitialize(how);
    await this.#run.parts.group.initialize(how);
    return { bytes: this.#run.identity.bytes };
  }

  async exportSeed(request: SeedExportRequest): Promise<SeedExportStatus> {
    await this.#steady;
    return seedingOf(this.#run.parts.group.seeding, this.name).export(request);
  }

  cancelSeed = async (): Promise<void> => {
    await this.#steady;
    await seedingOf(this.#run.parts.group.seeding, this.name).cancel();
  };

  async testLink(destination: string): Promise<LinkTestReport> {
    const stream = this.#run.parts.streams.find(({ name }) => name === destination);
    if (stream !== undefined) return stream.test();
    const known = this.#run.parts.streams.map(({ name }) => name).join(', ');
    throw destinationUnknown(this.name, destination, known);
  }

  async verify(order: { readonly full: boolean }): Promise<number> {
    await this.#steady;
    if (this.#config.replicateEvery !== undefined) throw verifyNeedsEveryWrite(this.name);
    return this.#run.parts.comparing.verifying.begin(order);
  }

  async verification(pass: number): Promise<VerificationProgress> {
    const { id, epoch, volumes } = this.#run.identity;
    return Promise.resolve(this.#run.parts.comparing.progress(pass, { id, epoch, volumes }));
  }

  async acceptSourceChanges(request: AcceptRequest): Promise<Accepted> {
    await this.#steady;
    return this.#run.parts.comparing.accept(request);
  }

  async resize(volume: string, request: ResizeRequest): Promise<ResizeAnswer> {
    await this.#steady;
    if (this.#config.replicateEvery !== undefined) throw resizeNeedsEveryWrite(this.name);
    if (seedOf(this.#run.parts.group.seeding).seed !== undefined) throw resizeNeedsNoSeed(this.name);
    if (this.#run.parts.group.mode === 'stopped') {
      throw new OperatorError('GROUP_STOPPED', `group ${this.name} has stopped`, {
        remedy: '`blockferry status` says why, and what to do',
      });
    }
    return this.#run.parts.resizing.resize(volume, request);
  }

  /** @throws OperatorError `RESTART_NEEDED`; as `SourceMove.announce` */
  prepare({ folder }: Config['groups'][number]): void {
    if (folder !== this.#config.folder) this.#checkMovable();
    this.#move.announce(folder);
  }

  configure(config: Config['groups'][number]): void {
    if (config.role !== 'source') return;
    this.#config = config;
    this.#move.want(config.folder);
    this.#timetable.stop();
    this.#timetable = this.#timetableOf(config);
    this.#timetable.start();
    const { group, streams } = this.#run.parts;
    if (config.replicateEvery !== undefined) group.setEvery(config.replicateEvery);
    for (const stream of streams) {
      const link = config.destinations.find(({ name }) => name === stream.name);
      if (link !== undefined) stream.configure(link);
    }
  }

  wake = (): void => this.#run.wake();

  async status(): Promise<SourceStatus> {
    const { group, streams, comparing } = this.#run.parts;
    const answer = await this.#threads.hostStatus();
    const host = answer === 'stalled' ? undefined : answer;
    group.lookAround({ isStalled: answer === 'stalled', isWaitedFor: host?.isWaitedFor === true });
    const config = { ...this.#config, folder: this.#run.folder };
    return sourceStatus(config, {
      group,
      host,
      files: this.#world.platform.files,
      identity: this.#run.identity,
      streams,
      verifying: comparing.verifying,
      move: this.#move.waits,
      held: this.heldStatus(group),
    });
  }

  settle = (): Promise<boolean> =>
    Promise.all([this.#steady, this.stopRollingBack()]).then(() => this.#run.parts.group.settle());

  stay = (): Promise<string> => this.#move.stop().then(() => this.#runs.folder);

  async markDiverged(parting: Parting): Promise<DivergedVolumes> {
    await this.#steady;
    const { back } = this.#threads;
    return { ...(await back.markDiverged(parting)), marked: await back.marked() };
  }

  async handOver(payload: HandoverPayload): Promise<Lsn> {
    await this.#steady;
    const { host } = this.#threads;
    await host.stopServing();
    return host.handOver(payload);
  }

  followed = (): boolean =>
    this.#run.parts.streams.every(
      // What was remembered may be of the epoch before.
      ({ answer }) => answer?.consistent === true && answer.epoch?.id === this.#run.identity.epoch.id,
    );

  foreign = (): SiteStatus | undefined => this.#other.foreign;

  tell = (code: WaitCode, why: string | undefined): void => this.#run.parts.group.waits.set(code, why);

  async stop(): Promise<void> {
    this.#timetable.stop();
    await this.stopRollingBack();
    try {
      await this.#move.stop();
      await this.stopSnapshots();
      await this.#run.stop();
    } finally {
      await this.#threads.end();
      this.#locks.releaseAll();
    }
  }

  /** Its start failed. */
  async abandon(): Promise<void> {
    await this.#run.abandon();
    await this.#threads.end();
  }

  get #run(): SourceRun {
    return this.#runs.present;
  }

  /** Resolves when the group can be asked for anything: one that is about to go on in another folder cannot. */
  get #steady(): Promise<unknown> {
    return this.#runs.steady;
  }

  /** Of the run that is the present one. */
  get #sideParts(): SideParts {
    const { host, back } = this.#threads;
    return { platform: this.#world.platform, log: this.#log, host, back, group: this.#run.parts.group };
  }

  protected steady(): Promise<unknown> {
    return this.#steady;
  }

  #timetableOf({ timedMarkers }: SourceGroupConfig): Timetable {
    const place = (marker: MarkerToPlace): Promise<unknown> => this.placeMarker(marker);
    return markerTimetable(timedMarkers, this.#world.platform.clock, this.#log, place);
  }

  #moving(): MovingSource {
    return {
      name: this.name,
      folder: () => this.#runs.folder,
      back: () => this.#threads.back,
      lock: (folder) => this.#locks.take(folder),
      unlock: (folder) => this.#locks.release(folder),
      check: () => this.#checkMovable(),
      switchTo: (folder, isWanted) => this.#switchTo(folder, isWanted),
    };
  }

  /** @throws OperatorError `RESTART_NEEDED`, `MOVE_MOUNTED`, `ROLLING_BACK` */
  #checkMovable(): void {
    const { ownSnapshots } = this.#config;
    if (
      ownSnapshots !== undefined &&
      `${ownSnapshots.snapshotFolder}${sep}`.startsWith(`${this.#runs.folder}${sep}`)
    )
      throw movedByHand(this.name);
    this.refuseWhileRollingBack();
    if (this.isLookedAt) throw mountedMeanwhile(this.name);
  }

  /** Hosts stay connected. False: it cannot go on. @throws why it stays where it was */
  async #switchTo(to: string, isWanted: () => boolean): Promise<boolean> {
    return this.#runs.steadyAfter(async () => {
      await this.leaveSnapshots();
      const stays = this.isLookedAt
        ? { error: mountedMeanwhile(this.name) }
        : await this.#runs.switchTo(to, isWanted);
      if (stays === 'broken') return false;
      this.keepSnapshots(this.#config.ownSnapshots, this.#sideParts);
      if (stays !== undefined) throw stays.error;
      return true;
    });
  }

  #threadEnded(error: Error): void {
    this.#run.failed(`a thread of group ${this.name} ended: ${describeError(error)}`);
  }
}
