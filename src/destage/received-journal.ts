/**
 * The received part of a destination's journal: segments that are checked, joined to each other and durable, and not yet
 * applied (I3, I4).
 */
import { basename, join } from 'node:path';
import { lsn, LSN_NONE, type Lsn } from '../journal/ids.ts';
import {
  compareRanges,
  INBOX_FOLDER,
  JOURNAL_FOLDER,
  parseSealedName,
  PART_SUFFIX,
  type SegmentRange,
} from '../journal/names.ts';
import { SegmentRefused, type SegmentHeader, type SegmentReader } from '../journal/segment/segment.ts';
import { errorCode } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import { rewrite } from '../platform/rewrite.ts';
import { DECODED_MAX, DecodedSegment, type AppliedSegment } from './decoded-segment.ts';
import { isHeldUp, type DestinationState } from './state-file.ts';

export interface ReceivedSegment {
  readonly path: string;
  readonly range: SegmentRange;
  readonly bytes: number;
  readonly digestAfter: string;
}

/** A segment of the inbox that is whole, continues the journal, and is on its way to the medium. */
interface CheckedSegment {
  readonly name: string;
  readonly range: SegmentRange;
  readonly digestAfter: string;
  /** In memory; undefined where there is no room for it. */
  readonly decoded: DecodedSegment | undefined;
  readonly file: OpenFile;
  readonly writable: boolean;
  readonly bytes: number;
  /** Waits for the sync that has begun; undefined once it was waited for. */
  sync: (() => void) | undefined;
  isDurable: boolean;
}

/** What a segment must continue. */
type JournalIdentity = Pick<DestinationState, 'groupId' | 'epoch' | 'applied' | 'digest'>;

export interface ReceivedJournalOptions {
  readonly groupName: string;
  readonly folder: string;
  readonly openSegment: (path: string) => SegmentReader;
}

/** Of this thread's groups the one that has segments in memory: what the others took in is read again. */
let holder: ReceivedJournal | undefined;

function hold(journal: ReceivedJournal): void {
  if (holder !== journal) holder?.forgetDecoded();
  holder = journal;
}

export class ReceivedJournal {
  readonly inbox: string;
  readonly #files: Files;
  readonly #options: ReceivedJournalOptions;
  readonly #folder: string;
  #segments: ReceivedSegment[] = [];
  #bytes = 0;
  /** What is in memory of the first of them. */
  readonly #decoded = new Map<ReceivedSegment, DecodedSegment>();
  /** In order, right behind what is received. */
  #checked: CheckedSegment[] = [];
  /** In the inbox: a sync of these has failed, or of those that were there at the start may have, and another would lie. */
  readonly #inDoubt: Set<string>;

  constructor(files: Files, options: ReceivedJournalOptions) {
    this.#files = files;
    this.#options = options;
    this.#folder = join(options.folder, JOURNAL_FOLDER);
    this.inbox = join(options.folder, INBOX_FOLDER);
    files.makeDirectory(this.#folder);
    files.makeDirectory(this.inbox);
    this.#inDoubt = new Set(files.list(this.inbox));
  }

  /** In order. */
  get segments(): readonly ReceivedSegment[] {
    return this.#segments;
  }

  get bytes(): number {
    return this.#bytes;
  }

  received(applied: Lsn): Lsn {
    return this.#segments.at(-1)?.range.last ?? applied;
  }

  /** The last record of all that lies in the folder, whatever becomes of it. */
  last(): Lsn {
    const ranges = this.#files.list(this.#folder).flatMap((name) => parseSealedName(name) ?? []);
    return lsn(Math.max(LSN_NONE, ...ranges.map(({ last }) => last)));
  }

  /**
   * Finds what an earlier run received: the chain of segments from the checkpoint on. What does not join goes back to the
   * inbox; `onRefused` takes what is no longer what it was. Returns what is applied, in order, which is the caller's.
   */
  recover(
    state: JournalIdentity,
    onRefused: (path: string, range: SegmentRange, error: SegmentRefused) => void,
  ): { readonly path: string; readonly range: SegmentRange }[] {
    const applied: { path: string; range: SegmentRange }[] = [];
    const found = this.#files.list(this.#folder).flatMap((name) => {
      const range = parseSealedName(name);
      return range === undefined ? [] : [{ path: join(this.#folder, name), range }];
    });
    found.sort((a, b) => compareRanges(a.range, b.range));
    // A killed process may have left names that were never synced: they count only after a sync of our own (I6).
    if (found.length > 0) this.#files.syncDirectory(this.#folder);
    for (const { path, range } of found) {
      if (range.last <= state.applied) applied.push({ path, range });
      else if (range.first !== this.received(state.applied) + 1) this.#backToInbox(path);
      else {
        try {
          const wasOthers = this.#unalias(path);
          const { digestAfter } = this.#reading(path, range, state, (reader) => {
            if (wasOthers) reader.verify();
            return reader.header;
          });
          this.#add({ path, range, bytes: this.#files.stat(path)?.size ?? 0, digestAfter });
        } catch (error) {
          if (!(error instanceof SegmentRefused)) throw error;
          onRefused(path, range, error);
        }
      }
    }
    return applied;
  }

