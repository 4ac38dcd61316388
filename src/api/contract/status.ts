/** What `GET /status` answers and `blockferry status` shows. Times are milliseconds since 1970, sizes bytes. */
import type { SourceChange, VerificationPass } from './verification.ts';

import type { RehearsalsStatus } from './rehearsals.ts';
import type { SeedExportStatus, SeedImportStatus } from './seed.ts';

export interface StatusReport {
  readonly version: string;
  readonly startedAt: number;
  readonly now: number;
  readonly groups: readonly (SourceStatus | DestinationGroupStatus)[];
}

/** Why something stands still: a stable code, a sentence, since when, when it is tried again if it is, and when it ends. */
export interface Wait {
  readonly code: string;
  /** `info`: goes on by itself; `warning`: worth knowing; `error`: somebody must do something. */
  readonly severity: 'info' | 'warning' | 'error';
  readonly message: string;
  readonly since: number;
  readonly nextTryAt?: number;
  /** At the latest, or at the present rate; null: not known. */
  readonly endsAt: number | null;
}

export interface VolumeStatus {
  readonly name: string;
  readonly size: number;
}

/**
 * `initializing`: existing data is being brought over, no recovery point yet; `journal`: every write goes over in order;
 * `change-map`: the buffer was full, what hosts change is marked and goes over later; `delta`: what is marked is being
 * brought over; `snapshot-assisted`: by choice, what hosts change is marked, and a delta of it goes over on an interval;
 * `stopped`: an error that needs an operator.
 */
export type SourceMode =
  'initializing' | 'journal' | 'change-map' | 'delta' | 'snapshot-assisted' | 'stopped';

/** Of a group that replicates on an interval. */
export interface IntervalStatus {
  readonly everySeconds: number;
  /** Of the next delta, at the soonest. */
  readonly nextAt: number;
  /** Since the daemon started: the delta before was still on its way. */
  readonly skipped: number;
  /** What the newest delta that was sent whole is as of; undefined: there is none. */
  readonly point?: { readonly lsn: number; readonly time: number };
}

/** What of the volumes is marked in the change map, and how fast it gets less while it is brought over. */
export interface CopyStatus {
  /** Bytes of the regions that are still to be brought over. */
  readonly left: number;
  /** It is compared with what the destinations hold, and what differs is sent; otherwise undefined. */
  readonly comparing?: true;
  /** Bytes that were to be brought over when it began. Undefined while nothing is brought over. */
  readonly total?: number;
  /** Bytes a second over the last minute. */
  readonly rate?: number;
  readonly timeLeftSeconds?: number;
}

export interface SourceStatus {
  readonly role: 'source';
  readonly name: string;
  readonly mode: SourceMode;
  readonly volumes: readonly VolumeStatus[];
  /** Raised whenever the other side takes over. */
  readonly epoch?: number;
  /** The newest record's LSN. */
  readonly lsn: number;
  readonly durableLsn: number;
  /** Durable in the source's own volumes. */
  readonly checkpoint: number;
  readonly buffer: BufferStatus;
  /** Undefined in mode `journal`. */
  readonly copy?: CopyStatus;
  /** Undefined where every write goes over in order. */
  readonly interval?: IntervalStatus;
  /** Undefined where there is none. */
  readonly seed?: SeedExportStatus;
  /** Undefined while nothing of the backlog was merged since the daemon started. */
  readonly coalesced?: CoalescedStatus;
  /** Undefined where volumes are never compared with the destinations'. */
  readonly verification?: VerificationStatus;
  /** Of its own, and those that are served to look at; undefined where it keeps none. */
  readonly snapshots?: number;
  readonly mounts?: readonly MountStatus[];
  readonly hosts: number;
  /** Hosts are let in; undefined while their thread does not answer. */
  readonly serves?: boolean;
  readonly waits: readonly Wait[];
  readonly streams: readonly StreamStatus[];
}

/** Volumes compared with the destinations' while everything goes on. */
export interface VerificationStatus {
  readonly totalBytes: number;
  /** The pass under way: bytes that are looked at. */
  readonly current?: { readonly beganAt: number; readonly done: number };
  /** The last that every destination has compared. */
  readonly last?: VerificationPass;
  /** Where the source's own volumes hold what no host wrote. */
  readonly sourceChanges: readonly SourceChange[];
  readonly destinations: readonly VerifiedDestination[];
}

/** Ranges that differ now, and that ever were found and mended. */
export interface VerifiedDestination {
  readonly name: string;
  readonly differing: number;
  readonly found: number;
  readonly mended: number;
}

