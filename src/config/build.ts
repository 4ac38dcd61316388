/** A file without mistakes, and the secrets that it names → the configuration that the rest of the program relies on. Pure. */
import { assert } from '../platform/errors.ts';
import type {
  ApiConfig,
  Config,
  DestinationGroupConfig,
  RetentionConfig,
  FtpTransportConfig,
  LinkConfig,
  NbdConfig,
  ReceiverConfig,
  RehearsalConfig,
  SftpTransportConfig,
  SharedLinkConfig,
  SnapshotsConfig,
  SmbTransportConfig,
  SourceGroupConfig,
  TimedMarkerConfig,
  ViewsConfig,
} from './config.ts';
import { formatPath, type SettingPath } from './problems.ts';
import {
  defaultApiSocket,
  defaultNbdSocket,
  defaultViewsSocket,
  groupFolder,
  scratchFolder,
  snapshotFolder,
} from './rules/context.ts';
import type { ConfigFile, DestinationFile, GroupFile, SourceFile } from './schema.ts';
import type { Secrets } from './secrets.ts';

interface Parts {
  readonly secrets: Secrets;
  readonly platform: 'posix' | 'win32';
}

/** Of the IANA. */
const NBD_PORT = 10_809;
const FTP_PORT = 21;
/** Implicit TLS (IANA: ftps). */
const FTPS_PORT = 990;

export function buildConfig(file: ConfigFile, parts: Parts): Config {
  return {
    stateFolder: file.state,
    log: { level: file.log.level, file: file.log.file, size: file.log.size, files: file.log.files },
    api: buildApi(file, parts),
    receiver: buildReceiver(file, parts),
    alarms: file.alarms && {
      run: file.alarms.run,
      timeLimit: file.alarms['time-limit'],
      atLeast: file.alarms['at-least'],
    },
    transfers: file.transfers,
    links: Object.entries(file.links).map(([name, link]) => buildSharedLink(name, link)),
    groups: Object.entries(file.groups).map(([name, group]) => {
      return group.role === 'source'
        ? buildSource(name, group, file.state, parts)
        : buildDestination(name, group, file.state, parts);
    }),
  };
}

function buildApi(file: ConfigFile, { platform }: Parts): ApiConfig {
  const { listen } = file.api;
  const socket =
    file.api.socket ?? (listen === undefined ? defaultApiSocket(file.state, platform) : undefined);
  if (socket !== undefined) return { kind: 'socket', path: socket };
  return { kind: 'tcp', host: listen?.host === '::1' ? '::1' : '127.0.0.1', port: listen?.port ?? 0 };
}

function buildReceiver({ receiver }: ConfigFile, parts: Parts): ReceiverConfig | undefined {
  if (receiver === undefined) return undefined;
  const pem = (name: string): string => found(parts.secrets.certificates, ['receiver', 'tls', name]);
  return {
    host: receiver.listen.host,
    port: receiver.listen.port,
    passivePorts: receiver['passive-ports'],
    publicAddress: receiver['public-address'],
    tls: receiver.tls === undefined ? undefined : { certificate: pem('certificate'), key: pem('key') },
    allowPlain: receiver['allow-plain'],
    connections: receiver.connections,
  };
}

function buildSharedLink(name: string, link: ConfigFile['links'][string]): SharedLinkConfig {
  const { files, copies, schedule } = link;
  const week =
    schedule === undefined
      ? undefined
      : { timeZone: schedule['time-zone'], windows: schedule.windows, outside: schedule.outside };
  return { name, files, copyShare: copies, week };
}

function buildBase(name: string, group: GroupFile, { secrets, platform }: Parts) {
  return {
    name,
    folder: groupFolder(group.buffer, name, platform),
    quota: group.quota,
    objective: group.objective,
    key: group['key-file'] === undefined ? undefined : found(secrets.keys, ['groups', name]),
  };
}

function buildSource(name: string, group: SourceFile, state: string, parts: Parts): SourceGroupConfig {
  const { segment, nbd, snapshots } = group;
  return {
    ...buildBase(name, group, parts),
    role: 'source',
    volumes: Object.entries(group.volumes).map(([volume, { path, size }]) => ({ name: volume, path, size })),
    whenFull: group['when-full'],
    segment: {
      size: segment.size,
      age: segment.age,
      compression: segment.compression,
      dropOverwritten: segment['drop-overwritten'],
    },
    coalesce: group.coalesce,
    initialCopy: group['initial-copy'],
    timedMarkers: buildTimedMarkers(group['timed-markers']),
    replicateEvery: group.replication?.every,
    verifyEvery: group.verify?.every,
    ownSnapshots: snapshots === undefined ? undefined : buildSnapshots(name, group, state, parts),
    nbd: buildNbd(nbd),
    destinations: Object.entries(group.destinations).map(([destination, link]) => {
      return buildLink(['groups', name, 'destinations', destination], destination, link, parts);
    }),
  };
}

function buildNbd({ socket, listen, connections }: SourceFile['nbd']): NbdConfig {
  return { socket, tcp: listen, connections };
}

/** Of a destination that does not say where hosts would find it. */
function defaultNbd(name: string, state: string, { platform }: Parts): NbdConfig {
  const socket = defaultNbdSocket(state, name, platform);
  const tcp = socket === undefined ? { host: '127.0.0.1', port: NBD_PORT } : undefined;
  return { socket, tcp, connections: 64 };
}

