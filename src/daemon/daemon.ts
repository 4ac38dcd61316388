/** Builds everything from the configuration, and takes it down again. */
import manifest from '../../package.json' with { type: 'json' };
import type { DaemonControl } from '../api/control.ts';
import type { Config, ReceiverConfig } from '../config/config.ts';
import type { Reload } from '../config/reload.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { nodeFiles } from '../platform/node/files.ts';
import { nodePlatform } from '../platform/node/platform.ts';
import { isNoRoom } from '../platform/reserve.ts';
import { Receiver } from '../transfer/receiver/receiver.ts';
import { Alarms } from './alarms/alarms.ts';
import { expectMove, rememberBuffer } from './buffer/known-buffers.ts';
import { Links } from './links.ts';
import { nodeWorld } from './node-world.ts';
import { openApi } from './open-api.ts';
import type { RunningGroup } from './running-group.ts';
import { RoledGroup } from './roles/roled-group.ts';

export interface Daemon {
  readonly control: DaemonControl;
  /** Where the receiver listens, when there is one. */
  readonly receiver: { readonly host: string; readonly port: number } | undefined;
  /** Drains: hosts are let go, what they wrote is sealed and destaged, the step under way is finished. */
  stop(): Promise<void>;
}

/** @throws OperatorError what cannot be had; everything that was started is stopped again */
export async function startDaemon(
  config: Config,
  log: Log,
  child: (part: string) => Log,
  readAgain: (prepare: (config: Config) => void) => Reload = fromNoFile,
): Promise<Daemon> {
  const groups: RoledGroup[] = [];
  const closers: (() => Promise<void>)[] = [];
  const links = new Links(nodePlatform.clock, config);
  let running = config;
  const stop = async (): Promise<void> => {
    // Whatever fails, the groups are stopped.
    const closed = closers.splice(0).reverse();
    const stopped: PromiseSettledResult<void>[] = [];
    for (const close of closed) stopped.push(...(await Promise.allSettled([close()])));
    stopped.push(...(await Promise.allSettled(groups.splice(0).map((group) => group.stop()))));
    const failed = stopped.find((result) => result.status === 'rejected');
    links.stop();
    if (failed !== undefined) throw failed.reason;
  };
  try {
    makeStateFolder(config.stateFolder);
    const here = {
      stateFolder: config.stateFolder,
      platform: process.platform === 'win32' ? 'win32' : 'posix',
    } as const;
    for (const settings of config.groups) {
      const log = child(settings.name);
      if (settings.role === 'source')
        expectMove(nodeFiles, config.stateFolder, settings.name, settings.folder);
      const group = new RoledGroup(settings, { world: nodeWorld, links, log, here });
      await group.start();
      groups.push(group);
    }
    const remember = (): void => {
      for (const { role, name, folder } of running.groups)
        if (role === 'source') rememberBuffer(nodeFiles, config.stateFolder, name, folder);
    };
    remember();
    const reload = (): readonly string[] => {
      const prepare = ({ groups: all }: Config): void => {
        for (const group of all) groups.find(({ name }) => name === group.name)?.prepare(group);
      };
      const { config: wanted, changed } = readAgain(prepare);
      running = wanted;
      links.configure(wanted);
      alarms.configure(wanted);
      for (const group of wanted.groups) groups.find(({ name }) => name === group.name)?.configure(group);
      remember();
      log.info('configuration read again', { changed: changed.join(', ') });
      return changed;
    };
    const alarms = new Alarms(nodePlatform, child, config, groups);
    const control = { ...controlOf(groups, alarms), reload };
    let receiver;
    if (config.receiver !== undefined) {
      const server = receiverOf(() => running, config.receiver, groups, child('receiver'));
      receiver = await server.listen();
      closers.push(() => server.close());
    }
    const { api: address, stateFolder } = config;
    const api = await openApi({ address, stateFolder, control, log }, nodePlatform.clock);
    closers.push(() => api.close());
    alarms.start();
    closers.push(() => alarms.stop());
    return { control, receiver, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function makeStateFolder(folder: string): void {
  try {
    nodeFiles.makeDirectory(folder);
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    throw new OperatorError('START_NO_ROOM', `blockferry cannot start for want of room for ${folder}`, {
      remedy: 'make room on its file system, or give `state` in the configuration another folder',
      retryable: true,
      cause: error,
    });
  }
}

function fromNoFile(): never {
  throw new OperatorError('NO_CONFIG_FILE', 'this daemon has no configuration file', {
    remedy: 'start it with `blockferry serve`',
  });
}

function controlOf(groups: readonly RoledGroup[], alarms: Alarms): Omit<DaemonControl, 'reload'> {
  const startedAt = nodePlatform.clock.now();
  const roled = (name: string): RoledGroup => {
    const group = groups.find((candidate) => candidate.name === name);
    if (group !== undefined) return group;
    throw new OperatorError('GROUP_UNKNOWN', `there is no group ${name} here`, {
      remedy: `the groups are: ${groups.map((candidate) => candidate.name).join(', ')}`,
    });
  };
  const find = (name: string): RunningGroup => roled(name).running;
  return {
    async status() {
      const statuses = await alarms.statuses();
      return { version: manifest.version, startedAt, now: nodePlatform.clock.now(), groups: statuses };
    },
    verify: async (group, order) => find(group).verify(order),
    verification: async (group, pass) => find(group).verification(pass),
    acceptSourceChanges: async (group, request) => find(group).acceptSourceChanges(request),
    testLink: async (group, destination) => find(group).testLink(destination),
    placeMarker: async (group, marker) => find(group).placeMarker(marker),
    initialize: async (group, how) => find(group).initialize(how),
    exportSeed: async (group, request) => find(group).exportSeed(request),
    importSeed: async (group, request) => find(group).importSeed(request),
    cancelSeed: async (group) => find(group).cancelSeed(),
    resize: async (group, volume, request) => find(group).resize(volume, request),
    snapshots: async (group) => find(group).snapshots(),
    points: async (group) => find(group).points(),
    retention: async (group) => find(group).retention(),
    createSnapshot: async (group, name) => find(group).createSnapshot(name),
    mount: async (group, request) => find(group).mount(request),
    unmount: async (group, mount) => find(group).unmount(mount),
    rehearse: async (group, request) => find(group).rehearse(request),
    rehearsal: (group, number) => find(group).rehearsal(number),
    failover: async (group, request) => roled(group).failover(request),
    switchover: async (group, dryRun) => roled(group).switchover(dryRun),
    rejoin: async (group, dryRun) => roled(group).rejoin(dryRun),
    rollback: async (group, request) => roled(group).rollback(request),
    deleteSnapshot: async (group, id) => find(group).deleteSnapshot(id),
  };
}

function receiverOf(
  config: () => Config,
  receiver: ReceiverConfig,
  groups: readonly RoledGroup[],
  log: Log,
): Receiver {
  const streams = config().groups.flatMap((group) => {
    if (group.role !== 'destination' || group.login === undefined) return [];
    const { login, folder, name } = group;
    const quota = (): number => config().groups.find((now) => now.name === name)?.quota ?? 0;
    return [{ ...login, folder, quota, group: name }];
  });
  return new Receiver({
    ...receiver,
    streams,
    onStored: (user) => {
      const group = streams.find((stream) => stream.user === user)?.group;
      groups.find((candidate) => candidate.name === group)?.wake();
    },
    clock: nodePlatform.clock,
    files: nodeFiles,
    log,
  });
}
