/** What the daemon would do with a configuration, for people. Never a secret. Pure. */
import type { Window } from '../transfer/schedule/schedule.ts';
import { formatAddress, isLoopback } from '../config/address.ts';
import type {
  Config,
  DestinationGroupConfig,
  FtpTransportConfig,
  SftpTransportConfig,
  LinkConfig,
  ReceiverConfig,
  SharedLinkConfig,
  SmbTransportConfig,
  SourceGroupConfig,
  VolumeConfig,
} from '../config/config.ts';
import { limitText } from './limit-text.ts';
import { formatDuration, formatSize } from '../config/units.ts';

type VolumeNotes = ReadonlyMap<VolumeConfig, string>;

export function describeConfig(config: Config, volumes: VolumeNotes): string {
  const sections = [
    describeDaemon(config),
    ...config.links.map(describeSharedLink),
    ...config.groups.map((group) => {
      return group.role === 'source' ? describeSource(group, volumes) : describeDestination(group, volumes);
    }),
    ...(config.receiver === undefined ? [] : [describeReceiver(config.receiver, config)]),
  ];
  return sections
    .map(([title, ...lines]) => [title, ...lines.map((line) => `  ${line}`), ''].join('\n'))
    .join('\n');
}

type Section = readonly [title: string, ...lines: string[]];

function describeDaemon({ stateFolder, log, api }: Config): Section {
  const kept = `${log.file ?? ''}, ${log.files} files of ${formatSize(log.size)}`;
  const port = api.kind === 'tcp' && api.port === 0 ? `a free port of ${api.host}` : undefined;
  return [
    'daemon',
    `state in ${stateFolder}`,
    `log (${log.level}) on the terminal${log.file === undefined ? '' : ` and in ${kept}`}`,
    `answers its command line on ${port ?? (api.kind === 'tcp' ? formatAddress(api) : api.path)}`,
  ];
}

function describeSharedLink({ name, week, files, copyShare }: SharedLinkConfig): Section {
  const shares = `${files} files at once; initial copies keep ${Math.round(copyShare * 100)} % while live writes wait`;
  if (week === undefined) return [`link ${name}`, shares, 'always open, without a limit'];
  return [
    `link ${name}`,
    shares,
    ...week.windows.map((window) => `${windowText(window)}: ${limitText(window.limit)}`),
    `otherwise: ${limitText(week.outside)}`,
    `by the clock of ${week.timeZone}; where windows overlap, the last of them holds`,
  ];
}

const DAY_NAMES = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;

function windowText({ days, from, to }: Window): string {
  const clock = (minute: number): string =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  const named = days.length === 7 ? 'every day' : days.map((day) => DAY_NAMES[day]).join(', ');
  return `${named} ${clock(from)} to ${clock(to)}${to < from ? ' of the next day' : ''}`;
}

function describeVolumes(group: SourceGroupConfig | DestinationGroupConfig, notes: VolumeNotes): string[] {
  return group.volumes.map((volume) => {
    const note = notes.get(volume);
    return `volume ${volume.name}: ${volume.path}${note === undefined ? '' : ` (${note})`}`;
  });
}

function describeKey(group: SourceGroupConfig | DestinationGroupConfig): string {
  if (group.key !== undefined) return 'encrypted and authenticated with its key';
  return 'neither encrypted nor authenticated: whoever can change files on the way can change the copy (key-file: ends that)';
}

function describeSource(group: SourceGroupConfig, notes: VolumeNotes): Section {
  const { segment, nbd } = group;
  const whenFull =
    group.whenFull === 'refuse-writes'
      ? 'hosts’ writes are refused'
      : 'hosts go on and what they change is marked, to be brought over later';
  const listeners = [nbd.socket, nbd.tcp === undefined ? undefined : formatAddress(nbd.tcp)];
  const level = segment.compression === 0 ? 'not compressed' : `compressed at level ${segment.compression}`;
  return [
    `group ${group.name}: source`,
    ...describeVolumes(group, notes),
    `buffer ${group.folder}, at most ${formatSize(group.quota)}; when that is full, ${whenFull}`,
    `a segment every ${formatSize(segment.size)} or ${formatDuration(segment.age)}, ${level}`,
    ...(group.ownSnapshots === undefined ? [] : [`snapshots in ${group.ownSnapshots.snapshotFolder}`]),
    describeKey(group),
    `NBD on ${listeners.filter((listener) => listener !== undefined).join(' and ')}, ${nbd.connections} connections at once`,
    ...group.destinations.map((link) => describeLink(link)),
  ];
}

