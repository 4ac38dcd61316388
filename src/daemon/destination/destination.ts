/** Builds a destination group from its configuration and runs it. */
import type { DestinationGroupStatus, WindowStatus } from '../../api/contract/status.ts';
import type { RecoveryPoints } from '../../api/contract/points.ts';
import type { SeedImportStatus } from '../../api/contract/seed.ts';
import type { DestinationGroupConfig } from '../../config/config.ts';
import type { DestinationFacts } from '../../destage/destination-facts.ts';
import { DestinationGroup } from '../../destage/destination-group.ts';
import type { PassedMarker } from '../../destage/passed-markers.ts';
import type { DestinationGroupOptions } from '../../destage/group-options.ts';
import type { Settled } from '../../destage/settle.ts';
import { windowSnapshotId, type WindowFacts } from '../../destage/retained-window.ts';
import type { SeedJobReport } from '../../destage/seed-job.ts';
import type { SnapshotFacts } from '../../destage/snapshots.ts';
import { aheadTo, type DestinationState } from '../../destage/state-file.ts';
import type { WindowLimits } from '../../destage/window-plan.ts';
import { isNameOfTime } from '../../journal/marker-names.ts';
import { encodeStatus } from '../../journal/status-codec.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Platform } from '../../platform/platform.ts';
import type { RemoteThread } from '../../platform/node/threads.ts';
import type { DestinationWorker, HeldPoint } from './destination-worker.ts';
import { logFromThread, type RunningGroup } from '../running-group.ts';
import type { WantedPoint } from '../../recovery/choose-point.ts';
import { inReach, type PastWindow } from '../../recovery/windows.ts';
import { Mounts } from '../snapshots/mounts.ts';
import { Rehearsing } from './rehearsing.ts';
import { SideSnapshots } from '../snapshots/side-snapshots.ts';
import { startFailure } from '../start-failure.ts';
import { toldSnapshot } from '../snapshots/told-snapshot.ts';
import { toldWait } from '../told-wait.ts';
import type { World } from '../world.ts';

/** How a destination takes part. */
export type DestinationPart = Pick<DestinationGroupOptions, 'resync' | 'onHandover'>;

const ALONE: DestinationPart = { resync: undefined, onHandover: () => undefined };

/** What becomes of a destination when it changes its part. */
export interface RunningDestination extends RunningGroup {
  facts(): DestinationFacts;
  /** Bytes that may still come. */
  room(): number;
  /** The name of the segment that is on its way out of the inbox, if one is. */
  taking(): readonly string[];
  /** What its volumes are to become when it takes over; it stays until `letPointGo`. @throws OperatorError as `DestinationWorker.holdPoint` does */
  holdPoint(wanted: WantedPoint): Promise<HeldPoint>;
  letPointGo(): Promise<void>;
  /** It stops, with all in its volumes that arrived without a hole. @throws what keeps the volumes from it */
  settle(): Promise<Settled>;
}

export async function startDestination(
  config: DestinationGroupConfig,
  log: Log,
  world: World,
  part: DestinationPart = ALONE,
): Promise<RunningDestination> {
  const { platform } = world;
  const lock = lockOrSay(config, world);
  const paths = new Map(config.volumes.map(({ name, path }) => [name, path]));
  const { name, folder, markers, key, snapshotFolder, retain } = config;
  const settings = { quota: config.quota };
  const options = { groupName: name, folder, snapshotFolder, key, paths, retain, views: config.views };
  const back: RemoteThread<DestinationWorker> = world.threads.destinationWorker(
    options,
    { log: logFromThread(log) },
    (error) => log.error(`the thread of group ${name} ended: ${error.message}; restart blockferry`),
  );
  try {
    const opened = await back.call.facts();
    const group = new DestinationGroup(platform, log, back.call, opened, {
      name,
      folder,
      quota: () => settings.quota,
      paths,
      markers,
      ...part,
      encodeStatus: (status) => encodeStatus(status, key, name, platform.random),
      watch: (watched, onChange) => world.watch(watched, onChange),
    });
    const mounts = new Mounts(back.call);
    const held = new Set<string>();
    const snapshots = snapshotsOf(config, { group, back, platform, log, held });
    const { rehearsal } = config;
    const check = (point: WantedPoint): Promise<void> => back.call.checkPoint(point);
    const rehearsing =
      rehearsal && new Rehearsing({ platform, log, group: name, folder, rehearsal, mounts, check });
    group.start();
    snapshots.start();
    rehearsing?.start();
    const parts = { group, back, snapshots, mounts, rehearsing, platform, lock, settings, held };
    return runningDestination(config, parts);
  } catch (error) {
    await back.terminate();
    lock.release();
    throw startFailure(error, platform.files, config);
  }
}

