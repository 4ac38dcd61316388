/** Watches both sites' files and compares them with the model at every step that counts (I1 to I9). */
import type { HostVolume } from '../../../src/nbd/front-end.ts';
import { parseSealedName } from '../../../src/journal/names.ts';
import type { RecorderOracle } from '../pair/recorder.ts';
import type { Machine } from '../platform/machine.ts';
import { Appends } from './appends.ts';
import { Gaps, type CheckpointFile } from './gaps.ts';
import { isCovered } from './covered.ts';
import { FROM_POINT, Kind, Model, parseRecords, type Cursor, type ModelRecord } from './model.ts';
import { SourcePlace } from './source-place.ts';
import { differenceOf, Replica, type ReplicaOptions } from './replica.ts';
import { isSecondCopy, newestCopy } from './two-copies.ts';
import { falseChange, wronglySaid } from './said.ts';
import { Violation } from './violation.ts';

export interface OracleOptions {
  readonly source: Machine;
  readonly destination: Machine;
  /** The groups' folders, of the source the two that it may move between, and in the volumes' order their paths. */
  readonly sourceFolders: readonly [string, string];
  readonly destinationFolder: string;
  readonly sourceVolumes: readonly string[];
  readonly destinationVolumes: readonly string[];
  readonly initial: readonly Buffer[];
  readonly decodeStatus: ReplicaOptions['decodeStatus'];
  readonly onStatus: (bytes: Buffer) => void;
}

const RAW_HEADER = 64;

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Whole records of an append that failed: whether they are there after a crash is not said. */
export interface InDoubt {
  /** The last LSN before them. */
  readonly after: number;
  readonly records: readonly ModelRecord[];
}

export class Oracle implements RecorderOracle {
  /** What the source's hosts wrote. */
  model: Model;
  /** What it was before the source was set back in time. */
  before: Model | undefined;
  gaps: Gaps;
  readonly replica: Replica;
  readonly #options: OracleOptions;
  readonly #place: SourcePlace;
  /** The highest LSN that a host was told is durable. */
  #promised = 0;
  #sourceStarting = true;
  #sourceApplied = 0;
  /** Of the newest append that failed. */
  #failed: ModelRecord[] = [];
  #appends: Appends;
  #points: { readonly model: Model; readonly cursor: Cursor } | undefined;
  /** Where the source's history parted from what it was before. */
  #cut = Infinity;
  #violation: Violation | undefined;
  /** Something rotted that perhaps nobody has any more: the pair may come to stand, and says why. */
  isRotten = false;
  /** So did what the source has not destaged: its hosts may read it as it is. */
  isJournalRotten = false;

