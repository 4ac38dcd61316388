/** The file's shape, setting by setting. What two settings must agree on is in `rules/`. Pure. */
import { z } from 'zod';
import { SEVERITIES } from '../platform/wait-facts.ts';
import * as leaves from './leaves.ts';
import type { PathContext } from './leaves.ts';
import * as limits from './limits.ts';
import * as schedule from './schedule-leaves.ts';

const MIB = 1024 * 1024;

export const ROLES = ['source', 'destination'] as const;
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const TLS_MODES = ['none', 'explicit', 'implicit'] as const;
const ENCRYPTION = ['when-demanded', 'required'] as const;
const WHEN_FULL = ['refuse-writes', 'change-map'] as const;

const WHEN_FULL_FIX =
  'write refuse-writes (hosts get an error until there is room) or change-map (hosts go on, and what they change is brought over when there is room)';
const INITIAL_COPY = ['send', 'compare'] as const;
const INITIAL_COPY_FIX = 'write send, or compare where the destinations have old copies';
const VOLUME_FIX = 'write the path of a raw image file or a block device: /dev/sdb';

/** The receiver compares it with what a client sends as one word. */
const USER = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;
const USER_FIX =
  'use up to 63 letters, digits, dots, underscores, hyphens and @, beginning with a letter or digit';