/** Segments that waited to be sent and were merged, each sector once. */
export interface CoalescedStatus {
  readonly segments: number;
  /** Bytes of replication files that need not be sent for it. */
  readonly bytesSaved: number;
  /** Of merged segments that are in the buffer now: no point in time inside these can be gone back to. */
  readonly ranges: readonly { readonly first: number; readonly last: number }[];
}

export interface BufferStatus {
  readonly folder: string;
  readonly used: number;
  readonly quota: number;
  /** Left of the quota, or of the file system where that is less. */
  readonly room: number;
  /** When nothing is left, at the present rate; undefined: never at that, or not known. */
  readonly fullAt?: number;
}

/**
 * What a link's schedule lets through now. `rate`: bytes a second, all its streams together, and at once at most the burst.
 * `delay`: one file at a time, with a pause of so many milliseconds between two.
 */
export type LinkLimit = (
  | { readonly kind: 'closed' }
  | { readonly kind: 'unlimited' }
  | { readonly kind: 'rate'; readonly bytesPerSecond: number }
  | { readonly kind: 'delay'; readonly milliseconds: number }
) & {
  readonly burst?: number;
  /** When another limit holds; undefined: this one holds for ever. */
  readonly until?: number;
  /** While it is closed: when it opens; undefined: never. */
  readonly opensAt?: number;
};

export interface StreamStatus {
  readonly destination: string;
  readonly link: string;
  readonly limit: LinkLimit;
  readonly state: 'idle' | 'sending' | 'waiting' | 'failed';
  readonly received: number;
  readonly applied: number;
  /**
   * Seconds between now and the newest write that the destination has applied, 0 when it has applied all of them.
   * Undefined until the destination has said anything.
   */
  readonly lagSeconds?: number;
  /** Bytes of segments that the destination has not confirmed. */
  readonly lagBytes: number;
  readonly backlogSegments: number;
  /** Bytes a second over the last minute, and what is left at that rate in seconds. */
  readonly rate: number;
  readonly timeLeftSeconds?: number;
  readonly segmentsSent: number;
  readonly bytesSent: number;
  /** When the destination last wrote its status, by its own clock. */
  readonly lastStatusAt?: number;
  readonly waits: readonly Wait[];
}

/** `lsn` and `time` (the source's clock) are the recovery point's. */
export interface MountStatus {
  readonly name: string;
  readonly lsn: number;
  readonly time: number;
  readonly writable: boolean;
  readonly mountedAt: number;
}

/** What came of comparing with the source, ever. */
export interface ReplicaVerification {
  readonly found: number;
  readonly mended: number;
  /** The first 100. Bytes. */
  readonly differing: readonly {
    readonly volume: string;
    readonly offset: number;
    readonly length: number;
    readonly lsn: number;
  }[];
}

/** What a destination keeps of applied segments, to go back to any point in time. */
export interface WindowStatus {
  /** Where it begins; its end is what is applied. Undefined: there is none yet. */
  readonly from?: { readonly lsn: number; readonly time: number };
  readonly segments: number;
  readonly bytes: number;
  /** What it may have: bytes, and milliseconds. */
  readonly size: number;
  readonly time: number;
}

export interface DestinationGroupStatus {
  readonly role: 'destination';
  readonly name: string;
  readonly volumes: readonly VolumeStatus[];
  /** The source's; undefined before anything was received. */
  readonly epoch?: number;
  readonly received: number;
  readonly applied: number;
  readonly appliedTime: number;
  readonly consistent: boolean;
  /** Records up to here may be in the volumes in part, because applying them was cut off; they are no recovery point then. */
  readonly aheadTo?: number | undefined;
  /** Seconds between now and the source's clock at the newest applied record. It grows while the source is idle or away. */
  readonly behindSeconds?: number;
  readonly inboxSegments: number;
  readonly missing: readonly { readonly first: number; readonly last: number }[];
  readonly setAside: number;
  readonly snapshots: number;
  /** Recovery points that are served to look at. */
  readonly mounts: readonly MountStatus[];
  /** Undefined where none is configured. */
  readonly rehearsal?: RehearsalsStatus;
  /** Undefined: nothing is kept. */
  readonly window?: WindowStatus;
  /** Undefined where its source has named none and nobody has ordered one. */
  readonly seed?: SeedImportStatus;
  /** Undefined before its source had anything compared. */
  readonly verification?: ReplicaVerification;
  readonly buffer: BufferStatus;
  readonly waits: readonly Wait[];
}