  constructor(options: OracleOptions) {
    this.#options = options;
    this.model = new Model(options.initial);
    this.gaps = new Gaps(this.model);
    this.#place = new SourcePlace(options.source.disk, options.sourceFolders);
    this.#appends = this.#newAppends();
    options.source.watcher = {
      wrote: (path, position, bytes) => this.#sourceWrote(path, position, bytes),
      failedToWrite: (path, position, bytes) => {
        if (path.startsWith(`${this.sourceFolder}/journal/`) && position >= RAW_HEADER)
          this.#failed = parseRecords(bytes);
      },
      renamed: (from, to) => this.#sourceRenamed(from, to),
      removing: (path) => this.#sourceRemoving(path),
    };
    this.replica = new Replica({
      machine: options.destination,
      folder: options.destinationFolder,
      volumes: options.destinationVolumes,
      decodeStatus: options.decodeStatus,
      onStatus: options.onStatus,
      histories: () => (this.before === undefined ? [this.model] : [this.model, this.before]),
      isRotten: () => this.isRotten,
      isNeverShipped: (lsn) => this.gaps.has(lsn),
      fail: (violation) => this.fail(violation),
    });
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Everything that was ever written is in the volumes of both sites, and nothing is left to be run. */
  get isSettled(): boolean {
    // Of two histories that parted, one may be as long as the other by chance.
    const isAtEnd = this.#sourceApplied === this.model.last && this.replica.isSettledAt(this.model);
    return isAtEnd && !this.isForked;
  }

  /** How far both sites are, in words. */
  get standing(): string {
    return `${this.replica.standing}, the source's volumes at ${this.#sourceApplied} of ${this.model.last}`;
  }

  /** Of the source's own checkpoint. */
  get sourceApplied(): number {
    return this.#sourceApplied;
  }

  fail(violation: Violation): void {
    this.#violation ??= violation;
    this.#options.source.loop.fail(violation);
  }

  promised(lsn: number): void {
    if (lsn <= this.#promised) return;
    const doubt = this.#appends.firstInDoubt(Math.max(this.#promised, this.#sourceApplied) + 1, lsn);
    this.#promised = lsn;
    if (doubt === undefined) return;
    this.fail(
      new Violation(
        'I1-durable',
        `${lsn} records are promised; a power failure now could take record ${doubt}`,
      ),
    );
  }

  /** Where the source is. */
  get sourceFolder(): string {
    return this.#place.live;
  }

  /** The next new journal file may go back: a crash took what was not durable. */
  sourceStarts(): void {
    this.#sourceStarting = true;
    if (this.#place.look()) this.#appends = this.#newAppends();
    this.#checkSealed();
  }

  /** Another engine takes over in a program that goes on: nothing that hosts wrote is lost, durable or not. */
  sourceTakesOver(act: () => void, volumes: () => readonly HostVolume[]): void {
    const { last } = this.model;
    this.#sourceStarting = true;
    act();
    if (this.model.last < last && !this.isJournalRotten) {
      const text = `the journal ends at ${this.model.last} after the buffer was moved; it ended at ${last}`;
      this.fail(new Violation('I1-moved', text));
    }
    this.sourceServes(volumes());
  }

  /** What an image of the source's disks may hold that is taken now, though its hosts were told that it failed. */
  get inDoubt(): InDoubt {
    return { after: this.model.last, records: this.#failed };
  }

  /** The source's disks are from now on what they were once, at this checkpoint; `inDoubt`: then. */
  sourceSetBack(inDoubt: InDoubt): void {
    this.replica.held.sourceSetBack();
    this.before = this.model;
    this.model = this.model.fork();
    // What was written in its place since is not in the image.
    if (inDoubt.records.length > 0) this.model.cutAfter(inDoubt.after);
    this.gaps = new Gaps(this.model);
    this.#place.look();
    this.#appends = this.#newAppends();
    this.#promised = 0;
    this.#failed = [...inDoubt.records];
    this.#sourceApplied = this.#durableCheckpoint();
  }

  /** Whether the destination has records that the source no longer has, or has as others. */
  get isForked(): boolean {
    return (
      this.before !== undefined &&
      (this.replica.held.lastBefore > this.#cut || !this.replica.isOf(this.model))
    );
  }

  /**
   * Whether a source that was set back may never come in step: it forgot where segments that the destination has had ended,
   * and made another that begins inside of what is there, which is refused even where what is in it is the same.
   */
  get mayStand(): boolean {
    if (this.isForked) return true;
    const { acknowledged } = this.replica;
    const isAcross = ({ first, last }: { first: number; last: number }): boolean =>
      first <= acknowledged && acknowledged < last;
    const ranges = this.#options.source.disk
      .list(`${this.sourceFolder}/journal`)
      .flatMap((name) => parseSealedName(name) ?? []);
    return this.before !== undefined && ranges.some(isAcross);
  }

  /** What hosts read after a restart is what the journal says, to the byte. */
  sourceServes(volumes: readonly HostVolume[]): void {
    const contents: Buffer[] = [];
    for (const [index, volume] of volumes.entries()) {
      const content = Buffer.alloc(volume.size);
      try {
        volume.read(0, content);
        contents.push(content);
      } catch {
        // A fault that was asked for; the next read tells.
        contents.push(this.model.current[index]!);
      }
    }
    if (this.isJournalRotten) return;
    this.#compare('I2-recovered', 'a source as hosts see it', contents, this.model.current);
  }

  /** A bit flips at rest. */
  rots(path: string, lasting: boolean): void {
    this.replica.held.rots(path);
    this.isRotten ||= lasting;
    if (path.endsWith('.open')) this.isJournalRotten = true;
  }

  /** The source's own volumes, once everything is destaged. */
  sourceVolumesAre(lsn: number): void {
    const { source, sourceVolumes } = this.#options;
    const contents = sourceVolumes.map((path) => source.disk.find(path)?.content() ?? Buffer.alloc(0));
    this.#compare('I2-destaged', `the source at LSN ${lsn}`, contents, this.model.cursor().at(lsn));
  }

  #compare(code: string, what: string, contents: readonly Buffer[], wanted: readonly Buffer[]): void {
    const why = differenceOf(contents, wanted);
    if (why !== undefined) this.fail(new Violation(code, `${what}: ${why}`));
  }

  #sourceWrote(path: string, position: number, bytes: Uint8Array): void {
    const { disk } = this.#options.source;
    if (path.endsWith('/moved-to.json') && this.#place.look()) this.#appends = this.#newAppends();
    if (path === `${this.sourceFolder}/checkpoint.json` && isSecondCopy(disk.find(path)!.content(), position))
      this.#checkpointMoved(bytes);
    if (path.includes('/medium.json') && !this.isJournalRotten) {
      const wrong = falseChange(disk.find(path)!.content());
      if (wrong !== undefined) this.fail(wrong);
    }
    if (!path.startsWith(`${this.sourceFolder}/journal/`)) return;
    if (!path.endsWith('.raw') && !path.endsWith('.open')) return;
    if (position === 0 && bytes.length > RAW_HEADER) {
      this.#journalRewritten(path, parseRecords(bytes.subarray(RAW_HEADER)));
      return;
    }
    if (position === 0) this.#journalBegins(Number(Buffer.from(bytes).readBigUInt64BE(32)));
    if (position < RAW_HEADER) return;
    this.#failed = [];
    const records = parseRecords(bytes);
    this.#appends.add(path, records);
    for (const record of records) {
      if (record.lsn !== this.model.last + 1) {
        this.fail(new Violation('I3-lsn', `record ${record.lsn} follows record ${this.model.last}`));
        return;
      }
      const then = (record.flags & FROM_POINT) === 0 ? this.model.current : this.#atPoint();
      const wrong = wronglySaid(record, then);
      if (wrong !== undefined) this.fail(wrong);
      this.model.append(record);
    }
  }

  /** What was recovered is written again as it is, whose own writes may never reach the medium. */
  #journalRewritten(path: string, records: readonly ModelRecord[]): void {
    for (const record of records) {
      const known = this.model.record(record.lsn);
      if (known === undefined || (known.kind === record.kind && known.payload.equals(record.payload)))
        continue;
      this.fail(new Violation('I3-rewritten', `record ${record.lsn} is written again as another`));
    }
    this.#appends.rewritten(path, records);
  }

  /** At the point of the copy under way. */
  #atPoint(): readonly Buffer[] {
    if (this.#points?.model !== this.model) this.#points = { model: this.model, cursor: this.model.cursor() };
    return this.#points.cursor.at(this.model.asOf(this.model.last));
  }

  /** A new journal file begins at `first`: what lies behind it in the model is gone. */
  #journalBegins(first: number): void {
    const { model } = this;
    const last = first - 1;
    // A host was told that its write failed: whether it is there after a crash is not said.
    for (const record of this.#failed.splice(0)) {
      if (this.#sourceStarting && record.lsn === model.last + 1 && record.lsn <= last) model.append(record);
    }
    if (this.before !== undefined) this.#cut = Math.min(this.#cut, last);
    if (last === model.last) return;
    if (last > model.last || !this.#sourceStarting) {
      this.fail(
        new Violation('I3-journal', `a journal file begins at ${first}; the last record is ${model.last}`),
      );
      return;
    }
    if (last < this.#promised) {
      const text = `${this.#promised} records were promised to be durable; after a crash the journal ends at ${last}`;
      this.fail(new Violation('I1-lost', text));
    }
    const ahead = Math.max(this.replica.acknowledged, this.replica.state.applied);
    if (last < ahead && this.before === undefined) {
      this.fail(
        new Violation(
          'I2-ahead',
          `the destination has ${ahead} records; after a crash the source has ${last}`,
        ),
      );
    }
    model.cutAfter(last);
    this.#appends.cutAfter(last);
    this.#points = undefined;
  }

  #sourceRenamed(from: string, to: string): void {
    if (from.endsWith('.seg')) this.#sourceRemoving(from);
    if (!to.startsWith(`${this.sourceFolder}/`)) return;
    if (to.endsWith('.open')) this.#sourceStarting = false;
    if (to.endsWith('.seg'))
      this.replica.held.sealed(baseName(to), this.#options.source.disk.find(to)!.content());
  }

  /** I4: what has a segment's name is what was sealed under that, whatever a crash took. */
  #checkSealed(): void {
    const changed = this.replica.held.changedIn(this.#options.source.disk, `${this.sourceFolder}/journal`);
    if (changed !== undefined && !this.isRotten)
      this.fail(new Violation('I4-changed', `${changed} is not what was sealed under this name`));
  }

  /** One copy is durable when the other is written. */
  #checkpointMoved(bytes: Uint8Array): void {
    const checkpoint = newestCopy(Buffer.from(bytes)) as CheckpointFile;
    const { applied } = checkpoint;
    this.gaps.checkpoint(checkpoint);
    this.#volumesDurable(this.#sourceApplied, applied);
    this.#sourceApplied = applied;
  }

  /** A checkpoint counts only once what it says is on the medium. */
  #volumesDurable(before: number, applied: number): void {
    const { source, sourceVolumes } = this.#options;
    const data = this.model
      .records(before + 1, applied)
      .filter(({ kind, flags }) => (kind === Kind.write || kind === Kind.zero) && (flags & 1) === 0);
    for (const index of new Set(data.map(({ volume }) => volume))) {
      const path = sourceVolumes[index]!;
      if (source.disk.find(path)?.isSynced === true && source.disk.findDurable(path) !== undefined) continue;
      this.fail(
        new Violation('I6-checkpoint', `the source's checkpoint is at ${applied}; ${path} is not durable`),
      );
    }
  }

  /** I5: a segment goes only when it is destaged here and held there, whatever happens next. */
  #sourceRemoving(path: string): void {
    const { disk } = this.#options.source;
    const folder = `${this.sourceFolder}/journal`;
    const range = path.startsWith(`${folder}/`) ? parseSealedName(baseName(path)) : undefined;
    if (range === undefined || isCovered(disk, folder, range)) return;
    // What rots there after it was confirmed, no source can know of.
    const held = Math.max(this.replica.held.last(), this.isRotten ? this.replica.acknowledged : 0);
    if (range.last > held) {
      this.fail(
        new Violation('I5-freed', `the source frees up to ${range.last}; the destination holds ${held}`),
      );
    }
    const applied = this.#durableCheckpoint();
    if (range.last > applied) {
      this.fail(
        new Violation(
          'I5-freed',
          `the source frees up to ${range.last}; its own checkpoint is at ${applied}`,
        ),
      );
    }
  }

  #durableCheckpoint(): number {
    const file = this.#options.source.disk.findDurable(`${this.sourceFolder}/checkpoint.json`);
    return (file && (newestCopy(file.durableContent()) as CheckpointFile | undefined)?.applied) ?? 0;
  }

  #newAppends(): Appends {
    return new Appends(this.#options.source.disk, `${this.sourceFolder}/journal`);
  }
}
