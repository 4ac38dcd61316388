/** What came of comparing volumes with replicas, in rows of a status. Pure. */
import type { ReplicaVerification, VerificationStatus } from '../api/contract/status.ts';
import type { VerificationPass } from '../api/contract/verification.ts';
import { bytesText, countText, durationText, printable, timeText, type Paint } from './text.ts';

/** At the source: the pass under way, and the last one. */
export function comparedRows(verification: VerificationStatus | undefined, now: number): string[][] {
  if (verification === undefined) return [];
  const { current, last, totalBytes } = verification;
  const texts = last === undefined ? [] : [lastText(last, now)];
  if (current !== undefined)
    texts.unshift(
      `${bytesText(current.done)} of ${bytesText(totalBytes)} since ${timeText(current.beganAt)}`,
    );
  return texts.map((text, i) => [i === 0 ? 'compared' : '', text]);
}

function lastText({ beganAt, endedAt, bytes, outcomes }: VerificationPass, now: number): string {
  const ago = durationText((now - endedAt) / 1000);
  const each = outcomes.map(({ destination, comparedBytes, differed }) => {
    const differs = differed === 0 ? 'nothing differed' : `${countText(differed, 'range')} differed`;
    return `${printable(destination)} ${bytesText(comparedBytes)}, ${differs}`;
  });
  return `last ${ago} ago, ${bytesText(bytes)} in ${durationText((endedAt - beganAt) / 1000)}: ${each.join('; ')}`;
}

/** At the destination. */
export function replicaRows(verification: ReplicaVerification | undefined, paint: Paint): string[][] {
  if (verification === undefined) return [];
  const { found, mended, differing } = verification;
  const ever = `${countText(found, 'range')} found and ${mended} mended ever`;
  const text =
    differing.length === 0
      ? `nothing is known to differ from the source; ${ever}`
      : `${paint('red', `${countText(differing.length, 'range')} known to differ from the source`)}; ${ever}`;
  return [['compared', text]];
}
