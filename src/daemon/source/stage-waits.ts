/** What a source group waits for while a stage of its raw segments fails. */
import type { WaitCode } from '../../platform/wait-codes.ts';
import type { RawStage } from './raw-stages.ts';

/** Hosts are not refused for these: they stand still once the journal has no open segment to go on in. */
const VOLUME_WAITS: Readonly<Record<string, WaitCode>> = {
  VOLUME_OFFLINE: 'volume-offline',
  ENOSPC: 'volume-full',
  EDQUOT: 'volume-full',
};

/** Of which nothing is left once a segment is destaged. */
export const DESTAGE_WAITS: readonly WaitCode[] = ['destage-failed', ...Object.values(VOLUME_WAITS)];

/** `code`: of the error that it failed with. */
export function waitOf(stage: RawStage, code: string): WaitCode {
  return (stage === 'destage' ? VOLUME_WAITS[code] : undefined) ?? `${stage}-failed`;
}