/** @throws OperatorError `GROUP_LOCKED`, `START_NO_ROOM` */
function lockOrSay(config: DestinationGroupConfig, world: World): { release(): void } {
  try {
    return world.lockGroup(config.name, config.folder);
  } catch (error) {
    throw startFailure(error, world.platform.files, config);
  }
}

interface Parts {
  readonly group: DestinationGroup;
  readonly back: RemoteThread<DestinationWorker>;
  readonly mounts: Mounts;
  readonly platform: Pick<Platform, 'clock' | 'random'>;
  /** Snapshots that retention leaves alone. */
  readonly held: Set<string>;
}

interface RunningParts extends Parts {
  readonly snapshots: SideSnapshots;
  readonly rehearsing: Rehearsing | undefined;
  readonly lock: { release(): void };
  /** What changes as it runs. */
  readonly settings: { quota: number };
}

function snapshotsOf(
  config: DestinationGroupConfig,
  { group, back, platform, log, held }: Omit<Parts, 'mounts'> & { readonly log: Log },
): SideSnapshots {
  const state = (): DestinationState => group.report().facts.state;
  return new SideSnapshots({
    group: config.name,
    settings: config,
    platform,
    log,
    list: () => back.call.snapshots(),
    used: () => back.call.snapshotsUsed(),
    // These come and go with the window.
    isJudged: ({ id, lsn }) =>
      !held.has(id) && (config.retain === undefined || id !== windowSnapshotId(state(), lsn)),
    create: (called) => group.createSnapshot(called),
    reached: () => state().applied,
    delete: (id) => group.deleteSnapshot(id),
  });
}

function runningDestination(
  config: DestinationGroupConfig,
  { group, back, snapshots, mounts, rehearsing, platform, lock, settings, held }: RunningParts,
): RunningDestination {
  return {
    name: config.name,
    facts: () => group.facts,
    room: () => group.report().room,
    taking: () => group.taking,
    async holdPoint(wanted) {
      held.clear();
      const one = await back.call.holdPoint(wanted);
      held.add(one.point.id);
      return one;
    },
    letPointGo() {
      held.clear();
      return back.call.letPointGo();
    },
    settle: () => group.settle(),
    status: () =>
      Promise.resolve(
        statusOf({ ...config, ...settings }, group, { now: platform.clock.now(), mounts, rehearsing }),
      ),
    snapshots: () => snapshots.list(),
    async points() {
      const { state } = group.report().facts;
      const windows = await back.call.windows();
      return pointsOf(state, await back.call.snapshots(), windows, await back.call.passedMarkers());
    },
    async rehearse({ point }) {
      if (rehearsing === undefined) throw noRehearsal(config.name);
      return rehearsing.begin(point);
    },
    rehearsal(number) {
      if (rehearsing === undefined) throw noRehearsal(config.name);
      return rehearsing.progress(number);
    },
    retention: () => snapshots.retention(),
    createSnapshot: (name) => snapshots.create(name),
    deleteSnapshot: (id) => snapshots.delete(id),
    mount: (request) => mounts.mount(request),
    unmount: (name) => mounts.unmount(name),
    ...doneAtItsSource(config.name),
    async importSeed({ folder }) {
      await group.importSeed(folder);
      return seedStatusOf(group.report().facts);
    },
    cancelSeed: () => group.giveUpSeed(),
    // What changes while it runs is always taken.
    prepare: () => undefined,
    configure({ quota }) {
      settings.quota = quota;
      group.wake();
    },
    wake: () => group.wake(),
    async stop() {
      await rehearsing?.stop();
      await snapshots.stop();
      await group.stop();
      await back.call.close();
      await back.terminate();
      lock.release();
    },
  };
}

/** Told at once. */
const WINDOWS_MAX = 1000;

function pointsOf(
  state: DestinationState,
  snapshots: readonly SnapshotFacts[],
  windows: readonly PastWindow[],
  markers: readonly PassedMarker[],
): RecoveryPoints {
  const { applied: lsn, appliedTime: time } = state;
  return {
    applied: { lsn, time, ...standOf(state) },
    windows: windows.slice(-WINDOWS_MAX),
    markers: inReach(markers, snapshots, windows).map(({ name, lsn, time }) => ({ name, lsn, time })),
    snapshots: snapshots.map((facts) => ({ ...toldSnapshot(facts), named: !isNameOfTime(facts.name) })),
  };
}

