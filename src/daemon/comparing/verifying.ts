/**
 * Compares a source's volumes with its destinations' while everything goes on: begins passes when they are due, learns from
 * the destinations' status what came of them, and has sent again what differs.
 */
import type { MendRange, PatrolOrder, PatrolPlace, PatrolProgress } from '../../capture/patrol.ts';
import { LSN_NONE, type Lsn } from '../../journal/ids.ts';
import type { DestinationStatus } from '../../journal/status.ts';
import {
  TOLD_RANGES_MAX,
  type SourceChange,
  type VerificationOutcome,
  type VerificationPass,
} from '../../api/contract/verification.ts';
import type { MediumRange, MediumReport } from '../../capture/medium-watch.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { describeError, OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Waits } from '../../platform/waits.ts';
import { Mending } from './mending.ts';
import { maySend, Sides, type Differing } from './sides.ts';
import type { SourceHost } from '../source/source-host.ts';
import type { PlacedVolume } from '../source/source-volumes.ts';
import {
  replicaDiffersText,
  sourceDiffersText,
  toldChange,
  toldRange,
  verifyingWait,
  type PassProgress,
  type VerifyingReport,
} from './verification-status.ts';
import { readVerifyFile, writeVerifyFile, type VerifyFile } from './verify-file.ts';

/** Milliseconds between looks at what is due. */
const LOOK = 1000;
/** Milliseconds between two notes of where a pass is. */
const NOTE_INTERVAL = 60_000;
const BEGINNING: PatrolPlace = { volume: 0, offset: 0 };

export interface VerifyingOptions {
  readonly clock: Clock;
  readonly files: Files;
  readonly log: Log;
  readonly waits: Waits;
  readonly host: Pick<Remote<SourceHost>, 'patrol' | 'mend'>;
  readonly folder: string;
  /** In the group's order; they may grow. */
  readonly volumes: () => readonly Pick<PlacedVolume, 'index' | 'name' | 'size'>[];
  /** Milliseconds for a pass; undefined: none begins by itself. */
  readonly every: number | undefined;
  /** Whether destinations can compare: every write goes over in order. */
  readonly inStep: () => boolean;
  /** What each destination last said. */
  readonly answers: () => ReadonlyMap<string, DestinationStatus | undefined>;
  /** What is known of the source's own medium, of all records up to `applied`. */
  readonly medium: () => MediumReport & { readonly applied: Lsn };
  /** Since when a range is known to be what it is, and up to which record. */
  readonly known: (range: MediumRange) => Promise<{ readonly first: Lsn; readonly newest: Lsn } | undefined>;
}

/** All of it is in the journal; some destinations have not applied it yet. */
interface Ended {
  readonly record: VerificationPass;
  readonly outcomes: Map<string, VerificationOutcome>;
}

