/** Watches both sites' files and compares them with the model at every step that counts (I1 to I9). */
import type { HostVolume } from '../../../src/nbd/front-end.ts';
import { parseSealedName } from '../../../src/journal/names.ts';
import type { DestinationStatus } from '../../../src/journal/status.ts';
import type { RecorderOracle } from '../pair/recorder.ts';
import type { Machine } from '../platform/machine.ts';
import { Appends } from './appends.ts';
import { Gaps, type CheckpointFile } from './gaps.ts';
import { Held, type StateFile } from './held.ts';
import { isCovered } from './covered.ts';
import { firstDifference, Kind, Model, parseRecords, type Cursor, type ModelRecord } from './model.ts';
import { COPY_SIZE, newestCopy } from './two-copies.ts';
import { Violation } from './violation.ts';

export interface OracleOptions {
  readonly source: Machine;
  readonly destination: Machine;
  /** The groups' folders, and in the volumes' order their paths. */
  readonly sourceFolder: string;
  readonly destinationFolder: string;
  readonly sourceVolumes: readonly string[];
  readonly destinationVolumes: readonly string[];
  readonly initial: readonly Buffer[];
  readonly decodeStatus: (bytes: Buffer) => DestinationStatus;
  readonly onStatus: (bytes: Buffer) => void;
}

