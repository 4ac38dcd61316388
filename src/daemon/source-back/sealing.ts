/**
 * Seals raw segments: what was only copied of the volumes several at a time. While one of them reaches the medium the next is
 * written, and one write of the change map and the checkpoint does for all of them.
 */
import { join } from 'node:path';
import { endOf } from '../../journal/coalesce.ts';
import { lsn } from '../../journal/ids.ts';
import { JOURNAL_FOLDER, sealedName } from '../../journal/names.ts';
import type { ClosedRaw, LoadedRaw } from '../../journal/raw-segment.ts';
import { appliedBySealing, planSeal, type Sealing } from '../../journal/seal.ts';
import type { SourceCheckpoint } from '../../journal/source-files.ts';
import type { LastRaw } from './last-raw.ts';
import type { SealedFile } from './sealed-file.ts';
import { beginSealed, type BegunFile, type SealedPlatform } from './sealed-writer.ts';
import type { SourceBackOptions } from './source-back-facts.ts';

export interface SealingOptions extends SourceBackOptions, SealedPlatform {
  readonly raw: LastRaw;
  readonly keepsSnapshots: boolean;
}

/** A raw segment of which nothing is written any more. */
interface Begun {
  readonly records: LoadedRaw['records'];
  readonly sealing: Sealing;
  readonly file: BegunFile | undefined;
  /** Once it is sealed. */
  readonly checkpoint: SourceCheckpoint;
}

/** The same, durable. Payloads are there of the last one alone; those before it hold nothing but copied data. */
export interface Sealed extends Omit<Begun, 'file'> {
  /** Undefined when nothing is shipped. */
  readonly file: SealedFile | undefined;
}

/**
 * Seals the first, which lies behind the checkpoint, and with it as many of the others as follow on nothing but copied data, of
 * which nothing is to be destaged. `ship`: see `planSeal`.
 * @throws the file system's errors, where not even the first can be sealed; nothing is left behind
 */
export function sealSome(
  raws: readonly ClosedRaw[],
  { checkpoint, ship }: { readonly checkpoint: SourceCheckpoint; readonly ship: boolean },
  options: SealingOptions,
): readonly Sealed[] {
  const begun: Begun[] = [];
  const sealed: Sealed[] = [];
  try {
    for (const raw of raws) {
      const known = begun.at(-1)?.checkpoint ?? checkpoint;
      const next = begin(raw, { checkpoint: known, ship }, options);
      begun.push(next);
      // It holds more than copied data, or is to be destaged.
      if (next.checkpoint.applied === known.applied) break;
    }
  } catch (error) {
    // It comes again, as the first.
    if (begun.length === 0) throw error;
  }
  try {
    // Each has its name before the next: what a crash leaves behind the checkpoint has no hole.
    for (const one of begun) sealed.push({ ...one, file: one.file?.finish() });
  } catch (error) {
    for (const { file } of begun.slice(sealed.length + 1)) file?.drop();
    if (sealed.length === 0) throw error;
  }
  return sealed;
}

function begin(
  raw: ClosedRaw,
  { checkpoint, ship }: { readonly checkpoint: SourceCheckpoint; readonly ship: boolean },
  { files, random, spares, raw: last, keepsSnapshots, ...options }: SealingOptions,
): Begun {
  const range = { epoch: raw.header.epoch.number, first: lsn(checkpoint.shipped + 1), last: raw.last };
  const path = join(options.folder, JOURNAL_FOLDER, sealedName(range));
  const loaded = last.load(raw);
  // One that was sealed just before a crash may have been sent since.
  const isWanted = ship || files.stat(path) !== undefined;
  const sealing = planSeal(loaded, checkpoint, { ...options, ship: isWanted });
  const { segment, position } = sealing;
  const of = { raw, end: endOf(loaded.records), path };
  const file = segment && beginSealed({ files, random, spares }, options, { plan: segment, ...of });
  // Of what is copied of the volumes nothing is to be destaged: one write of the checkpoint does for both. But its own snapshots
  // are made between two segments that are destaged, at the record where the volumes are known to be.
  const { applied } = checkpoint;
  const moved = keepsSnapshots ? applied : appliedBySealing(sealing, raw, applied);
  return {
    records: loaded.records,
    sealing,
    file,
    checkpoint: { ...checkpoint, ...position, applied: moved },
  };
}