/** I3: what was cut off in the middle is no recovery point. */
function standOf(state: DestinationState): { consistent: boolean; aheadTo?: number } {
  const ahead = aheadTo(state);
  return ahead === undefined ? { consistent: state.consistent } : { consistent: false, aheadTo: ahead };
}

function noRehearsal(group: string): OperatorError {
  return new OperatorError('NO_REHEARSAL', `group ${group} has no check that a rehearsal could run`, {
    remedy: 'give it a `rehearsal` with a `run` in the configuration, and restart',
  });
}

/** What is said where the hosts write. */
function doneAtItsSource(
  group: string,
): Pick<
  RunningGroup,
  | 'placeMarker'
  | 'initialize'
  | 'exportSeed'
  | 'testLink'
  | 'resize'
  | 'verify'
  | 'verification'
  | 'acceptSourceChanges'
> {
  const refuse = (why: string, remedy: string) => (): Promise<never> => {
    const message = `group ${group} is a destination: ${why}`;
    return Promise.reject(new OperatorError('NOT_A_SOURCE', message, { remedy }));
  };
  const compare = refuse('its source has it compared', 'begin where the hosts write');
  return {
    placeMarker: refuse('markers are placed at its source', 'place it where the hosts write'),
    initialize: refuse('it gets what its source sends', 'say it where the hosts write'),
    exportSeed: refuse('a seed is imported here', 'export it where the hosts write'),
    testLink: refuse('it sends nothing', 'test the link where the hosts write'),
    resize: refuse('its volumes grow with those of its source', 'resize the volume where the hosts write'),
    verify: compare,
    verification: compare,
    acceptSourceChanges: compare,
  };
}

function seedStatusOf({ state, seed, seedJob }: DestinationFacts): SeedImportStatus {
  const { id, state: awaited = 'none' as const } = state.seed ?? {};
  return {
    state: awaited,
    ...(id === undefined ? {} : { id }),
    files: seed?.files ?? 0,
    ...(seed?.total === undefined ? {} : { total: seed.total }),
    ...(seedJob === undefined ? {} : { order: orderOf(seedJob) }),
  };
}

function orderOf({ folder, state, reading, problem }: SeedJobReport): NonNullable<SeedImportStatus['order']> {
  return {
    ...{ folder, state, done: reading?.done ?? 0, bytes: reading?.bytes ?? 0 },
    ...(reading === undefined ? {} : { file: reading.name }),
    ...(problem === undefined ? {} : { problem }),
  };
}

function replicaOf({
  verification: { pass, found, mended, differing },
  volumes,
}: DestinationState): Pick<DestinationGroupStatus, 'verification'> {
  if (pass === 0 && found === 0) return {};
  const named = differing.map(({ volume, offset, length, lsn }) => {
    return { volume: volumes.find(({ index }) => index === volume)?.name ?? '', offset, length, lsn };
  });
  return { verification: { found, mended, differing: named } };
}

function windowOf({ bytes, segments, from }: WindowFacts, retain: WindowLimits): WindowStatus {
  const start = from === undefined ? {} : { from: { lsn: from.lsn, time: from.time } };
  return { ...start, segments, bytes, size: retain.size, time: retain.time };
}

function statusOf(
  config: DestinationGroupConfig,
  group: DestinationGroup,
  { now, mounts, rehearsing }: Pick<RunningParts, 'mounts' | 'rehearsing'> & { readonly now: number },
): DestinationGroupStatus {
  const report = group.report();
  const { state, received, snapshots, window } = report.facts;
  return {
    role: 'destination',
    name: config.name,
    volumes: state.volumes.map(({ name, size }) => ({ name, size })),
    ...(state.epoch === undefined ? {} : { epoch: state.epoch.number }),
    received,
    applied: state.applied,
    appliedTime: state.appliedTime,
    ...standOf(state),
    ...(state.appliedTime === 0 ? {} : { behindSeconds: Math.max(0, (now - state.appliedTime) / 1000) }),
    inboxSegments: report.inboxSegments,
    missing: report.missing,
    setAside: report.setAside,
    snapshots,
    mounts: mounts.list(),
    ...(rehearsing === undefined ? {} : { rehearsal: rehearsing.status() }),
    ...(config.retain === undefined ? {} : { window: windowOf(window, config.retain) }),
    ...(state.seed === undefined && report.facts.seedJob === undefined
      ? {}
      : { seed: seedStatusOf(report.facts) }),
    ...replicaOf(state),
    buffer: { folder: config.folder, used: report.used, quota: config.quota, room: report.room },
    waits: [...report.waits, ...(rehearsing?.waits() ?? [])].map(toldWait),
  };
}
