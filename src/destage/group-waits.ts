/** What stands in a destination's way, in the words of its waits and its status file. */
import type { AttachedVolume } from '../journal/ids.ts';
import type { DestinationStatus } from '../journal/status.ts';
import type { Verification } from '../journal/verification.ts';
import type { Clock } from '../platform/clock.ts';
import { describeError, errorCode } from '../platform/errors.ts';
import { isNoRoom } from '../platform/reserve.ts';
import type { WaitCode } from '../platform/wait-codes.ts';
import { Waits, type Wait } from '../platform/waits.ts';
import { NAMES_MAX } from './inbox.ts';
import type { SeedTally } from './seed-import.ts';
import type { SeedJobReport } from './seed-job.ts';
import type { AwaitedSeed } from './state-file.ts';

/**
 * What can stand still, each for one reason at a time and with codes of its own. A status file has room for one reason:
 * the first of these that there is.
 */
const SUBJECTS = [
  'stall',
  'work',
  'room',
  'receive',
  'apply',
  'seed',
  'seed-import',
  'marker',
  'refusal',
  'hole',
  'crowd',
  'marker-failure',
  'unreadable',
  'differs',
  'volumes',
  'tidy',
] as const;
export type Subject = (typeof SUBJECTS)[number];

export interface Reason {
  readonly code: WaitCode;
  readonly message: string;
  /** Milliseconds since 1970, when it is known. */
  readonly endsAt?: number;
}

export class GroupWaits {
  readonly #waits: Waits;
  readonly #held = new Map<Subject, WaitCode>();

  constructor(clock: Clock) {
    this.#waits = new Waits(clock);
  }

  /** Counts up with every change. */
  get changes(): number {
    return this.#waits.changes;
  }

  /** `reason` undefined: it goes on. True when the subject stands still for a reason that it did not before. */
  set(subject: Subject, reason: Reason | undefined): boolean {
    const before = this.#held.get(subject);
    if (before !== undefined && before !== reason?.code) {
      this.#waits.clear(before);
      this.#held.delete(subject);
    }
    if (reason === undefined) return false;
    this.#held.set(subject, reason.code);
    return this.#waits.raise(reason.code, reason.message, reason.endsAt);
  }

  /** Longest first. */
  list(): Wait[] {
    return this.#waits.list();
  }

  /** What the source is told, cut to what a status file takes. */
  first(): DestinationStatus['waiting'] {
    const waits = this.list();
    const codes = SUBJECTS.map((subject) => this.#held.get(subject));
    const wait = codes.flatMap((code) => waits.filter((candidate) => candidate.code === code))[0];
    return wait && { ...wait, message: wait.message.slice(0, 1000) };
  }
}

const APPLY_CODES: Readonly<Record<string, WaitCode>> = {
  VOLUME_OFFLINE: 'volume-offline',
  VOLUME_UNKNOWN: 'volume-unknown',
  VOLUME_TOO_SMALL: 'volume-too-small',
  SNAPSHOT_LIMIT: 'snapshot-limit',
};

export function applyReason(error: unknown): Reason {
  const message = describeError(error);
  if (isNoRoom(error)) {
    return { code: 'volume-full', message: `there is no room to apply what was received: ${message}` };
  }
  return { code: APPLY_CODES[errorCode(error)] ?? 'apply-failed', message };
}

export function seedReason(seed: AwaitedSeed | undefined, tally: SeedTally | undefined): Reason | undefined {
  if (seed === undefined || seed.state === 'imported') return undefined;
  if (seed.state === 'given-up') {
    const message = 'the seed was given up: begin another full copy at the source';
    return { code: 'seed-given-up', message };
  }
  const of = tally?.total === undefined ? '' : ` of ${tally.total}`;
  const message = `what the volumes hold comes on drives, and ${tally?.files ?? 0}${of} files of the seed are imported; what follows is received and waits`;
  return { code: 'seed-awaited', message };
}

export function seedJobReason(job: SeedJobReport | undefined): Reason | undefined {
  if (job?.problem === undefined) return undefined;
  return { code: 'seed-import-failed', message: job.problem.message };
}

/** Volumes that have a place here and are not in the stream: their copies are no copies. Before its first word, none. */
export function unsentReason(
  configured: Iterable<string>,
  attached: readonly { readonly name: string }[],
): Reason | undefined {
  if (attached.length === 0) return undefined;
  const unsent = [...configured].filter((name) => attached.every((volume) => volume.name !== name));
  if (unsent.length === 0) return undefined;
  const message = `configured here and not sent by the source: ${unsent.join(', ')}; add them to the group at the source, or remove them here`;
  return { code: 'volume-not-sent', message };
}

/** Ranges that are named one by one. */
const DIFFERING_NAMED_MAX = 3;

export function differsReason(
  { differing }: Verification,
  volumes: readonly AttachedVolume[],
): Reason | undefined {
  if (differing.length === 0) return undefined;
  const named = differing.slice(0, DIFFERING_NAMED_MAX).map(({ volume, offset, length }) => {
    const name = volumes.find(({ index }) => index === volume)?.name ?? String(volume);
    return `${length} bytes at ${offset} of volume ${name}`;
  });
  const more = differing.length > named.length ? ` and ${differing.length - named.length} more` : '';
  const message = `the replica differs from its source: ${named.join(', ')}${more}; the source sends them again; see whether the disks below are well`;
  return { code: 'replica-differs', message };
}

/** What cannot be read counts as something else, and is sent again. */
export function unreadableReason(why: string | undefined): Reason | undefined {
  return why === undefined ? undefined : { code: 'volume-unreadable', message: why };
}

export function holeReason([hole]: DestinationStatus['missing']): Reason | undefined {
  if (hole === undefined) return undefined;
  const message = `records ${hole.first} to ${hole.last} have not arrived; what follows them waits`;
  return { code: 'hole', message };
}

/** What comes next was refused: it is sent again, but nobody may have it whole any more. */
export function refusalReason(
  refused: DestinationStatus['refused'],
  received: DestinationStatus['received'],
): Reason | undefined {
  const next = refused.findLast(({ first, last }) => first <= received + 1 && last > received);
  if (next === undefined) return undefined;
  const message = `records ${next.first} to ${next.last} were refused, and what follows them waits: ${next.reason}`;
  return { code: 'segment-refused', message };
}

export function crowdReason(names: number | undefined): Reason | undefined {
  if (names === undefined) return undefined;
  const message = `${names} files lie in the inbox: the first ${NAMES_MAX} are looked at until they are fewer; see who puts them there`;
  return { code: 'inbox-crowded', message };
}

export function receiveReason(error: unknown): Reason {
  return { code: 'receive-failed', message: `what arrives cannot be received: ${describeError(error)}` };
}

export function tidyReason(error: unknown): Reason {
  return { code: 'snapshots-untidy', message: `deleted snapshots keep their room: ${describeError(error)}` };
}

export function workReason(error: unknown): Reason {
  return { code: 'destination-failed', message: describeError(error) };
}
