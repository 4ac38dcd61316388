/**
 * The checked configuration: what the rest of the program may rely on. Paths are absolute, sizes in bytes, times in
 * milliseconds, rates in bytes per second, secrets read from their files. `load.ts` makes it from a file, or says line,
 * column, cause and fix of everything wrong with it.
 */
import type { Severity } from '../platform/wait-facts.ts';
import type { Week } from '../transfer/schedule/schedule.ts';
import type { RetentionPolicy } from '../recovery/retention.ts';
import type { ReceiverOptions } from '../transfer/receiver/options.ts';
import type { FolderTransportOptions } from '../transfer/transports/folder.ts';
import type { FtpServerOptions } from '../transfer/transports/ftp-options.ts';
import type { SftpServerOptions } from '../transfer/transports/sftp-options.ts';
import type { SmbTransportOptions } from '../transfer/transports/smb-options.ts';

export interface Config {
  /** Holds the API's endpoint file, the log and what the daemon must remember. */
  readonly stateFolder: string;
  readonly log: LogConfig;
  readonly api: ApiConfig;
  readonly receiver: ReceiverConfig | undefined;
  /** Undefined: alarms are logged and shown alone. */
  readonly alarms: AlarmsConfig | undefined;
  /** Files under way at once, over all links. */
  readonly transfers: number;
  readonly links: readonly SharedLinkConfig[];
  readonly groups: readonly (SourceGroupConfig | DestinationGroupConfig)[];
}

/** What is run when an alarm is raised, and when it is cleared. */
export interface AlarmsConfig {
  readonly run: readonly [string, ...string[]];
  /** Milliseconds. */
  readonly timeLimit: number;
  readonly atLeast: Severity;
}

export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** JSON lines, rotated; undefined: the terminal only. */
  readonly file: string | undefined;
  /** Bytes at which the file is rotated. */
  readonly size: number;
  /** Rotated files kept. */
  readonly files: number;
}

/** A unix socket (Linux) or a loopback port (Windows, or when chosen). */
export type ApiConfig =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: '127.0.0.1' | '::1'; readonly port: number };

/** A line that several streams may share. */
export interface SharedLinkConfig {
  readonly name: string;
  /** Undefined: always open, without a limit. */
  readonly week: Week | undefined;
  /** Files under way at once, of all its streams together. */
  readonly files: number;
  /** 0 to 1: what initial copies and resync keep of it while live writes wait. */
  readonly copyShare: number;
}

interface GroupConfigBase {
  readonly name: string;
  /** The group's own folder: `<buffer>/<group>`. */
  readonly folder: string;
  /** Bytes that the group's segments may take. */
  readonly quota: number;
  /** Milliseconds that the replica may be behind without an alarm; undefined: no alarm. */
  readonly objective: number | undefined;
  /** 32 bytes; undefined: neither encrypted nor authenticated. */
  readonly key: Buffer | undefined;
  readonly volumes: readonly VolumeConfig[];
}

export interface VolumeConfig {
  readonly name: string;
  /** A raw image file or a block device. */
  readonly path: string;
  /**
   * Of a source's image file that does not exist yet: it is made with this size, sparse. Of one that does, its size is
   * what it is and this must agree when it is given.
   */
  readonly size: number | undefined;
}

export interface SourceGroupConfig extends GroupConfigBase {
  readonly role: 'source';
  readonly segment: SegmentConfig;
  /** What happens to host writes when the quota is reached: refused, or taken and marked in the change map. */
  readonly whenFull: 'refuse-writes' | 'change-map';
  /** Milliseconds between the points in time that are brought over; undefined: every write goes over, in order. */
  readonly replicateEvery: number | undefined;
  /** Whether segments that wait to be sent are merged, each sector once, which leaves no point in time inside them. */
  readonly coalesce: boolean;
  /** What the volumes hold when the group is new: sent, or compared with what the destinations hold, and sent where it differs. */
  readonly initialCopy: 'send' | 'compare';
  /** Milliseconds for a pass in which all volumes are compared with the destinations'; undefined: on demand alone. */
  readonly verifyEvery: number | undefined;
  /** Snapshots that it keeps of its own volumes; undefined: none. */
  readonly ownSnapshots: SnapshotsConfig | undefined;
  readonly nbd: NbdConfig;
  readonly timedMarkers: readonly TimedMarkerConfig[];
  readonly destinations: readonly LinkConfig[];
}

export interface TimedSnapshotsConfig {
  /** Minute, hour, day of the month, month, day of the week, by the time zone's wall clock: see recovery/cron-times.ts. */
  readonly times: string;
  readonly timeZone: string;
}