function describeLink({ name, transport, parallel, link, weight }: LinkConfig): string {
  const files = parallel === 1 ? '1 file' : `${parallel} files`;
  const shared = link === undefined ? '' : `, over link ${link} with weight ${weight}`;
  return `to ${name}: ${describeTransport(transport)}, ${files} at once${shared}`;
}

function describeTransport(transport: LinkConfig['transport']): string {
  switch (transport.kind) {
    case 'folder':
    case 'depot':
      return `the folder ${transport.path}`;
    case 'ftp':
      return describeFtp(transport);
    case 'sftp':
      return describeSftp(transport);
    case 'smb':
      return describeSmb(transport);
  }
}

function describeFtp(ftp: FtpTransportConfig): string {
  const trust = ftp.fingerprint === undefined ? '' : ', the certificate known by its fingerprint';
  const plain = isLoopback(ftp.host)
    ? 'without TLS'
    : 'without TLS: the password goes over the network readable';
  const protection = ftp.tls === 'none' ? plain : `${ftp.tls} TLS${trust}`;
  return `ftp://${ftp.user}@${formatAddress(ftp)}${ftp.path} (${protection})`;
}

function describeSftp(sftp: SftpTransportConfig): string {
  const login = [
    ...(sftp.privateKey === undefined ? [] : ['a key']),
    ...(sftp.password === undefined ? [] : ['a password']),
  ];
  const trust =
    sftp.hostKey === undefined
      ? 'no host-key yet: it is refused, and says the one that it has'
      : 'the server known by its key';
  return `sftp://${sftp.user}@${formatAddress(sftp)}${sftp.path} (${login.join(' or ')}; ${trust})`;
}

function describeSmb(smb: SmbTransportConfig): string {
  const protection =
    smb.encryption === 'required'
      ? 'always encrypted'
      : 'signed, and encrypted where the server or the share wants it';
  const account = smb.domain === '' ? smb.user : `${smb.domain};${smb.user}`;
  return `smb://${account}@${formatAddress(smb)}/${smb.share}${smb.path} (${protection})`;
}

function describeDestination(group: DestinationGroupConfig, notes: VolumeNotes): Section {
  return [
    `group ${group.name}: destination`,
    ...describeVolumes(group, notes),
    `buffer ${group.folder}, at most ${formatSize(group.quota)}`,
    `snapshots in ${group.snapshotFolder}`,
    describeKey(group),
    group.login === undefined
      ? 'filled by another server’s files in its inbox'
      : `filled by the receiver’s user ${group.login.user}`,
    ...group.markers.map(({ name, run, timeLimit, wait }) => {
      const how = wait ? 'the volumes stand still meanwhile' : 'the volumes go on meanwhile';
      return `marker ${name}: ${run.join(' ')} (at most ${formatDuration(timeLimit)}; ${how})`;
    }),
    ...describeRehearsal(group),
  ];
}

function describeRehearsal({ rehearsal }: DestinationGroupConfig): string[] {
  if (rehearsal === undefined) return [];
  const { run, timeLimit, timed } = rehearsal;
  const when = timed === undefined ? 'on demand' : `also at ${timed.times}, ${timed.timeZone}`;
  return [`rehearsal: ${run.join(' ')} (at most ${formatDuration(timeLimit)}; ${when})`];
}

function describeReceiver(receiver: ReceiverConfig, config: Config): Section {
  const users = config.groups.flatMap((group) => {
    return group.role === 'destination' && group.login !== undefined
      ? [`${group.login.user} (group ${group.name})`]
      : [];
  });
  const { first, last } = receiver.passivePorts;
  const plain = receiver.allowPlain ? 'TLS offered, unencrypted logins taken too' : 'TLS only';
  return [
    'receiver',
    `FTP on ${formatAddress(receiver)}, ${receiver.tls === undefined ? 'without TLS' : plain}`,
    `data on ports ${first} to ${last}${receiver.publicAddress === undefined ? '' : `, told to clients as ${receiver.publicAddress}`}`,
    `users ${users.join(', ')}; ${receiver.connections} connections at once`,
  ];
}