  /**
   * The header of a segment in the inbox that is whole and continues the journal, behind what was checked before and is to be
   * joined with it. @throws SegmentRefused, the file system's errors
   */
  check(
    name: string,
    range: SegmentRange,
    state: JournalIdentity & Pick<DestinationState, 'pending' | 'seed'>,
  ): SegmentHeader {
    const areDecoded =
      this.#decoded.size === this.#segments.length &&
      this.#checked.every(({ decoded }) => decoded !== undefined);
    const isNext = !isHeldUp(state) && areDecoded;
    if (isNext) hold(this);
    return this.#reading(join(this.inbox, name), range, state, (reader) => {
      const decoded = DecodedSegment.check(reader, isNext ? DECODED_MAX - this.#decodedBytes() : 0);
      const { digestAfter } = reader.header;
      try {
        this.#checked.push({ name, range, digestAfter, decoded, ...this.#beginSync(name) });
      } catch (error) {
        decoded?.close();
        throw error;
      }
      return reader.header;
    });
  }

  /** The header of a segment in the inbox that is whole, whatever came before it. @throws SegmentRefused */
  checkFirst(name: string, range: SegmentRange, state: JournalIdentity): SegmentHeader {
    const path = join(this.inbox, name);
    const reader = this.#options.openSegment(path);
    try {
      const digest = reader.header.digestBefore;
      checkBelongs(path, range, reader.header, { ...state, digest, groupName: this.#options.groupName });
      reader.verify();
      return reader.header;
    } finally {
      reader.close();
    }
  }

  /**
   * From here on what was checked is received, in order, as much of it as can be: its data and all directory entries are durable
   * (I6). Returns how many segments. It may be called again after a failure. @throws the file system's errors, where that is none
   */
  join(): number {
    const joined = this.#checked.slice(0, this.#makeDurable());
    this.#rename(joined);
    this.#checked.splice(0, joined.length);
    for (const { name, range, digestAfter, decoded, bytes } of joined) {
      const segment = { path: join(this.#folder, name), range, bytes, digestAfter };
      this.#add(segment);
      if (decoded !== undefined) this.#decoded.set(segment, decoded);
    }
    return joined.length;
  }

  /** What was checked and not joined is checked again before it is. */
  dropChecked(): void {
    for (const { name, decoded, file, sync, isDurable } of this.#checked.splice(0)) {
      decoded?.close();
      if (isDurable) continue;
      try {
        sync?.();
        if (sync !== undefined) this.#inDoubt.delete(name);
      } catch {
        // It stays in doubt.
      }
      file.close();
    }
  }

  /** How many of those that were checked have their data on the medium, without a gap. @throws the file system's errors, of the first */
  #makeDurable(): number {
    for (const [at, one] of this.#checked.entries()) {
      if (one.isDurable) continue;
      const { sync } = one;
      one.sync = undefined;
      try {
        if (sync === undefined) syncAgain(one);
        else sync();
      } catch (error) {
        if (at === 0) throw error;
        return at;
      }
      one.isDurable = true;
      one.file.close();
      this.#inDoubt.delete(one.name);
    }
    return this.#checked.length;
  }

  /** From the inbox, durably. */
  #rename(segments: readonly CheckedSegment[]): void {
    const renamed: CheckedSegment[] = [];
    try {
      for (const one of segments) {
        this.#files.rename(join(this.inbox, one.name), join(this.#folder, one.name));
        renamed.push(one);
      }
      this.#files.syncDirectory(this.#folder);
      this.#files.syncDirectory(this.inbox);
    } catch (error) {
      // They are not received, and must be found where what is not received lies.
      for (const { name } of renamed) this.#files.rename(join(this.#folder, name), join(this.inbox, name));
      throw error;
    }
  }

  /** No file transport promises that what it wrote is on the medium. Not done by the time that it returns. */
  #beginSync(name: string): Pick<CheckedSegment, 'file' | 'writable' | 'bytes' | 'sync' | 'isDurable'> {
    const isInDoubt = this.#inDoubt.has(name);
    // Its upload's name may be left of a crash, and be another name of it.
    if (this.#inDoubt.delete(name + PART_SUFFIX)) this.#files.remove(join(this.inbox, name + PART_SUFFIX));
    this.#inDoubt.add(name);
    const opened = openForSync(this.#files, join(this.inbox, name));
    try {
      // Its size, too, is asked now: once it has its new name nothing may fail any more that does not take that back.
      const bytes = opened.file.size();
      if (isInDoubt && opened.writable) rewrite(opened.file, bytes);
      return { ...opened, bytes, sync: opened.file.beginSync(), isDurable: false };
    } catch (error) {
      opened.file.close();
      throw error;
    }
  }

  /** To be applied: the first time as it was checked, if that is still in memory. @throws SegmentRefused, the file system's errors */
  open(segment: ReceivedSegment): AppliedSegment {
    const decoded = this.#decoded.get(segment);
    this.#decoded.delete(segment);
    return decoded ?? this.#options.openSegment(segment.path);
  }

  /** What is still to be applied is read again for that. */
  forgetDecoded(): void {
    for (const decoded of this.#decoded.values()) decoded.close();
    this.#decoded.clear();
  }

  /**
   * A crash may have left other names of a file that was joined, its upload's too, and somebody has written to it by those
   * since, as a file server does that takes what is there for the beginning of an upload: they go, and what counts is durable.
   * Returns whether there were any.
   */
  #unalias(path: string): boolean {
    const inbox = join(this.inbox, basename(path));
    const aliases = [inbox, inbox + PART_SUFFIX].filter((name) => this.#files.stat(name) !== undefined);
    this.#sync(path, aliases.length > 0);
    for (const alias of aliases) this.#files.remove(alias);
    return aliases.length > 0;
  }

  /** Another user's file, which this one cannot write to, can only be synced as it is. Returns its bytes. */
  #sync(path: string, isInDoubt: boolean): number {
    const { file, writable } = openForSync(this.#files, path);
    try {
      const size = file.size();
      if (isInDoubt && writable) rewrite(file, size);
      file.syncNow();
      return size;
    } finally {
      file.close();
    }
  }

  /** The first `count` are applied and checkpointed: they are the caller's. */
  take(count: number): ReceivedSegment[] {
    return this.#take(0, count);
  }

  /** Everything from this segment on is no longer received: itself it is the caller's, what follows waits in the inbox. */
  cutFrom(segment: ReceivedSegment): void {
    const at = this.#segments.indexOf(segment);
    for (const later of this.#take(at, this.#segments.length).slice(1)) this.#backToInbox(later.path);
  }

  #take(start: number, end: number): ReceivedSegment[] {
    const taken = this.#segments.splice(start, end - start);
    for (const { bytes } of taken) this.#bytes -= bytes;
    return taken;
  }

  #add(segment: ReceivedSegment): void {
    this.#segments.push(segment);
    this.#bytes += segment.bytes;
  }

  #backToInbox(path: string): void {
    this.#files.rename(path, join(this.inbox, basename(path)));
  }

  #decodedBytes(): number {
    const decoded = [...this.#decoded.values(), ...this.#checked.map((one) => one.decoded)];
    return decoded.reduce((sum, segment) => sum + (segment?.bytes ?? 0), 0);
  }

  #reading<R>(
    path: string,
    range: SegmentRange,
    state: JournalIdentity,
    read: (reader: SegmentReader) => R,
  ): R {
    const reader = this.#options.openSegment(path);
    try {
      const before = this.#checked.at(-1) ?? this.#segments.at(-1);
      const digest = before?.digestAfter ?? state.digest;
      checkBelongs(path, range, reader.header, { ...state, digest, groupName: this.#options.groupName });
      return read(reader);
    } finally {
      reader.close();
    }
  }
}

/** A sync of it has failed: another would lie. */
function syncAgain({ file, writable, bytes }: CheckedSegment): void {
  if (writable) rewrite(file, bytes);
  file.syncNow();
}

/** Windows flushes only what is open for writing; a file that the file server's user owns may not allow that. */
function openForSync(files: Files, path: string): { readonly file: OpenFile; readonly writable: boolean } {
  try {
    return { file: files.open(path, 'write'), writable: true };
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error))) throw error;
    return { file: files.open(path, 'read'), writable: false };
  }
}

