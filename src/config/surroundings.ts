/**
 * What the configuration relies on outside its file: folders, volumes, programs, certificates. Only looked at; nothing
 * is made, and nothing is written. What is missing but will be made by the daemon is a note, not a problem.
 */
import { X509Certificate } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '../platform/errors.ts';
import type { FileStat, Files } from '../platform/files.ts';
import type {
  Config,
  DestinationGroupConfig,
  SnapshotsConfig,
  SourceGroupConfig,
  VolumeConfig,
} from './config.ts';
import { SECTOR } from './limits.ts';
import type { Finding, SettingPath } from './problems.ts';
import { formatSize } from './units.ts';
import { reasonOf } from './world.ts';

export interface Surroundings {
  readonly findings: readonly Finding[];
  /** What is known of a volume, in words, in the order of the groups and their volumes. */
  readonly volumes: ReadonlyMap<VolumeConfig, string>;
}

type GroupConfig = SourceGroupConfig | DestinationGroupConfig;

export function lookAround(
  config: Config,
  sources: { readonly files: Files; readonly now: number },
): Surroundings {
  const findings: Finding[] = [];
  const volumes = new Map<VolumeConfig, string>();
  const add = (path: SettingPath, trouble: Trouble | undefined): void => {
    if (trouble !== undefined) findings.push({ path, ...trouble });
  };
  add(['state'], folderTrouble(config.stateFolder));
  if (config.log.file !== undefined) add(['log', 'file'], folderTrouble(dirname(config.log.file)));
  if (config.api.kind === 'socket' && dirname(config.api.path) !== config.stateFolder) {
    add(['api', 'socket'], folderTrouble(dirname(config.api.path)));
  }
  if (config.alarms !== undefined) add(['alarms', 'run', 0], programTrouble(config.alarms.run[0]));
  const certificate = config.receiver?.tls?.certificate;
  if (certificate !== undefined)
    add(['receiver', 'tls', 'certificate'], certificateTrouble(certificate, sources.now));
  for (const group of config.groups) {
    const path = ['groups', group.name];
    add([...path, 'buffer'], folderTrouble(group.folder));
    for (const volume of group.volumes) {
      const seen = lookAtVolume(volume, group.role, sources.files);
      if (typeof seen === 'string') volumes.set(volume, seen);
      else add([...path, 'volumes', volume.name, seen.at], seen);
    }
    if (group.role === 'source') addSource(path, group, add);
    else addDestination(path, group, add);
  }
  return { findings, volumes };
}

interface Trouble {
  readonly message: string;
  readonly fix: string;
}
type Add = (path: SettingPath, trouble: Trouble | undefined) => void;

function addSource(path: SettingPath, group: SourceGroupConfig, add: Add): void {
  if (group.nbd.socket !== undefined)
    add([...path, 'nbd', 'socket'], folderTrouble(dirname(group.nbd.socket)));
  if (group.ownSnapshots !== undefined) addSnapshots(path, group.ownSnapshots, add);
  for (const { name, transport } of group.destinations) {
    if (transport.kind === 'folder')
      add([...path, 'destinations', name, 'folder'], shareTrouble(transport.path));
  }
}

function addSnapshots(path: SettingPath, { snapshotFolder, views }: SnapshotsConfig, add: Add): void {
  add([...path, 'snapshots'], folderTrouble(snapshotFolder));
  const { address, scratch } = views;
  add([...path, 'views', 'scratch'], folderTrouble(scratch.folder));
  if (address.kind === 'socket') add([...path, 'views', 'socket'], folderTrouble(dirname(address.path)));
}

function addDestination(path: SettingPath, group: DestinationGroupConfig, add: Add): void {
  addSnapshots(path, group, add);
  for (const marker of group.markers)
    add([...path, 'markers', marker.name, 'run', 0], programTrouble(marker.run[0]));
  if (group.rehearsal !== undefined)
    add([...path, 'rehearsal', 'run', 0], programTrouble(group.rehearsal.run[0]));
}

/** Whether a folder is there and writable, or could be made. */
function folderTrouble(folder: string): Trouble | undefined {
  const existing = nearestExisting(folder);
  if (existing === undefined)
    return { message: `${folder} cannot be made: nothing above it exists`, fix: MOUNT_FIX };
  if ('reason' in existing) {
    return {
      message: `${existing.path} ${existing.reason}`,
      fix: 'correct the path, or the rights of the folders above it',
    };
  }
  if (!existing.stat.isDirectory()) {
    return {
      message: `${existing.path} is not a folder`,
      fix: 'correct the path, or move what is in the way',
    };
  }
  try {
    fs.accessSync(existing.path, fs.constants.W_OK | fs.constants.X_OK);
    return undefined;
  } catch (error) {
    if (errorCode(error) === 'EROFS') {
      return {
        message: `${existing.path} is on a read-only file system`,
        fix: 'mount it read-write, or name another folder',
      };
    }
    return {
      message: `${existing.path} is not writable by this user`,
      fix: 'correct its owner or rights, or check as the daemon’s user',
    };
  }
}

const MOUNT_FIX = 'mount its file system, or name another folder';

/** The far end's folder is made by the far end: made here, a share that is not mounted would fill this machine's disk. */
function shareTrouble(folder: string): Trouble | undefined {
  const existing = nearestExisting(folder);
  if (existing === undefined || existing.path !== folder) {
    const fix = 'mount the share; the destination makes the group’s folder in it when it starts';
    return { message: `${folder} does not exist`, fix };
  }
  return folderTrouble(folder);
}