export class Verifying {
  readonly #options: VerifyingOptions;
  readonly #mending = new Mending();
  readonly #sides = new Sides();
  #medium: MediumReport = { changes: [], trouble: undefined };
  #file: VerifyFile;
  #current: { readonly beganAt: number; readonly skipped: number; progress: PatrolProgress } | undefined;
  #ended: Ended | undefined;
  #notedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(options: VerifyingOptions) {
    this.#options = options;
    this.#file = readVerifyFile(options.files, options.folder);
  }

  get #totalBytes(): number {
    return this.#options.volumes().reduce((sum, { size }) => sum + size, 0);
  }

  start(): void {
    this.#timer = this.#options.clock.after(LOOK, () => {
      this.#look()
        .catch((error: unknown) => this.#options.log.warn(`verification: ${describeError(error)}`))
        .finally(() => {
          if (this.#timer !== undefined) this.start();
        });
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * A pass begins at once, as fast as the I/O budget lets it; without `full` with what is left of the one under way.
   * @returns its number
   * @throws OperatorError `GROUP_NOT_CONSISTENT`
   */
  async begin({ full }: { readonly full: boolean }): Promise<number> {
    if (!this.#options.inStep()) {
      throw new OperatorError(
        'GROUP_NOT_CONSISTENT',
        'not every write goes over in order now: there is nothing to compare',
        {
          remedy: 'wait until `blockferry status` shows mode journal, then begin again',
          retryable: true,
        },
      );
    }
    const left = this.#current?.progress.place ?? this.#file.place ?? BEGINNING;
    return this.#begin(0, full ? BEGINNING : left);
  }

  /** How far a pass is; undefined when there is none of this number any more. */
  progress(pass: number): PassProgress | undefined {
    const { last } = this.#file;
    if (last?.pass === pass) return { state: 'complete', record: last };
    if (this.#ended?.record.pass === pass) {
      const { outcomes } = this.#ended;
      return {
        state: 'comparing',
        waitsFor: [...this.#options.answers().keys()].filter((name) => !outcomes.has(name)),
      };
    }
    const { current, totalBytes } = this.report();
    return this.#file.pass === pass && current !== undefined
      ? { state: 'reading', doneBytes: current.done, totalBytes }
      : undefined;
  }

  report(): VerifyingReport {
    const current = this.#current;
    return {
      current: current && { beganAt: current.beganAt, done: current.skipped + current.progress.bytes },
      totalBytes: this.#totalBytes,
      last: this.#file.last,
      sourceChanges: this.sourceChanges,
      destinations: [...this.#options.answers()].map(([name, status]) => ({
        name,
        differing: status?.verification?.differing.length ?? 0,
        found: status?.verification?.found ?? 0,
        mended: status?.verification?.mended ?? 0,
      })),
    };
  }

  /** Where the source's own volumes hold what no host wrote. */
  get sourceChanges(): readonly SourceChange[] {
    return this.#options.medium().changes.map((change) => toldChange(this.#options.volumes(), change));
  }

  patrolled(progress: PatrolProgress): void {
    const current = this.#current;
    if (current?.progress.pass !== progress.pass) return;
    current.progress = progress;
    const { clock } = this.#options;
    if (progress.done) this.#end(current);
    else if (clock.monotonic() - this.#notedAt >= NOTE_INTERVAL) this.#note({ place: progress.place });
  }

  mended(range: MendRange, lsn: Lsn): void {
    this.#mending.sent(range, lsn);
  }

  trouble(message: string | undefined): void {
    const { waits, log } = this.#options;
    if (message === undefined) waits.clear('verify-failed');
    else if (waits.raise('verify-failed', `the comparison with the destinations waits: ${message}`))
      log.error(`the comparison with the destinations waits: ${message}`);
  }

  async #look(): Promise<void> {
    this.#lookAtMedium();
    await this.#findSides();
    this.#learn();
    this.#tell();
    if (!this.#options.inStep()) {
      // What lies in a gap never reaches the destinations: it begins anew when there is none.
      if (this.#current !== undefined) await this.#options.host.patrol(undefined);
      this.#current = undefined;
      return;
    }
    const { every, host } = this.#options;
    if (every !== undefined && this.#current === undefined && this.#isDue(every))
      await this.#begin(every, this.#file.place ?? BEGINNING);
    const { changes } = this.#medium;
    const told = [...this.#options.answers()].flatMap(([name, status]) => {
      if (status === undefined) return [];
      // Whose disk changed is known once the source has looked at the same record.
      const mayBeSent = (status.verification?.differing ?? []).filter(
        (range) => this.#sides.has(name, range) && maySend(range, changes),
      );
      return { applied: status.applied, differing: mayBeSent };
    });
    for (const range of this.#mending.next(told)) {
      this.#options.log.warn('a range that differs at a destination is sent again', { ...range });
      await host.mend(range);
    }
  }

  #lookAtMedium(): void {
    const { log, medium, volumes } = this.#options;
    const before = this.#medium;
    this.#medium = medium();
    const { changes, trouble } = this.#medium;
    for (const change of changes)
      if (!before.changes.some(({ volume, offset }) => volume === change.volume && offset === change.offset))
        log.error(
          'the source’s own volume holds what no host wrote',
          toldFields(toldChange(volumes(), change)),
        );
    if (trouble !== undefined && before.trouble === undefined)
      log.warn(`a change of the source’s own disks would not be noticed: ${trouble}`);
  }

  /** Whose disk changed, of every range that is new, once the source has looked at the same record. */
  async #findSides(): Promise<void> {
    const { known, medium, log } = this.#options;
    const { applied, changes } = medium();
    const comparedUpTo = (name: string): number | undefined => this.#comparedUpTo(name);
    const found = await this.#sides.find(this.#differing, { applied, changes, known, comparedUpTo });
    for (const { name, range, side } of found)
      log.warn(`a range differs at ${name}; whose disk changed: ${side}`, { ...range });
  }

  /** The end of the newest pass of which the destination has compared every byte. */
  #comparedUpTo(destination: string): number | undefined {
    const { last } = this.#file;
    const outcome = last?.outcomes.find((candidate) => candidate.destination === destination);
    return outcome?.comparedBytes === this.#totalBytes ? last?.lastLsn : undefined;
  }

  get #differing(): Differing {
    return [...this.#options.answers()].map(([name, status]) => ({
      name,
      ranges: status?.verification?.differing ?? [],
    }));
  }

  /** A clock that was put back must not keep passes from beginning. */
  #isDue(every: number): boolean {
    const since = this.#options.clock.now() - this.#file.beganAt;
    const isTime = this.#file.place !== undefined || since < 0 || since >= every;
    return isTime && (this.#ended === undefined || since < 0 || since >= 2 * every);
  }

  async #begin(every: number, from: PatrolPlace): Promise<number> {
    const { clock, host } = this.#options;
    const volumes = this.#options.volumes();
    const now = Math.round(clock.now());
    const pass = Math.max(this.#file.pass + 1, now);
    const place = from.offset < (volumes[from.volume]?.size ?? 0) ? from : BEGINNING;
    const skipped = volumes.slice(0, place.volume).reduce((sum, { size }) => sum + size, place.offset);
    this.#note({ pass, place, beganAt: now });
    this.#ended = undefined;
    this.#current = {
      beganAt: now,
      skipped,
      progress: { pass, place, bytes: 0, first: LSN_NONE, lsn: LSN_NONE, done: false },
    };
    const order: PatrolOrder = { pass, from: place, every };
    await host.patrol(order);
    return pass;
  }

  #end({ beganAt, progress }: { readonly beganAt: number; readonly progress: PatrolProgress }): void {
    this.#current = undefined;
    const record: VerificationPass = {
      pass: progress.pass,
      beganAt,
      endedAt: Math.round(this.#options.clock.now()),
      firstLsn: progress.first,
      lastLsn: progress.lsn,
      totalBytes: this.#totalBytes,
      bytes: progress.bytes,
      outcomes: [],
    };
    this.#ended = { record, outcomes: new Map() };
    this.#note({ place: undefined });
  }

  /** What the destinations say of the pass that ended last. */
  #learn(): void {
    const ended = this.#ended;
    if (ended === undefined) return;
    const answers = this.#options.answers();
    for (const [destination, status] of answers) {
      if (status === undefined || status.applied < ended.record.lastLsn || ended.outcomes.has(destination))
        continue;
      const { verification } = status;
      const told = verification?.pass === ended.record.pass ? verification : undefined;
      ended.outcomes.set(destination, {
        destination,
        comparedBytes: told?.comparedBytes ?? 0,
        skippedBytes: told?.skippedBytes ?? 0,
        differed: told?.differed ?? 0,
        ranges: this.#rangesOf(destination, status, ended.record.firstLsn),
        fromMedium: told?.fromMedium ?? true,
      });
    }
    if (answers.size > ended.outcomes.size) return;
    this.#ended = undefined;
    const last = { ...ended.record, outcomes: [...ended.outcomes.values()] };
    this.#note({ last });
    this.#sides.keep(this.#differing);
    for (const { destination, comparedBytes, skippedBytes, differed } of last.outcomes)
      this.#options.log.info('all volumes compared with a destination', {
        bytes: last.bytes,
        destination,
        comparedBytes,
        skippedBytes,
        differed,
      });
  }

  #rangesOf(
    destination: string,
    { verification }: DestinationStatus,
    first: number,
  ): VerificationOutcome['ranges'] {
    return this.#sides
      .list(destination, verification?.differing ?? [], first)
      .slice(0, TOLD_RANGES_MAX)
      .map((sided) => toldRange(this.#options.volumes(), sided));
  }

  #tell(): void {
    const { clock, waits, volumes } = this.#options;
    const { changes } = this.#medium;
    const differing = this.#differing;
    const pass = this.progress(this.#file.pass);
    const told = {
      verifying: verifyingWait(pass, this.#current, clock.now()),
      'replica-differs': replicaDiffersText(differing, changes, this.#mending.hopeless),
      'source-differs': sourceDiffersText(changes, volumes(), differing),
    };
    for (const code of ['verifying', 'replica-differs', 'source-differs'] as const) {
      const wait = told[code];
      if (wait === undefined) waits.clear(code);
      else waits.raise(code, wait.message, wait.endsAt);
    }
  }

  /** What cannot be noted is begun anew after a restart. */
  #note(change: Partial<VerifyFile>): void {
    this.#file = { ...this.#file, ...change };
    this.#notedAt = this.#options.clock.monotonic();
    try {
      writeVerifyFile(this.#options.files, this.#options.folder, this.#file);
    } catch (error) {
      this.#options.log.warn(`how far the comparison is cannot be noted: ${describeError(error)}`);
    }
  }
}

function toldFields({
  volume,
  offset,
  length,
  knownLsn,
  lsn,
}: SourceChange): Record<string, string | number> {
  return { volume, offset, length, knownLsn, lsn };
}