function checkBelongs(
  path: string,
  range: SegmentRange,
  header: SegmentHeader,
  expected: JournalIdentity & { readonly groupName: string },
): void {
  const { group, epoch } = header;
  const foreign = (what: string): SegmentRefused =>
    new SegmentRefused('FOREIGN', `${path} ${what}`, 'see which source writes into this inbox');
  if (group.name !== expected.groupName)
    throw foreign(`is of group ${group.name}, not ${expected.groupName}`);
  if (expected.groupId !== '' && group.id !== expected.groupId) {
    throw foreign(
      `is of another group that is also called ${group.name} (id ${group.id}, not ${expected.groupId})`,
    );
  }
  if (epoch.number !== range.epoch || header.first !== range.first || header.last !== range.last) {
    throw foreign(
      `holds records ${header.first} to ${header.last} of epoch ${epoch.number}, not what its name says`,
    );
  }
  const ours = expected.epoch;
  if (ours !== undefined && (epoch.number !== ours.number || epoch.id !== ours.id)) {
    throw foreign(`is of epoch ${epoch.number} (${epoch.id}), not ${ours.number} (${ours.id})`);
  }
  if (header.digestBefore === expected.digest) return;
  throw new SegmentRefused(
    'DOES_NOT_JOIN',
    `${path} continues another history than the ${range.first - 1} records that are here`,
    'the source was perhaps restored from an older image: compare both sides before anything else',
  );
}