type Existing =
  { readonly path: string; readonly stat: fs.Stats } | { readonly path: string; readonly reason: string };

/** The path itself, or the lowest folder above it that is there. */
function nearestExisting(path: string): Existing | undefined {
  for (let current = path; ; current = dirname(current)) {
    try {
      const stat = fs.statSync(current, { throwIfNoEntry: false });
      if (stat !== undefined) return { path: current, stat };
    } catch (error) {
      if (errorCode(error) !== 'ENOTDIR') return { path: current, reason: reasonOf(error) };
    }
    if (dirname(current) === current) return undefined;
  }
}

interface VolumeTrouble extends Trouble {
  readonly at: 'path' | 'size';
}

function lookAtVolume(volume: VolumeConfig, role: GroupConfig['role'], files: Files): string | VolumeTrouble {
  const refuse = (trouble: Trouble, at: VolumeTrouble['at'] = 'path'): VolumeTrouble => ({ ...trouble, at });
  let stat;
  try {
    stat = files.stat(volume.path);
  } catch (error) {
    return refuse({
      message: `${volume.path} ${reasonOf(error)}`,
      fix: 'correct the path, or the rights on the way to it',
    });
  }
  if (stat === undefined) return missingVolume(volume, role);
  const trouble = accessTrouble(volume.path, stat);
  if (trouble !== undefined) return refuse(trouble);
  const size = `${formatSize(stat.size)}, ${stat.kind === 'file' ? 'image file' : 'block device'}`;
  // The destination's becomes as large as its source's.
  if (role === 'destination') return size;
  if (stat.size === 0 || stat.size % SECTOR !== 0) {
    const fix = `extend it to whole sectors of ${SECTOR} bytes (truncate --size=%${SECTOR}), or name another`;
    return refuse({ message: `${volume.path} has ${stat.size} bytes`, fix });
  }
  // It may have grown since it was made.
  if (volume.size === undefined || volume.size <= stat.size) return size;
  const message = `is ${volume.size} bytes, and ${volume.path} has ${stat.size}`;
  return refuse(
    { message, fix: 'leave size out, or correct it; `blockferry volume resize` makes a volume larger' },
    'size',
  );
}

function missingVolume(volume: VolumeConfig, role: GroupConfig['role']): string | VolumeTrouble {
  const { path } = volume;
  if (path.startsWith('/dev/') || path.startsWith('\\\\.\\')) {
    return {
      at: 'path',
      message: `${path} does not exist`,
      fix: 'attach the device, or correct the path (lsblk lists them)',
    };
  }
  if (role === 'source' && volume.size === undefined) {
    const fix = 'correct the path, or add size: 10 GiB to have an image file made';
    return { at: 'path', message: `${path} does not exist, and there is no size to make it with`, fix };
  }
  const trouble = folderTrouble(dirname(path));
  if (trouble !== undefined) return { at: 'path', ...trouble };
  if (volume.size === undefined) return 'not there yet; made when the source tells its size';
  return `${formatSize(volume.size)}, image file, not there yet; made at the first start`;
}

function accessTrouble(path: string, stat: FileStat): Trouble | undefined {
  if (stat.kind !== 'file' && stat.kind !== 'block-device') {
    const what = stat.kind === 'directory' ? 'a folder' : 'neither a file nor a block device';
    return { message: `${path} is ${what}`, fix: 'name a raw image file or a block device' };
  }
  try {
    fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK);
  } catch (error) {
    const why =
      errorCode(error) === 'EROFS'
        ? 'is on a read-only file system'
        : 'cannot be read and written by this user';
    return { message: `${path} ${why}`, fix: 'correct its rights, or check as the daemon’s user' };
  }
  return stat.kind === 'block-device' ? exclusiveTrouble(path) : undefined;
}

/** Linux lets one exclusive holder have a block device (open(2), O_EXCL): a mount, swap, RAID or LVM is one. */
function exclusiveTrouble(device: string): Trouble | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    fs.closeSync(fs.openSync(device, fs.constants.O_RDONLY | fs.constants.O_EXCL));
    return undefined;
  } catch (error) {
    if (errorCode(error) !== 'EBUSY')
      return { message: `${device} ${reasonOf(error)}`, fix: 'look at the kernel’s log (dmesg)' };
    const fix = 'unmount it or take it out of use: it would be changed behind Blockferry’s back';
    return { message: `${device} is in use: mounted, swap, or part of a RAID or volume group`, fix };
  }
}

function programTrouble(program: string): Trouble | undefined {
  let stat;
  try {
    stat = fs.statSync(program, { throwIfNoEntry: false });
  } catch (error) {
    return { message: `${program} ${reasonOf(error)}`, fix: 'correct the path' };
  }
  if (stat === undefined)
    return { message: `${program} does not exist`, fix: 'install it, or correct the path' };
  if (!stat.isFile()) return { message: `${program} is not a file`, fix: 'name the program itself' };
  if (process.platform === 'win32') return undefined;
  try {
    fs.accessSync(program, fs.constants.X_OK);
    return undefined;
  } catch {
    return {
      message: `${program} is not executable by this user`,
      fix: 'run: chmod +x, or check as the daemon’s user',
    };
  }
}

function certificateTrouble(pem: string, now: number): Trouble | undefined {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  const fix = 'renew the certificate, or set this machine’s clock';
  if (validToDate.getTime() < now) return { message: `ran out on ${validToDate.toISOString()}`, fix };
  return validFromDate.getTime() > now
    ? { message: `is valid only from ${validFromDate.toISOString()}`, fix }
    : undefined;
}
