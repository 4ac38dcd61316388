/**
 * What becomes of a source whose raw segments rotted: the journal would seem to end before what was sealed or destaged of
 * it, and what hosts write next would be numbered as that was.
 */
import type { EpochIdentity, Lsn } from '../../journal/ids.ts';
import { lsn } from '../../journal/ids.ts';
import { RecordKind, type JournalRecord } from '../../journal/record.ts';
import { openSegment } from '../../journal/segment/reader.ts';
import { JOURNAL_FOLDER } from '../../journal/names.ts';
import type { SourceCheckpoint } from '../../journal/source-files.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { journalEnd } from '../../capture/recover.ts';
import type { SealedFile } from './sealed-file.ts';
import { join } from 'node:path';

export interface RottenRawsOptions {
  readonly folder: string;
  readonly epoch: EpochIdentity;
  readonly key: Buffer | undefined;
  readonly checkpoint: SourceCheckpoint;
  readonly sealed: readonly SealedFile[];
  /** Puts a frame of a replication file into the volumes, durably. */
  readonly apply: (records: readonly JournalRecord[]) => void;
}

/**
 * Up to where the volumes hold the journal: what was sealed and can be read no more is destaged from its replication files.
 * @throws OperatorError `JOURNAL_DAMAGED` where these have it not; `VOLUME_OFFLINE`, SegmentRefused, the file system's errors
 */
export function destageRotten(files: Files, options: RottenRawsOptions): Lsn {
  const { folder, epoch, key, checkpoint, sealed, apply } = options;
  const { applied, digested } = checkpoint;
  const ours = sealed.filter(({ range }) => range.epoch === epoch.number);
  // What was sealed just before a crash is there before the checkpoint says so, and may have been sent.
  const known = Math.max(applied, digested, ...ours.map(({ range }) => range.last));
  const done = lsn(Math.min(applied, digested));
  if (known === done) return applied;
  const last = journalEnd(files, join(folder, JOURNAL_FOLDER), { epoch, done, enough: known });
  if (last >= known) return applied;
  // Those before the damage may not be in the volumes either.
  const wanted = ours.filter(({ range }) => range.last > applied);
  // A copy as of a point leaves out what hosts wrote since.
  const isWhole = checkpoint.copyPoint === null && applied <= digested && digested === known;
  if (!isWhole || !coverAll(wanted, lsn(applied + 1), digested))
    throw damaged(folder, { last, known }, checkpoint);
  const eachFrame = (act: (frame: readonly JournalRecord[]) => void): void => {
    for (const { path } of wanted) {
      const reader = openSegment(files, path, key);
      try {
        for (const frame of reader.frames()) act(frame);
      } finally {
        reader.close();
      }
    }
  };
  eachFrame((frame) => {
    // What was only marked before it is in no replication file.
    if (frame.some(({ kind }) => kind === RecordKind.initBegin))
      throw damaged(folder, { last, known }, checkpoint);
  });
  // A copied record stands for all that was written there before it, which may be left out.
  eachFrame(apply);
  return digested;
}

function coverAll(sorted: readonly SealedFile[], first: Lsn, last: Lsn): boolean {
  let reached = first - 1;
  for (const { range } of sorted) if (range.first <= reached + 1) reached = Math.max(reached, range.last);
  return reached >= last;
}

function damaged(
  folder: string,
  { last, known }: { readonly last: Lsn; readonly known: number },
  { applied, digested }: SourceCheckpoint,
): OperatorError {
  const lost =
    applied > digested
      ? 'The volumes hold them, but they can be sent no more'
      : `The volumes hold the records up to ${applied}, and what hosts wrote behind that cannot be destaged`;
  return new OperatorError(
    'JOURNAL_DAMAGED',
    `the journal in ${folder} ends at record ${last}, though records up to ${known} were in it: a file there was damaged. ${lost}`,
    {
      remedy:
        'look at the disk below the buffer; restore the file, or move the group’s folder away to begin again from the volumes with a full copy',
    },
  );
}
