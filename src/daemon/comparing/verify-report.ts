/** What is told of a pass, signed when the group has a key. */
import { createHmac, hkdfSync } from 'node:crypto';
import { hostname } from 'node:os';
import {
  verificationReportSchema,
  type SourceChange,
  type VerificationPass,
  type VerificationProgress,
  type VerificationReport,
} from '../../api/contract/verification.ts';
import type { GroupIdentity } from '../../journal/ids.ts';
import type { GroupFile } from '../../journal/source-files.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { PassProgress } from './verification-status.ts';

type VerifiedGroup = GroupIdentity & Pick<GroupFile, 'epoch' | 'volumes'>;

/** @throws OperatorError `VERIFICATION_GONE` */
export function progressOf(
  progress: PassProgress | undefined,
  group: VerifiedGroup,
  {
    key,
    sourceChanges,
  }: { readonly key: Buffer | undefined; readonly sourceChanges: readonly SourceChange[] },
): VerificationProgress {
  if (progress === undefined) {
    throw new OperatorError(
      'VERIFICATION_GONE',
      `there is no such comparison of group ${group.name} any more`,
      {
        remedy:
          'another has begun, the group was not in step in between, or the daemon was restarted: begin again',
      },
    );
  }
  if (progress.state !== 'complete') return progress;
  return { state: 'complete', report: signed(reportOf(progress.record, group, sourceChanges), key) };
}

function reportOf(
  record: VerificationPass,
  { name, id, epoch, volumes }: VerifiedGroup,
  sourceChanges: readonly SourceChange[],
): VerificationReport {
  const { outcomes, bytes, totalBytes } = record;
  const isProved = outcomes.every(({ comparedBytes, differed }) => comparedBytes === bytes && differed === 0);
  return {
    kind: 'blockferry verification',
    version: 1,
    identical: outcomes.length > 0 && bytes === totalBytes && isProved,
    group: { name, id, epoch, volumes: volumes.map((volume) => ({ name: volume.name, size: volume.size })) },
    source: hostname(),
    ...record,
    sourceChanges,
  };
}

function signed(report: VerificationReport, key: Buffer | undefined): VerificationReport {
  // In the order of the contract, which is what a reader has.
  const ordered = verificationReportSchema.parse(report);
  return key === undefined ? ordered : { ...ordered, signature: signatureOf(ordered, key) };
}

/** Of a report without its own. */
export function signatureOf(report: VerificationReport, key: Buffer): string {
  const derived = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), 'blockferry verification 1', 32));
  return createHmac('sha256', derived).update(JSON.stringify(report)).digest('hex');
}
