/** What a source says of itself. */
import type { CopyStatus, SourceStatus } from '../../api/contract/status.ts';
import type { SourceGroupConfig } from '../../config/config.ts';
import type { Files } from '../../platform/files.ts';
import type { Waits } from '../../platform/waits.ts';
import { seedOf } from './seeding.ts';
import type { SourceGroup } from './source-group.ts';
import type { SourceIdentity } from './source-identity.ts';
import type { SourceThreads } from './source-threads.ts';
import type { Stream } from '../stream.ts';
import { toldWait } from '../told-wait.ts';
import { verificationOf } from '../comparing/verification-status.ts';
import type { Verifying } from '../comparing/verifying.ts';

export interface SourceParts {
  readonly group: SourceGroup;
  /** Undefined: its thread does not answer, or is not there. */
  readonly host: Exclude<Awaited<ReturnType<SourceThreads['hostStatus']>>, 'stalled'>;
  readonly files: Files;
  readonly identity: SourceIdentity;
  readonly streams: readonly Stream[];
  readonly verifying: Verifying;
  /** Of snapshots that it keeps. */
  readonly held: Pick<SourceStatus, 'snapshots' | 'mounts'>;
  /** Of the buffer that moves to another folder. */
  readonly move: Waits;
}

export function sourceStatus(config: SourceGroupConfig, parts: SourceParts): SourceStatus {
  const { group, host, identity, streams } = parts;
  const used = group.bufferUsed;
  const last = host?.lsn ?? group.checkpoint.digested;
  return {
    role: 'source',
    name: config.name,
    mode: group.mode,
    volumes: identity.volumes.map(({ name, size }) => ({ name, size })),
    epoch: identity.epoch.number,
    lsn: last,
    durableLsn: host?.durableLsn ?? last,
    checkpoint: group.checkpoint.applied,
    buffer: {
      folder: config.folder,
      used,
      quota: config.quota,
      room: Math.max(0, Math.min(config.quota - used, freeSpace(parts.files, config.folder))),
    },
    ...copyStatus(group, identity),
    ...(group.interval === undefined ? {} : { interval: group.interval }),
    ...seedOf(group.seeding),
    ...(group.coalesced.segments === 0 ? {} : { coalesced: group.coalesced }),
    ...verificationOf(parts.verifying.report()),
    ...parts.held,
    hosts: host?.connections ?? 0,
    ...(host === undefined ? {} : { serves: host.serves }),
    waits: [...group.waits.list(), ...parts.move.list()].map(toldWait),
    streams: streams.map((stream) => stream.status(group.lastToShip(last))),
  };
}

/** What is brought over for the first time is all that the volumes hold, also after a restart half way. */
function copyStatus({ mode, copy }: SourceGroup, { bytes }: SourceIdentity): { copy?: CopyStatus } {
  if (copy === undefined) return {};
  if (mode !== 'initializing' || copy.total === undefined) return { copy };
  return { copy: { ...copy, total: bytes } };
}

/** None where the folder is not there: a status is given all the same, and says so. */
function freeSpace(files: Files, folder: string): number {
  try {
    return files.freeSpace(folder);
  } catch {
    return 0;
  }
}