/** MS-SRVS 2.2.4.22 has 80 characters; those that Windows refuses in names are left out. */
const SHARE = /^[^"/\\[\]:|<>+=;,*?]{1,80}$/;
const SHARE_FIX = 'write its name alone, without the server: backup';
const SMB_USER = /^[^"/\\[\]:|<>+=;,*?]{1,104}$/;
const SMB_USER_FIX = 'write the name alone, and the domain, if any, as domain:';
const IPV4 = /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;
const IPV4_FIX = 'write the address that the source reaches this machine by, such as 203.0.113.7';

/** Zod's schema of the file; paths come out absolute. */
export function fileSchema(context: PathContext) {
  return z.strictObject({
    state: leaves.path('write the folder for what the daemon must remember: /var/lib/blockferry', context),
    log: logSchema(context),
    api: z
      .strictObject({
        socket: leaves.path('write the socket’s path', context).optional(),
        listen: leaves.address().optional(),
      })
      .prefault({}),
    receiver: receiverSchema(context).optional(),
    alarms: alarmsSchema().optional(),
    transfers: leaves.integer(limits.TRANSFERS).default(32),
    links: z.record(z.string(), sharedLinkSchema()).prefault({}),
    groups: z.record(
      z.string(),
      z.discriminatedUnion('role', [sourceSchema(context), destinationSchema(context)]),
    ),
  });
}

export type FileSchema = ReturnType<typeof fileSchema>;
export type ConfigFile = z.output<FileSchema>;
export type GroupFile = ConfigFile['groups'][string];
export type SourceFile = Extract<GroupFile, { role: 'source' }>;
export type DestinationFile = Extract<GroupFile, { role: 'destination' }>;

function logSchema(context: PathContext) {
  return z
    .strictObject({
      level: leaves.choice(LOG_LEVELS, 'write debug, info, warn or error').default('info'),
      file: leaves.path('write the log file’s path', context).optional(),
      size: leaves.size('10 MiB', limits.LOG_SIZE).default(10 * MIB),
      files: leaves.integer(limits.LOG_FILES).default(5),
    })
    .prefault({});
}

function alarmsSchema() {
  return z.strictObject({
    run: leaves.program(),
    'time-limit': leaves.duration('1 min', limits.ALARM_TIME_LIMIT).default(60_000),
    'at-least': leaves.choice(SEVERITIES, 'write info, warning or error').default('warning'),
  });
}

/** A password is never in the file itself: one of the two, which `rules/` sees to. */
function passwordSettings(context: PathContext) {
  return {
    'password-file': leaves.path('write the path of a file that holds the password', context).optional(),
    'password-env': leaves.environmentName().optional(),
  };
}

function receiverSchema(context: PathContext) {
  return z.strictObject({
    listen: leaves.address(),
    'passive-ports': leaves.portRange().default({ first: 30_000, last: 30_049 }),
    'public-address': leaves.matching(IPV4, 'is no IPv4 address', IPV4_FIX).optional(),
    tls: z
      .strictObject({
        certificate: leaves.path('write the path of the certificate’s PEM file', context),
        key: leaves.path('write the path of the private key’s PEM file', context),
      })
      .optional(),
    'allow-plain': leaves.flag().default(false),
    connections: leaves.integer(limits.RECEIVER_CONNECTIONS).default(32),
  });
}

function commonSettings(context: PathContext) {
  return {
    buffer: leaves.path(
      'write the folder that holds the group’s folder, best on a partition of its own',
      context,
    ),
    quota: leaves.size('20 GiB', { min: limits.QUOTA_MIN, max: Number.MAX_SAFE_INTEGER }),
    'key-file': leaves.path('write the path of the key’s file', context).optional(),
    objective: leaves.duration('5 min', limits.OBJECTIVE).optional(),
  };
}

/** `data: /dev/sdb` is short for `data: { path: /dev/sdb }`. */
function shorthand<T extends z.core.$ZodType>(schema: T) {
  return z.preprocess(
    (value) => (value !== null && typeof value === 'object' ? value : { path: value }),
    schema,
  );
}

function sourceSchema(context: PathContext) {
  const volume = z.strictObject({
    path: leaves.path(VOLUME_FIX, context),
    size: leaves.size('10 GiB', { min: limits.SECTOR, max: limits.VOLUME_SIZE_MAX }).optional(),
  });
  return z.strictObject({
    role: z.literal('source'),
    ...commonSettings(context),
    'when-full': leaves.choice(WHEN_FULL, WHEN_FULL_FIX).default('change-map'),
    segment: z
      .strictObject({
        size: leaves.size('16 MiB', limits.SEGMENT_SIZE).default(8 * MIB),
        age: leaves.duration('2 s', limits.SEGMENT_AGE).default(2000),
        compression: leaves.integer(limits.COMPRESSION).default(1),
        'drop-overwritten': leaves.flag().default(false),
      })
      .prefault({}),
    coalesce: leaves.flag().default(true),
    'initial-copy': leaves.choice(INITIAL_COPY, INITIAL_COPY_FIX).default('send'),
    replication: z.strictObject({ every: leaves.duration('1 h', limits.REPLICATE_EVERY) }).optional(),
    verify: z.strictObject({ every: leaves.duration('7 d', limits.VERIFY_EVERY) }).optional(),
    volumes: z.record(z.string(), shorthand(volume)),
    nbd: nbdSchema(context),
    'timed-markers': timedMarkersSchema().optional(),
    ...snapshotSettings(context),
    destinations: z.record(z.string(), linkSchema(context)),
  });
}

function nbdSchema(context: PathContext) {
  return z.strictObject({
    socket: leaves.path('write the socket’s path', context).optional(),
    listen: leaves.address().optional(),
    'allow-unauthenticated': leaves.flag().default(false),
    connections: leaves.integer(limits.NBD_CONNECTIONS).default(64),
  });
}

function timedMarkersSchema() {
  return z.strictObject({
    'time-zone': schedule.timeZone().default('UTC'),
    snapshots: schedule.cron().optional(),
    custom: z.record(z.string(), schedule.cron()).prefault({}),
  });
}

function sharedLinkSchema() {
  const window = z.strictObject({
    days: schedule.days().default([0, 1, 2, 3, 4, 5, 6]),
    from: schedule.timeOfDay(1439).default(0),
    to: schedule.timeOfDay(1440).default(1440),
    limit: schedule.limit(),
  });
  return z.strictObject({
    files: leaves.integer(limits.LINK_FILES).default(4),
    copies: schedule.percentage().default(0.5),
    schedule: z
      .strictObject({
        'time-zone': schedule.timeZone(),
        outside: schedule.limit().default({ kind: 'unlimited' }),
        windows: z.array(window),
      })
      .optional(),
  });
}

function linkSchema(context: PathContext) {
  return z.strictObject({
    ftp: ftpSchema(context).optional(),
    sftp: sftpSchema(context).optional(),
    smb: smbSchema(context).optional(),
    folder: leaves.path('write the folder’s path, local or on a mounted share', context).optional(),
    parallel: leaves.integer(limits.PARALLEL).default(2),
    link: leaves.text('write the name of one of the links').optional(),
    weight: leaves.integer(limits.WEIGHT).default(1),
  });
}

function ftpSchema(context: PathContext) {
  return z.strictObject({
    host: leaves.host('write the server’s name or IP address: ftp.bern.example'),
    port: leaves.integer({ min: 1, max: 65_535 }).optional(),
    user: leaves.text('write the user that the server knows'),
    ...passwordSettings(context),
    path: leaves.remotePath(),
    tls: leaves.choice(TLS_MODES, 'write explicit (usual), implicit (port 990) or none').default('explicit'),
    'certificate-authority': leaves.path('write the path of the authority’s PEM file', context).optional(),
    fingerprint: leaves.fingerprint().optional(),
    timeout: leaves.duration('30 s', limits.SERVER_TIMEOUT).default(30_000),
  });
}

function sftpSchema(context: PathContext) {
  return z.strictObject({
    host: leaves.host('write the server’s name or IP address: sftp.bern.example'),
    port: leaves.integer({ min: 1, max: 65_535 }).default(22),
    user: leaves.text('write the user that the server knows'),
    'private-key': leaves.path('write the path of the private key', context).optional(),
    ...passwordSettings(context),
    'host-key': leaves.hostKey().optional(),
    path: leaves.remotePath(),
    timeout: leaves.duration('30 s', limits.SERVER_TIMEOUT).default(30_000),
  });
}

function retentionSchema() {
  const count = leaves.integer(limits.RETENTION).optional();
  return z.strictObject({
    last: count,
    hourly: count,
    daily: count,
    weekly: count,
    monthly: count,
    yearly: count,
    maximum: count,
    'time-zone': schedule.timeZone().default('UTC'),
  });
}

function viewsSchema(context: PathContext) {
  return z
    .strictObject({
      socket: leaves.path('write the socket’s path', context).optional(),
      listen: leaves.address().optional(),
      'allow-unauthenticated': leaves.flag().default(false),
      connections: leaves.integer(limits.NBD_CONNECTIONS).default(64),
      scratch: leaves.path('write the folder that what is written to mounts is kept in', context).optional(),
      'scratch-size': leaves.size('10 GiB', limits.SCRATCH_SIZE).default(10 * 1024 * MIB),
    })
    .prefault({});
}

/** Of either side; a source keeps none unless it is told where. */
function snapshotSettings(context: PathContext) {
  return {
    snapshots: leaves.path('write the folder that holds the group’s folder of snapshots', context).optional(),
    retention: retentionSchema().optional(),
    'timed-snapshots': z
      .strictObject({ 'time-zone': schedule.timeZone().default('UTC'), at: schedule.cron() })
      .optional(),
    views: viewsSchema(context),
  };
}

function smbSchema(context: PathContext) {
  return z.strictObject({
    host: leaves.host('write the server’s name or IP address: files.bern.example'),
    port: leaves.integer({ min: 1, max: 65_535 }).default(445),
    share: leaves.matching(SHARE, 'is no share’s name', SHARE_FIX),
    path: leaves.remotePath(
      'write the folder below the share, from the share’s root and with slashes: /oracle',
    ),
    user: leaves.matching(SMB_USER, 'is no user’s name', SMB_USER_FIX),
    domain: leaves
      .text('write the domain of the account, or leave it out for one of the server itself')
      .default(''),
    ...passwordSettings(context),
    encryption: leaves
      .choice(ENCRYPTION, 'write when-demanded (where the server or the share wants it) or required')
      .default('when-demanded'),
    timeout: leaves.duration('30 s', limits.SERVER_TIMEOUT).default(30_000),
  });
}

function destinationSchema(context: PathContext) {
  const marker = z.strictObject({
    run: leaves.program(),
    'time-limit': leaves.duration('10 min', limits.MARKER_TIME_LIMIT).default(3_600_000),
    wait: leaves.flag().default(true),
  });
  return z.strictObject({
    role: z.literal('destination'),
    ...commonSettings(context),
    ...snapshotSettings(context),
    retain: z
      .strictObject({
        time: leaves.duration('2 d', limits.RETAIN_TIME),
        size: leaves.size('50 GiB', limits.RETAIN_SIZE),
      })
      .optional(),
    nbd: nbdSchema(context).optional(),
    volumes: z.record(z.string(), shorthand(z.strictObject({ path: leaves.path(VOLUME_FIX, context) }))),
    markers: z.record(z.string(), marker).prefault({}),
    rehearsal: z
      .strictObject({
        run: leaves.program(),
        'time-limit': leaves.duration('10 min', limits.MARKER_TIME_LIMIT).default(3_600_000),
        at: schedule.cron().optional(),
        'time-zone': schedule.timeZone().default('UTC'),
      })
      .optional(),
    login: z
      .strictObject({
        user: leaves.matching(USER, 'is no legal user name', USER_FIX),
        ...passwordSettings(context),
      })
      .optional(),
  });
}
