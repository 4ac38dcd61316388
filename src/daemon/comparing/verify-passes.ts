/** Passes of comparing: which is under way, how far it is, what destinations say of it. Noted in `verify.json`. */
import type { PatrolOrder, PatrolPlace, PatrolProgress } from '../../capture/patrol.ts';
import { LSN_NONE } from '../../journal/ids.ts';
import type { DestinationStatus } from '../../journal/status.ts';
import type { VerificationOutcome, VerificationPass } from '../../api/contract/verification.ts';
import type { Clock } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import type { PlacedVolume } from '../source/source-volumes.ts';
import type { PassProgress } from './verification-status.ts';
import { readVerifyFile, writeVerifyFile, type VerifyFile } from './verify-file.ts';

/** Milliseconds between two notes of where a pass is. */
const NOTE_INTERVAL = 60_000;
const BEGINNING: PatrolPlace = { volume: 0, offset: 0 };

export interface VerifyPassesOptions {
  readonly clock: Clock;
  readonly files: Files;
  readonly log: Log;
  readonly folder: string;
  /** In the group's order; they may grow. */
  readonly volumes: () => readonly Pick<PlacedVolume, 'size'>[];
  /** What each destination last said. */
  readonly answers: () => ReadonlyMap<string, DestinationStatus | undefined>;
}

/** A pass that is being read. */
export interface CurrentPass {
  readonly beganAt: number;
  /** Bytes before its beginning: one that was cut off had read them. */
  readonly skipped: number;
  readonly progress: PatrolProgress;
}

/** All of it is in the journal; some destinations have not applied it yet. */
interface Ended {
  readonly record: VerificationPass;
  readonly outcomes: Map<string, VerificationOutcome>;
}

export class VerifyPasses {
  readonly #options: VerifyPassesOptions;
  #file: VerifyFile;
  #current: CurrentPass | undefined;
  #ended: Ended | undefined;
  #notedAt = Number.NEGATIVE_INFINITY;

  constructor(options: VerifyPassesOptions) {
    this.#options = options;
    this.#file = readVerifyFile(options.files, options.folder);
  }

  get totalBytes(): number {
    return this.#options.volumes().reduce((sum, { size }) => sum + size, 0);
  }

  get current(): CurrentPass | undefined {
    return this.#current;
  }

  /** The last one that every destination has answered. */
  get last(): VerificationPass | undefined {
    return this.#file.last;
  }

  /** How far the newest is. */
  get newest(): PassProgress | undefined {
    return this.progress(this.#file.pass);
  }

  /** How far a pass is; undefined when there is none of this number any more. */
  progress(pass: number): PassProgress | undefined {
    const { last } = this.#file;
    if (last?.pass === pass) return { state: 'complete', record: last };
    if (this.#ended?.record.pass === pass) {
      const { outcomes } = this.#ended;
      const waitsFor = [...this.#options.answers().keys()].filter((name) => !outcomes.has(name));
      return { state: 'comparing', waitsFor };
    }
    const current = this.#current;
    if (this.#file.pass !== pass || current === undefined) return undefined;
    return { state: 'reading', doneBytes: bytesDone(current), totalBytes: this.totalBytes };
  }

  /**
   * Whether the next is to begin by itself, where one takes `every` milliseconds. A clock that was put back does not keep it
   * from that.
   */
  isDue(every: number): boolean {
    if (this.#current !== undefined) return false;
    const since = this.#options.clock.now() - this.#file.beganAt;
    const isTime = this.#file.place !== undefined || since < 0 || since >= every;
    return isTime && (this.#ended === undefined || since < 0 || since >= 2 * every);
  }

  /** The next one, which goes on where one before was cut off, but with `full`. `every`: milliseconds that it is to take. */
  begin(every: number, full: boolean): PatrolOrder {
    const volumes = this.#options.volumes();
    const now = Math.round(this.#options.clock.now());
    const pass = Math.max(this.#file.pass + 1, now);
    const left = full ? BEGINNING : (this.#current?.progress.place ?? this.#file.place ?? BEGINNING);
    const place = left.offset < (volumes[left.volume]?.size ?? 0) ? left : BEGINNING;
    const skipped = volumes.slice(0, place.volume).reduce((sum, { size }) => sum + size, place.offset);
    this.#note({ pass, place, beganAt: now });
    this.#ended = undefined;
    const progress = { pass, place, bytes: 0, first: LSN_NONE, lsn: LSN_NONE, done: false };
    this.#current = { beganAt: now, skipped, progress };
    return { pass, from: place, every };
  }

  progressed(progress: PatrolProgress): void {
    const current = this.#current;
    if (current?.progress.pass !== progress.pass) return;
    this.#current = { ...current, progress };
    if (progress.done) this.#end(this.#current);
    else if (this.#options.clock.monotonic() - this.#notedAt >= NOTE_INTERVAL)
      this.#note({ place: progress.place });
  }

  /** The one under way is not gone on with. */
  giveUp(): void {
    this.#current = undefined;
  }

  /**
   * What the destinations say of the pass that was read last; once all have, that is returned. `rangesOf`: what differs at one of
   * them, of records from `first` on.
   */
  learn(
    rangesOf: (
      destination: string,
      status: DestinationStatus,
      first: number,
    ) => VerificationOutcome['ranges'],
  ): VerificationPass | undefined {
    const ended = this.#ended;
    if (ended === undefined) return undefined;
    const { record, outcomes } = ended;
    const answers = this.#options.answers();
    for (const [destination, status] of answers) {
      if (status === undefined || status.applied < record.lastLsn || outcomes.has(destination)) continue;
      const { verification } = status;
      const told = verification?.pass === record.pass ? verification : undefined;
      outcomes.set(destination, {
        destination,
        comparedBytes: told?.comparedBytes ?? 0,
        skippedBytes: told?.skippedBytes ?? 0,
        differed: told?.differed ?? 0,
        ranges: rangesOf(destination, status, record.firstLsn),
        fromMedium: told?.fromMedium ?? true,
      });
    }
    if (answers.size > outcomes.size) return undefined;
    this.#ended = undefined;
    const last = { ...record, outcomes: [...outcomes.values()] };
    this.#note({ last });
    return last;
  }

  /** The end of the newest pass of which the destination has compared every byte. */
  comparedUpTo(destination: string): number | undefined {
    const { last } = this.#file;
    const outcome = last?.outcomes.find((candidate) => candidate.destination === destination);
    return outcome?.comparedBytes === this.totalBytes ? last?.lastLsn : undefined;
  }

  #end({ beganAt, progress }: CurrentPass): void {
    this.#current = undefined;
    const record: VerificationPass = {
      pass: progress.pass,
      beganAt,
      endedAt: Math.round(this.#options.clock.now()),
      firstLsn: progress.first,
      lastLsn: progress.lsn,
      totalBytes: this.totalBytes,
      bytes: progress.bytes,
      outcomes: [],
    };
    this.#ended = { record, outcomes: new Map() };
    this.#note({ place: undefined });
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

/** Of the volumes, with what a pass that was cut off had read before. */
export function bytesDone({ skipped, progress }: CurrentPass): number {
  return skipped + progress.bytes;
}