const RAW_HEADER = 64;

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export class Oracle implements RecorderOracle {
  readonly model: Model;
  readonly gaps: Gaps;
  readonly #options: OracleOptions;
  readonly #destinationCursor: Cursor;
  /** The highest LSN that a host was told is durable. */
  #promised = 0;
  #sourceStarting = true;
  state: StateFile = { applied: 0, consistent: false };
  #sourceApplied = 0;
  /** Whole records of the newest append that failed. */
  #failed: ModelRecord[] = [];
  readonly #held: Held;
  readonly #appends: Appends;
  #violation: Violation | undefined;
  readonly #overwritten = new Set<number>();
  /** The highest LSN that the destination ever said it has received. */
  acknowledged = 0;

  constructor(options: OracleOptions) {
    this.#options = options;
    this.model = new Model(options.initial);
    this.gaps = new Gaps(this.model);
    this.#appends = new Appends(options.source.disk, `${options.sourceFolder}/journal`);
    this.#destinationCursor = this.model.cursor();
    this.#held = new Held(options.destination.disk, options.destinationFolder);
    options.source.watcher = {
      wrote: (path, position, bytes) => this.#sourceWrote(path, position, bytes),
      failedToWrite: (path, position, bytes) => {
        if (path.startsWith(`${options.sourceFolder}/journal/`) && position >= RAW_HEADER)
          this.#failed = parseRecords(bytes);
      },
      renamed: (_, to) => this.#sourceRenamed(to),
      removing: (path) => this.#sourceRemoving(path),
    };
    options.destination.watcher = {
      wrote: (path, position, bytes) => {
        if (path.endsWith('/destination-state.json') && position === COPY_SIZE)
          this.#stateMoved(newestCopy(Buffer.from(bytes)) as StateFile);
      },
      renamed: (_, to) => this.#destinationRenamed(to),
    };
  }

  /** LSNs at which a consistent replica began to be copied over. */
  get overwritten(): ReadonlySet<number> {
    return this.#overwritten;
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Everything that was ever written is in the volumes of both sites, and nothing is left to be run. */
  get isSettled(): boolean {
    const { applied, consistent, pending, background } = this.state;
    const done = applied === this.model.last && this.#sourceApplied === applied;
    return done && consistent && pending === undefined && (background ?? []).length === 0;
  }

  /** How far both sites are, in words. */
  get standing(): string {
    const { applied, consistent } = this.state;
    const half = consistent ? '' : ', not consistent';
    return `the destination is at ${applied}${half}, the source's volumes at ${this.#sourceApplied} of ${this.model.last}`;
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

  /** The next new journal file may go back: a crash took what was not durable. */
  sourceStarts(): void {
    this.#sourceStarting = true;
  }

  /** The power failed there: what was renamed and not synced may be what it was before. */
  destinationLost(): void {
    this.state = this.#held.state() ?? { applied: 0, consistent: false };
  }

  /** What hosts read after a restart is what the journal says, to the byte. */
  sourceServes(volumes: readonly HostVolume[]): void {
    for (const [index, volume] of volumes.entries()) {
      const content = Buffer.alloc(volume.size);
      try {
        volume.read(0, content);
      } catch {
        // A fault that was asked for; the next read tells.
        continue;
      }
      this.#compare('I2-recovered', 'a source volume as hosts see it', index, content, this.model.current);
    }
  }

  /** Compares the destination's volumes with what the group was at `lsn`. */
  destinationIs(code: string, lsn: number): void {
    if (!this.#isThere(code, lsn)) return;
    const wanted = this.#destinationCursor.at(lsn);
    for (const [index, path] of this.#options.destinationVolumes.entries()) {
      const content = this.#options.destination.disk.find(path)?.content() ?? Buffer.alloc(0);
      this.#compare(code, `a destination volume at LSN ${lsn}`, index, content, wanted);
    }
  }

  /** Never is the destination ahead of its source. */
  #isThere(code: string, lsn: number): boolean {
    const { last } = this.model;
    if (lsn <= last) return true;
    this.fail(new Violation(code, `the destination is at ${lsn}; the source's journal ends at ${last}`));
    return false;
  }

  /**
   * At a checkpoint that is no recovery point: where an attempt to go on failed half way, what it was to write may be there
   * in part, and is written again.
   */
  #destinationIsAtLeast(lsn: number): void {
    if (!this.#isThere('I2-ahead', lsn)) return;
    const wanted = this.#destinationCursor.at(lsn);
    for (const [index, path] of this.#options.destinationVolumes.entries()) {
      const content = this.#options.destination.disk.find(path)?.content() ?? Buffer.alloc(0);
      if (wanted[index]!.equals(content)) continue;
      for (const { kind, volume, offset, length } of this.model.records(lsn + 1, this.model.last)) {
        if (volume === index && (kind === Kind.write || kind === Kind.zero))
          wanted[index]!.copy(content, offset, offset, offset + length);
      }
      this.#compare('I3-checkpoint', `a destination volume at LSN ${lsn}`, index, content, wanted);
    }
  }

  /** The source's own volumes, once everything is destaged. */
  sourceVolumesAre(lsn: number): void {
    const wanted = this.model.cursor().at(lsn);
    for (const [index, path] of this.#options.sourceVolumes.entries()) {
      const content = this.#options.source.disk.find(path)?.content() ?? Buffer.alloc(0);
      this.#compare('I2-destaged', `a source volume at LSN ${lsn}`, index, content, wanted);
    }
  }

  #compare(code: string, what: string, index: number, content: Buffer, wanted: readonly Buffer[]): void {
    const right = wanted[index]!;
    if (right.equals(content)) return;
    const at = firstDifference(right, content);
    const text = `${what} (number ${index}, ${content.length} bytes) is not what was written: first at byte ${at}`;
    this.fail(new Violation(code, text));
  }

  #sourceWrote(path: string, position: number, bytes: Uint8Array): void {
    if (path.endsWith('/checkpoint.json') && position === COPY_SIZE) this.#checkpointMoved(bytes);
    if (!path.startsWith(`${this.#options.sourceFolder}/journal/`)) return;
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
      this.#checkCopy(record);
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

  /** What the initial copy says a volume holds is what it holds then. */
  #checkCopy({
    flags,
    kind,
    volume,
    offset,
    length,
    payload,
  }: ReturnType<typeof parseRecords>[number]): void {
    if ((flags & 1) === 0 || (kind !== Kind.write && kind !== Kind.zero)) return;
    const there = this.model.current[volume]!.subarray(offset, offset + length);
    const right = kind === Kind.write ? there.equals(payload) : there.every((byte) => byte === 0);
    if (right) return;
    this.fail(
      new Violation(
        'I3-copy',
        `the initial copy of ${length} bytes at ${offset} of volume ${volume} is wrong`,
      ),
    );
  }

  /** A new journal file begins at `first`: what lies behind it in the model is gone. */
  #journalBegins(first: number): void {
    const { model } = this;
    const last = first - 1;
    // A host was told that its write failed: whether it is there after a crash is not said.
    for (const record of this.#failed.splice(0)) {
      if (this.#sourceStarting && record.lsn === model.last + 1 && record.lsn <= last) model.append(record);
    }
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
    const ahead = Math.max(this.acknowledged, this.state.applied);
    if (last < ahead) {
      this.fail(
        new Violation(
          'I2-ahead',
          `the destination has ${ahead} records; after a crash the source has ${last}`,
        ),
      );
    }
    model.cutAfter(last);
    this.#appends.cutAfter(last);
  }

  #sourceRenamed(to: string): void {
    if (to.endsWith('.open')) this.#sourceStarting = false;
    if (to.endsWith('.seg')) this.#held.sealed(baseName(to), this.#options.source.disk.find(to)!.content());
  }

  /** The first copy is durable when the second is written. */
  #checkpointMoved(bytes: Uint8Array): void {
    const checkpoint = newestCopy(Buffer.from(bytes)) as CheckpointFile;
    const { applied } = checkpoint;
    this.gaps.checkpoint(checkpoint);
    this.#volumesDurable('source', this.#sourceApplied, applied);
    this.#sourceApplied = applied;
  }

  #destinationRenamed(to: string): void {
    const { disk } = this.#options.destination;
    if (to.endsWith('/destination-state.json'))
      this.#stateMoved(newestCopy(disk.find(to)!.content()) as StateFile);
    if (!to.endsWith('/status/destination.json')) return;
    const bytes = disk.find(to)!.content();
    this.#options.onStatus(bytes);
    const { received } = this.#options.decodeStatus(bytes);
    const held = this.#held.last();
    if (received > held) {
      const text = `${received} records are acknowledged as received; a power failure now would leave ${held}`;
      this.fail(new Violation('I5-acknowledged', text));
    }
    this.acknowledged = Math.max(this.acknowledged, received);
  }

  #stateMoved(state: StateFile): void {
    const { applied, consistent } = this.state;
    this.state = state;
    if (consistent && !state.consistent) this.#overwritten.add(applied);
    if (state.applied === applied) return;
    if (state.applied < applied) {
      const text = `the destination's checkpoint goes back from ${applied} to ${state.applied}`;
      this.fail(new Violation('I3-back', text));
      return;
    }
    this.#volumesDurable('destination', applied, state.applied);
    if (state.consistent) this.#destinationIsAtLeast(state.applied);
  }

  /** A checkpoint counts only once what it says is on the medium. */
  #volumesDurable(site: 'source' | 'destination', before: number, applied: number): void {
    const { disk } = this.#options[site];
    const paths = site === 'source' ? this.#options.sourceVolumes : this.#options.destinationVolumes;
    const touched = new Set(
      this.model
        .records(before + 1, applied)
        .filter(
          ({ kind, flags }) =>
            (kind === Kind.write || kind === Kind.zero) && (site === 'destination' || (flags & 1) === 0),
        )
        .map(({ volume }) => volume),
    );
    for (const index of touched) {
      const path = paths[index]!;
      if (disk.find(path)?.isSynced === true && disk.findDurable(path) !== undefined) continue;
      this.fail(
        new Violation('I6-checkpoint', `the ${site}'s checkpoint is at ${applied}; ${path} is not durable`),
      );
    }
  }

  /** I5: a segment goes only when it is destaged here and held there, whatever happens next. */
  #sourceRemoving(path: string): void {
    const { disk } = this.#options.source;
    const folder = `${this.#options.sourceFolder}/journal`;
    const range = path.startsWith(`${folder}/`) ? parseSealedName(baseName(path)) : undefined;
    if (range === undefined || isCovered(disk, folder, range)) return;
    const held = this.#held.last();
    if (range.last > held) {
      this.fail(
        new Violation('I5-freed', `the source frees up to ${range.last}; the destination holds ${held}`),
      );
    }
    const checkpoint = disk.findDurable(`${this.#options.sourceFolder}/checkpoint.json`);
    const applied =
      (checkpoint && (newestCopy(checkpoint.durableContent()) as CheckpointFile | undefined)?.applied) ?? 0;
    if (range.last > applied) {
      this.fail(
        new Violation(
          'I5-freed',
          `the source frees up to ${range.last}; its own checkpoint is at ${applied}`,
        ),
      );
    }
  }
}