/** A marker that is placed whenever its time comes. */
export interface TimedMarkerConfig extends TimedSnapshotsConfig {
  /** Of `custom`; a snapshot is called by its time. */
  readonly name: string | undefined;
  readonly kind: 'snapshot' | 'custom';
}

export interface SegmentConfig {
  /** Sealed at this many bytes of records, 1 MiB to 64 MiB. */
  readonly size: number;
  /** Sealed at this age, milliseconds. */
  readonly age: number;
  /** zstd level, 1 to 19; 0 = none. */
  readonly compression: number;
  /** Whether data that is overwritten inside the same segment is left out. */
  readonly dropOverwritten: boolean;
}

/** At least one of the two. */
export interface NbdConfig {
  readonly socket: string | undefined;
  readonly tcp: { readonly host: string; readonly port: number } | undefined;
  /** Connections at once, all exports of the group together. */
  readonly connections: number;
}

export interface LinkConfig {
  /** The destination's name, for people. */
  readonly name: string;
  readonly transport:
    | FolderTransportConfig
    | FtpTransportConfig
    | SftpTransportConfig
    | SmbTransportConfig
    | DepotTransportConfig;
  /** Files under way at once. */
  readonly parallel: number;
  /** The shared link's name; undefined: one of its own, always open, without a limit. */
  readonly link: string | undefined;
  /** Of the shared link, relative to its other streams. */
  readonly weight: number;
}

export interface FolderTransportConfig extends FolderTransportOptions {
  readonly kind: 'folder';
}

/** The group's own folder, from which the other side fetches: of a side that has taken over. */
export interface DepotTransportConfig extends FolderTransportOptions {
  readonly kind: 'depot';
}

export interface FtpTransportConfig extends FtpServerOptions {
  readonly kind: 'ftp';
}

export interface SftpTransportConfig extends SftpServerOptions {
  readonly kind: 'sftp';
}

export interface SmbTransportConfig extends SmbTransportOptions {
  readonly kind: 'smb';
}

/** The snapshots of one side. */
export interface SnapshotsConfig {
  /** Where they are kept when the volumes' file system cannot share blocks. */
  readonly snapshotFolder: string;
  /** Which of them stay; undefined: all. */
  readonly retention: RetentionConfig | undefined;
  /** When it makes some by itself; undefined: at markers alone. */
  readonly timedSnapshots: TimedSnapshotsConfig | undefined;
  readonly views: ViewsConfig;
}

export interface DestinationGroupConfig extends GroupConfigBase, SnapshotsConfig {
  readonly role: 'destination';
  /**
   * Replication files that are kept when they have been applied, to go back to any point in time: milliseconds and bytes,
   * both of which hold. Undefined: none.
   */
  readonly retain: { readonly time: number; readonly size: number } | undefined;
  /** Where hosts come once this side has taken over. */
  readonly nbd: NbdConfig;
  readonly markers: readonly MarkerProgramConfig[];
  /** How a recovery point is proved to be of use; undefined: it is not. */
  readonly rehearsal: RehearsalConfig | undefined;
  /** The receiver's login for this group; undefined: another server fills the inbox. */
  readonly login: { readonly user: string; readonly password: string } | undefined;
}

/** Where mounted recovery points are served. */
export interface ViewsConfig {
  readonly address:
    | { readonly kind: 'socket'; readonly path: string }
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number };
  /** Connections at once, all mounts of the group together. */
  readonly connections: number;
  /** Where what is written to mounts is kept, and how many bytes of it a mount may have. */
  readonly scratch: { readonly folder: string; readonly size: number };
}

export interface RetentionConfig extends RetentionPolicy {
  /** Its wall clock tells hours, days, weeks, months and years apart. */
  readonly timeZone: string;
}

export interface MarkerProgramConfig {
  /** The custom marker's name. */
  readonly name: string;
  readonly run: readonly [string, ...string[]];
  /** Milliseconds. */
  readonly timeLimit: number;
  /** Whether the volumes stand still while it runs. */
  readonly wait: boolean;
}

/** A program that is run on a recovery point's volumes, mounted to be written to and thrown away. */
export interface RehearsalConfig {
  readonly run: readonly [string, ...string[]];
  /** Milliseconds. */
  readonly timeLimit: number;
  /** When it is done by itself; undefined: on demand alone. */
  readonly timed: TimedSnapshotsConfig | undefined;
}

export type ReceiverConfig = Pick<
  ReceiverOptions,
  'host' | 'port' | 'passivePorts' | 'publicAddress' | 'tls' | 'allowPlain' | 'connections'
>;