function buildTimedMarkers(timed: SourceFile['timed-markers']): TimedMarkerConfig[] {
  if (timed === undefined) return [];
  const timeZone = timed['time-zone'];
  const custom = Object.entries(timed.custom).map(([name, times]): TimedMarkerConfig => {
    return { kind: 'custom', name, times, timeZone };
  });
  if (timed.snapshots === undefined) return custom;
  return [{ kind: 'snapshot', name: undefined, times: timed.snapshots, timeZone }, ...custom];
}

type LinkFile = SourceFile['destinations'][string];
type FtpFile = NonNullable<LinkFile['ftp']>;
type SftpFile = NonNullable<LinkFile['sftp']>;
type SmbFile = NonNullable<LinkFile['smb']>;

function buildLink(path: SettingPath, name: string, link: LinkFile, parts: Parts): LinkConfig {
  const { ftp, sftp, smb, folder, parallel, weight } = link;
  const common = { name, parallel, link: link.link, weight };
  if (ftp !== undefined) return { ...common, transport: buildFtp([...path, 'ftp'], ftp, parts) };
  if (sftp !== undefined) return { ...common, transport: buildSftp([...path, 'sftp'], sftp, parts) };
  if (smb !== undefined) return { ...common, transport: buildSmb([...path, 'smb'], smb, parts) };
  assert(folder !== undefined, `${formatPath(path)} has a transport`);
  return { ...common, transport: { kind: 'folder', path: folder } };
}

function buildFtp(path: SettingPath, ftp: FtpFile, { secrets }: Parts): FtpTransportConfig {
  const authority = ftp['certificate-authority'];
  return {
    kind: 'ftp',
    host: ftp.host,
    port: ftp.port ?? (ftp.tls === 'implicit' ? FTPS_PORT : FTP_PORT),
    user: ftp.user,
    password: found(secrets.passwords, path),
    path: ftp.path,
    tls: ftp.tls,
    certificateAuthority:
      authority === undefined ? undefined : found(secrets.certificates, [...path, 'certificate-authority']),
    fingerprint: ftp.fingerprint,
    timeout: ftp.timeout,
  };
}

function buildSftp(path: SettingPath, sftp: SftpFile, { secrets }: Parts): SftpTransportConfig {
  const { host, port, user, timeout } = sftp;
  const privateKey = [...path, 'private-key'];
  return {
    kind: 'sftp',
    host,
    port,
    user,
    password: secrets.passwords.get(formatPath(path)),
    privateKey: sftp['private-key'] === undefined ? undefined : found(secrets.privateKeys, privateKey),
    hostKey: sftp['host-key'],
    path: sftp.path,
    timeout,
  };
}

function buildSmb(path: SettingPath, smb: SmbFile, { secrets }: Parts): SmbTransportConfig {
  const { host, port, share, user, domain, encryption, timeout } = smb;
  const password = found(secrets.passwords, path);
  return { kind: 'smb', host, port, share, path: smb.path, user, domain, password, encryption, timeout };
}

function buildDestination(
  name: string,
  group: DestinationFile,
  state: string,
  parts: Parts,
): DestinationGroupConfig {
  const { login } = group;
  return {
    ...buildBase(name, group, parts),
    role: 'destination',
    volumes: Object.entries(group.volumes).map(([volume, { path }]) => ({
      name: volume,
      path,
      size: undefined,
    })),
    ...buildSnapshots(name, group, state, parts),
    retain: group.retain,
    nbd: group.nbd === undefined ? defaultNbd(name, state, parts) : buildNbd(group.nbd),
    markers: Object.entries(group.markers).map(([marker, { run, 'time-limit': timeLimit, wait }]) => {
      return { name: marker, run, timeLimit, wait };
    }),
    rehearsal: group.rehearsal && buildRehearsal(group.rehearsal),
    login:
      login === undefined
        ? undefined
        : { user: login.user, password: found(parts.secrets.passwords, ['groups', name, 'login']) },
  };
}

function buildRehearsal({
  run,
  'time-limit': timeLimit,
  at,
  'time-zone': timeZone,
}: NonNullable<DestinationFile['rehearsal']>): RehearsalConfig {
  return { run, timeLimit, timed: at === undefined ? undefined : { times: at, timeZone } };
}

function buildSnapshots(name: string, group: GroupFile, state: string, parts: Parts): SnapshotsConfig {
  const { buffer, snapshots, retention, 'timed-snapshots': timed } = group;
  return {
    snapshotFolder: snapshotFolder({ name, buffer, snapshots }, parts.platform),
    retention: retention && buildRetention(retention),
    timedSnapshots: timed && { times: timed.at, timeZone: timed['time-zone'] },
    views: buildViews(name, group, state, parts),
  };
}

function buildViews(name: string, group: GroupFile, state: string, { platform }: Parts): ViewsConfig {
  const { socket, listen, connections, 'scratch-size': size } = group.views;
  const scratch = { folder: scratchFolder({ ...group, name }, platform), size };
  const path = socket ?? (listen === undefined ? defaultViewsSocket(state, name, platform) : undefined);
  if (path !== undefined) return { address: { kind: 'socket', path }, connections, scratch };
  return { address: { kind: 'tcp', ...(listen ?? { host: '127.0.0.1', port: 0 }) }, connections, scratch };
}

function buildRetention({
  'time-zone': timeZone,
  maximum,
  ...rules
}: NonNullable<GroupFile['retention']>): RetentionConfig {
  const { last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0 } = rules;
  return { last, hourly, daily, weekly, monthly, yearly, maximum, timeZone };
}

function found<T>(secrets: ReadonlyMap<string, T>, path: SettingPath): T {
  const secret = secrets.get(formatPath(path));
  assert(secret !== undefined, `the secret of ${formatPath(path)} was read`);
  return secret;
}
