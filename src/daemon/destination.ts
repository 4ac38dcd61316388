/** Builds a destination group from its configuration and runs it. */
import type { DestinationGroupStatus } from '../api/contract/status.ts';
import type { SnapshotEntry } from '../api/contract/snapshots.ts';
import type { DestinationGroupConfig } from '../config/config.ts';
import type { DestinationBack } from '../destage/destination-back.ts';
import { DestinationGroup } from '../destage/destination-group.ts';
import { encodeStatus } from '../journal/status-codec.ts';
import type { Clock } from '../platform/clock.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { RemoteThread } from '../platform/node/threads.ts';
import { logFromThread, type RunningGroup } from './running-group.ts';
import type { World } from './world.ts';

export async function startDestination(
  config: DestinationGroupConfig,
  log: Log,
  world: World,
): Promise<RunningGroup> {
  const { platform } = world;
  const lock = world.lockGroup(config.name, config.folder);
  const paths = new Map(config.volumes.map(({ name, path }) => [name, path]));
  const { name, folder, quota, markers, key, snapshotFolder } = config;
  const options = { groupName: name, folder, snapshotFolder, key, paths };
  const back: RemoteThread<DestinationBack> = world.threads.destinationBack(
    options,
    { log: logFromThread(log) },
    (error) => log.error(`the thread of group ${name} ended: ${error.message}; restart blockferry`),
  );
  try {
    const opened = await back.call.facts();
    const group = new DestinationGroup(platform, log, back.call, opened, {
      name,
      folder,
      quota,
      paths,
      markers,
      encodeStatus: (status) => encodeStatus(status, key, name, platform.random),
      watch: (watched, onChange) => world.watch(watched, onChange),
    });
    group.start();
    return runningDestination(config, group, back, { clock: platform.clock, lock });
  } catch (error) {
    await back.terminate();
    lock.release();
    throw error;
  }
}

function runningDestination(
  config: DestinationGroupConfig,
  group: DestinationGroup,
  back: RemoteThread<DestinationBack>,
  { clock, lock }: { readonly clock: Clock; readonly lock: { release(): void } },
): RunningGroup {
  return {
    name: config.name,
    status: () => Promise.resolve(statusOf(config, group, clock.now())),
    snapshots: (): Promise<readonly SnapshotEntry[]> =>
      back.call
        .snapshots()
        .then((entries) => entries.map(({ id, name, lsn, time, kind }) => ({ id, name, lsn, time, kind }))),
    deleteSnapshot: (id) => group.deleteSnapshot(id),
    placeMarker: () =>
      Promise.reject(
        new OperatorError(
          'NOT_A_SOURCE',
          `group ${config.name} is a destination: markers are placed at its source`,
          {
            remedy: 'place it where the hosts write',
          },
        ),
      ),
    // All that a destination has is read when it starts.
    configure: () => undefined,
    wake: () => group.wake(),
    async stop() {
      await group.stop();
      await back.call.close();
      await back.terminate();
      lock.release();
    },
  };
}

function statusOf(
  config: DestinationGroupConfig,
  group: DestinationGroup,
  now: number,
): DestinationGroupStatus {
  const report = group.report();
  const { state, received, snapshots } = report.facts;
  return {
    role: 'destination',
    name: config.name,
    volumes: state.volumes.map(({ name, size }) => ({ name, size })),
    received,
    applied: state.applied,
    appliedTime: state.appliedTime,
    consistent: state.consistent,
    ...(state.appliedTime === 0 ? {} : { behindSeconds: Math.max(0, (now - state.appliedTime) / 1000) }),
    inboxSegments: report.inboxSegments,
    missing: report.missing,
    setAside: report.setAside,
    snapshots,
    buffer: { folder: config.folder, used: report.used, quota: config.quota, room: report.room },
    waits: report.waits,
  };
}
