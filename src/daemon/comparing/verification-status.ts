/** What is told of comparing: in the status, and as reasons why something is not as it should be. Pure. */
import type { VerificationStatus } from '../../api/contract/status.ts';
import type { SourceChange, VerificationPass, VerifiedRange } from '../../api/contract/verification.ts';
import type { MediumChange } from '../../capture/medium-changes.ts';
import type { MediumRange } from '../../capture/medium-watch.ts';
import type { PlacedVolume } from '../source/source-volumes.ts';
import { bytesText } from '../../platform/words.ts';
import { maySend, overlaps, type Differing, type SidedRange } from './sides.ts';

export interface VerifyingReport {
  /** The pass under way, bytes. */
  readonly current: { readonly beganAt: number; readonly done: number } | undefined;
  readonly totalBytes: number;
  readonly last: VerificationPass | undefined;
  readonly sourceChanges: readonly SourceChange[];
  readonly destinations: VerificationStatus['destinations'];
}

export type PassProgress =
  | { readonly state: 'reading'; readonly doneBytes: number; readonly totalBytes: number }
  /** Destinations that have not applied all of it. */
  | { readonly state: 'comparing'; readonly waitsFor: readonly string[] }
  | { readonly state: 'complete'; readonly record: VerificationPass };

type Named = Pick<PlacedVolume, 'index' | 'name'>;

/** Nothing where volumes were never compared and are not to be. */
export function verificationOf(report: VerifyingReport | undefined): { verification?: VerificationStatus } {
  if (report === undefined) return {};
  const { current, last, totalBytes, sourceChanges, destinations } = report;
  if (current === undefined && last === undefined && sourceChanges.length === 0) return {};
  return {
    verification: {
      totalBytes,
      sourceChanges,
      destinations,
      ...(current === undefined ? {} : { current }),
      ...(last === undefined ? {} : { last }),
    },
  };
}

export function toldChange(volumes: readonly Named[], change: MediumChange): SourceChange {
  const { offset, length, knownLsn, lsn } = change;
  return { volume: nameOf(volumes, change), offset, length, knownLsn, lsn };
}

export function toldRange(volumes: readonly Named[], { range, side }: SidedRange): VerifiedRange {
  return { volume: nameOf(volumes, range), offset: range.offset, length: range.length, side };
}

function nameOf(volumes: readonly Named[], { volume }: Pick<MediumRange, 'volume'>): string {
  return volumes.find(({ index }) => index === volume)?.name ?? `number ${volume}`;
}

export interface ToldWait {
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly endsAt?: number;
}

/** How far a comparison is, and when it ends at the rate that it has had. Undefined: there is none. */
export function verifyingWait(
  pass: PassProgress | undefined,
  current: { readonly beganAt: number; readonly progress: { readonly bytes: number } } | undefined,
  now: number,
): ToldWait | undefined {
  if (pass?.state === 'comparing')
    return { message: `all is read; waits until it is compared at ${pass.waitsFor.join(' and ')}` };
  if (pass?.state !== 'reading' || current === undefined) return undefined;
  const { doneBytes, totalBytes } = pass;
  const message = `volumes are compared with the destinations’: ${bytesText(doneBytes)} of ${bytesText(totalBytes)}`;
  const { beganAt, progress } = current;
  if (progress.bytes === 0 || now <= beganAt) return { message };
  return {
    message,
    endsAt: Math.round(now + ((totalBytes - doneBytes) * (now - beganAt)) / progress.bytes),
  };
}

/** Undefined: everything is the same, or the source itself is not what it should be. */
export function replicaDiffersText(
  differing: Differing,
  changes: readonly MediumChange[],
  hopeless: number,
): ToldWait | undefined {
  const sent = differing.flatMap(({ name, ranges }) => {
    const count = ranges.filter((range) => maySend(range, changes)).length;
    return count === 0 ? [] : [`${count} ranges at ${name}`];
  });
  if (sent.length === 0) return undefined;
  const done =
    hopeless === 0
      ? 'they are sent again'
      : `${hopeless} of them differ however often they are sent: see to the disks there`;
  return { message: `replicas differ from this source: ${sent.join(', ')}; ${done}` };
}

/** Undefined: nothing changed but by its hosts, as far as is known. */
export function sourceDiffersText(
  changes: readonly MediumChange[],
  volumes: readonly Named[],
  differing: Differing,
): ToldWait | undefined {
  const [first] = changes;
  if (first === undefined) return undefined;
  const where = `${first.length} bytes at ${first.offset} of volume ${nameOf(volumes, first)}, since between LSN ${first.knownLsn} and ${first.lsn}`;
  const more = changes.length === 1 ? '' : ` (the first of ${changes.length} ranges)`;
  const holders = differing.filter(({ ranges }) => ranges.some((range) => overlaps(range, first)));
  const good =
    holders.length === 0
      ? 'no destination is known to hold it as it was but in older recovery points'
      : `${holders.map(({ name }) => name).join(' and ')} holds something else, perhaps as it was, and is not overwritten`;
  return { message: `this source's own disk changed outside any write: ${where}${more}; ${good}` };
}
