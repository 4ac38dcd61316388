/**
 * A source that lost the group's folder, and perhaps its volumes: what its destination holds is the group's, and this side can
 * only follow, once that serves.
 *
 * I10: what the volumes hold here is kept aside before anything is written over it.
 */
import type { RejoinAnswer } from '../../api/contract/roles.ts';
import type { VolumeConfig } from '../../config/config.ts';
import { volumeUnknown } from '../../destage/attach.ts';
import type { Divergence } from '../../journal/fork.ts';
import { lsn, type AttachedVolume } from '../../journal/ids.ts';
import type { Joining } from '../../journal/role-file.ts';
import { readGroupFile } from '../../journal/source-files.ts';
import type { ServingStatus, SiteStatus } from '../../journal/status.ts';
import { assert, describeError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Platform } from '../../platform/platform.ts';
import { makeImage } from '../../volume/image-file.ts';
import type { RunningSource } from '../source/running-source.ts';
import { isEmpty } from '../source/volume-files.ts';
import { notServedThere, notSettled, volumeTooSmall } from './role-errors.ts';

/** Of the group's configuration here. */
export interface LostPlace {
  readonly name: string;
  readonly folder: string;
  readonly volumes: readonly VolumeConfig[];
}

export interface PlannedJoining {
  readonly answer: RejoinAnswer;
  readonly joining: Joining;
}

export class LostSide {
  readonly #group: RunningSource;
  readonly #platform: Pick<Platform, 'clock' | 'files' | 'random'>;
  #isSettled = false;

  constructor(group: RunningSource, platform: Pick<Platform, 'clock' | 'files' | 'random'>) {
    this.#group = group;
    this.#platform = platform;
  }

  /** Whether all that hosts wrote here, if they were served, is in the volumes; if not, it may be tried again. */
  async settle(): Promise<boolean> {
    this.#group.tell('group-lost', this.#sentence);
    try {
      this.#isSettled ||= await this.#group.settle();
      if (this.#isSettled) this.#group.tell('turn-failed', undefined);
    } catch (error) {
      this.#group.tell('turn-failed', `what is in the journal: ${describeError(error)}`);
    }
    return this.#isSettled;
  }

  /** @throws OperatorError `GROUP_NOT_SETTLED`, `OTHER_SIDE_FOLLOWS`, `VOLUME_UNKNOWN`, `VOLUME_TOO_SMALL` */
  async plan({ name, folder, volumes: places }: LostPlace): Promise<PlannedJoining> {
    const { files, random } = this.#platform;
    const foreign = this.#group.foreign();
    if (foreign?.role !== 'source') throw notServedThere(name, foreign !== undefined);
    if (!this.#isSettled) throw notSettled(name);
    const { epoch, fork, at, groupId, volumes } = foreign;
    for (const volume of volumes) checkPlace(files, places, volume);
    const held = places.filter(({ path }) => files.stat(path) !== undefined && !isEmpty(files, path));
    const keeps = await this.#divergence(folder, foreign);
    const holding = held.map(({ name, path }) => ({ name, bytes: files.stat(path)?.size ?? 0 }));
    return {
      answer: {
        at,
        fork: { lsn: fork.lsn, time: fork.time },
        epoch: epoch.number,
        writes: 0,
        bytes: holding.reduce((sum, { bytes }) => sum + bytes, 0),
        volumes: holding,
        ...(held.length === 0 ? {} : { keptAs: `diverged-${keeps.epoch.number}-${keeps.lsn}` }),
        anew: volumes.reduce((sum, { size }) => sum + size, 0),
      },
      joining: {
        by: { epoch, fork, at },
        groupId,
        volumes,
        resync: random.bytes(16).toString('hex'),
        keeps,
        compare: held.length === 0 ? undefined : true,
      },
    };
  }

  /** It lies behind the fork point, where nothing of the history that counts leads to it. */
  async #divergence(folder: string, { fork }: ServingStatus): Promise<Divergence> {
    const { files, clock } = this.#platform;
    const own = readGroupFile(files, folder);
    const status = await this.#group.status();
    assert(own !== undefined && status.role === 'source', 'it was started as a source');
    const end = lsn(fork.lsn + Math.max(1, status.lsn));
    return { epoch: own.epoch, lsn: end, time: Math.round(clock.now()) };
  }

  get #sentence(): string {
    const foreign = this.#group.foreign();
    const id = foreign === undefined ? '' : ` (group id ${foreign.groupId})`;
    return `${whatIsThere(foreign)}${id}, and this side's folder of the group has nothing of that: nobody is served here until \`blockferry rejoin\` gets that back, once \`blockferry failover\` was said there; or, to go on with what this side's volumes hold, until the group's folder is moved away there; or, where that is another group of this name, until each has a folder of its own in \`destinations\``;
  }
}

/** Its image file is made as large as the other side's volume; nothing of it is touched. Durable on return. @throws the file system's errors */
export function makePlaces(
  files: Files,
  places: readonly VolumeConfig[],
  volumes: readonly AttachedVolume[],
): void {
  for (const { name, size } of volumes) {
    const path = places.find((place) => place.name === name)?.path;
    if (path !== undefined && (files.stat(path)?.size ?? 0) < size) makeImage(files, path, size);
  }
}

function checkPlace(files: Files, places: readonly VolumeConfig[], { name, size }: AttachedVolume): void {
  const place = places.find((candidate) => candidate.name === name);
  if (place === undefined) throw volumeUnknown(name);
  const stat = files.stat(place.path);
  if (stat !== undefined && stat.kind !== 'file' && stat.size < size)
    throw volumeTooSmall(name, place.path, size);
}

function whatIsThere(foreign: SiteStatus | undefined): string {
  if (foreign?.role === 'source')
    return `the other side serves it since ${new Date(foreign.at).toISOString()}, in epoch ${foreign.epoch.number}`;
  const upTo =
    foreign === undefined
      ? ''
      : `, up to record ${foreign.applied}, of ${new Date(foreign.appliedTime).toISOString()}`;
  return `its destination holds what an earlier source wrote${upTo}`;
}
