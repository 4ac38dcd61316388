/** What a source's journal folder holds after a stop or a crash: see {@link recoverRaws}. */
import { join } from 'node:path';
import type { Files } from '../platform/files.ts';
import { rewrite } from '../platform/rewrite.ts';
import { LSN_MAX, lsn, next, type EpochIdentity, type Lsn } from '../journal/ids.ts';
import { openName, parseOpenName } from '../journal/names.ts';
import {
  loadRaw,
  RAW_HEADER_SIZE,
  RawMemory,
  type ClosedRaw,
  type LoadedRaw,
} from '../journal/raw-segment.ts';
import { RAW_MARGIN } from './journal-writer.ts';

/** Bytes of records in a raw segment at most, by any configuration. */
const SEGMENT_SIZE_MAX = 64 * 1024 * 1024;

/** Bytes of a raw segment's file at most. */
export const RAW_SIZE_MAX = RAW_HEADER_SIZE + SEGMENT_SIZE_MAX + RAW_MARGIN;

export interface RecoveredRaws {
  /** In order, joined to each other and to `done`; to be sealed and destaged again where the checkpoint says so. */
  readonly raws: readonly ClosedRaw[];
  /** Files that hold nothing any more, and whose names say nothing either. */
  readonly empty: readonly string[];
  /** The last record that there is. */
  readonly last: Lsn;
  /** The last record that is known to have been durable. */
  readonly durable: Lsn;
}

/**
 * Finds the journal's end: raw segments are followed from the checkpoint on, record by record, until one is missing or not
 * intact. Everything that was durable lies before that, because it became durable in order; a later file can only hold
 * what nobody was promised.
 *
 * `done`: both sealed and destaged. `visit` sees every record-bearing segment while it is in memory, one at a time.
 */
export function recoverRaws(
  files: Files,
  folder: string,
  epoch: EpochIdentity,
  done: Lsn,
  visit: (raw: LoadedRaw) => void,
): RecoveredRaws {
  const raws: ClosedRaw[] = [];
  const empty: string[] = [];
  let [last, durable] = [done, done];
  for (const { path, raw } of followRaws(files, folder, epoch, done)) {
    if (raw === undefined) {
      empty.push(path);
      continue;
    }
    last = lastOf(raw);
    raws.push({ path, header: raw.header, last, end: raw.end });
    visit(raw);
    if (raw.header.durable > durable) durable = raw.header.durable;
  }
  // Its name says where the one before it ends, until whoever appends has a file of that name.
  const successor = join(folder, openName({ epoch: epoch.number, first: next(last) }));
  return { raws, empty: empty.filter((path) => path !== successor), last, durable };
}

/** The journal's last record as `recoverRaws` finds it, or one from `enough` on: behind that nothing is read. */
export function journalEnd(
  files: Files,
  folder: string,
  { epoch, done, enough }: { readonly epoch: EpochIdentity; readonly done: Lsn; readonly enough: number },
): Lsn {
  let last = done;
  for (const { raw } of followRaws(files, folder, epoch, done)) {
    if (raw !== undefined) last = lastOf(raw);
    if (last >= enough) break;
  }
  return last;
}

/** The folder's raw segments in order, and of each what joins those before it, which is valid until the next; undefined: nothing. */
function* followRaws(
  files: Files,
  folder: string,
  epoch: EpochIdentity,
  done: Lsn,
): Generator<{ readonly path: string; readonly raw: LoadedRaw | undefined }> {
  const names = files.list(folder).flatMap((name) => {
    const start = parseOpenName(name);
    return start === undefined ? [] : [{ name, ...start }];
  });
  names.sort((a, b) => a.first - b.first);
  const memory = new RawMemory();
  let last = done;
  for (const [index, { name, first, epoch: number }] of names.entries()) {
    const path = join(folder, name);
    const successor = names[index + 1];
    const limit = successor === undefined ? LSN_MAX : lsn(successor.first - 1);
    const found =
      number === epoch.number && first <= next(last) ? load(files, path, limit, memory) : undefined;
    const raw = found?.header.epoch.id === epoch.id && lastOf(found) > last ? found : undefined;
    if (raw !== undefined) last = lastOf(raw);
    yield { path, raw };
  }
}

function lastOf({ header, records }: LoadedRaw): Lsn {
  return lsn(header.first + records.length - 1);
}

function load(files: Files, path: string, limit: Lsn, memory: RawMemory): LoadedRaw | undefined {
  return loadRaw(files, path, { sizeMax: RAW_SIZE_MAX, limit }, memory);
}

/**
 * A killed process leaves its last writes to the page cache, where also lies what a sync of it failed to bring to the
 * medium: what is not known to be durable is so only after it was written again and a sync of our own (I2).
 */
export function makeDurable(files: Files, { path, end }: Pick<ClosedRaw, 'path' | 'end'>): void {
  const file = files.open(path, 'write');
  rewrite(file, end);
  file.syncNow();
  file.close();
}
