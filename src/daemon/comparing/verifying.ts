/**
 * Compares a source's volumes with its destinations' while everything goes on: begins passes when they are due, learns from
 * the destinations' status what came of them, and has sent again what differs.
 */
import type { MendRange, PatrolProgress } from '../../capture/patrol.ts';
import type { Lsn } from '../../journal/ids.ts';
import type { DestinationStatus } from '../../journal/status.ts';
import {
  TOLD_RANGES_MAX,
  type SourceChange,
  type VerificationOutcome,
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
import { bytesDone, VerifyPasses } from './verify-passes.ts';

/** Milliseconds between looks at what is due. */
const LOOK = 1000;

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

export class Verifying {
  readonly #options: VerifyingOptions;
  readonly #mending = new Mending();
  readonly #sides = new Sides();
  readonly #passes: VerifyPasses;
  #medium: MediumReport = { changes: [], trouble: undefined };
  #timer: Timer | undefined;

  constructor(options: VerifyingOptions) {
    this.#options = options;
    this.#passes = new VerifyPasses(options);
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
    return this.#begin(0, full);
  }

  /** How far a pass is; undefined when there is none of this number any more. */
  progress(pass: number): PassProgress | undefined {
    return this.#passes.progress(pass);
  }

  report(): VerifyingReport {
    const { current, totalBytes, last } = this.#passes;
    return {
      current: current && { beganAt: current.beganAt, done: bytesDone(current) },
      totalBytes,
      last,
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
    this.#passes.progressed(progress);
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
      if (this.#passes.current !== undefined) await this.#options.host.patrol(undefined);
      this.#passes.giveUp();
      return;
    }
    const { every, host } = this.#options;
    if (every !== undefined && this.#passes.isDue(every)) await this.#begin(every, false);
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
    const comparedUpTo = (name: string): number | undefined => this.#passes.comparedUpTo(name);
    const found = await this.#sides.find(this.#differing, { applied, changes, known, comparedUpTo });
    for (const { name, range, side } of found)
      log.warn(`a range differs at ${name}; whose disk changed: ${side}`, { ...range });
  }

  get #differing(): Differing {
    return [...this.#options.answers()].map(([name, status]) => ({
      name,
      ranges: status?.verification?.differing ?? [],
    }));
  }

  /** @returns its number */
  async #begin(every: number, full: boolean): Promise<number> {
    const order = this.#passes.begin(every, full);
    await this.#options.host.patrol(order);
    return order.pass;
  }

  /** What the destinations say of the pass that ended last. */
  #learn(): void {
    const last = this.#passes.learn((...asked) => this.#rangesOf(...asked));
    if (last === undefined) return;
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
    const { newest, current } = this.#passes;
    const told = {
      verifying: verifyingWait(newest, current, clock.now()),
      'replica-differs': replicaDiffersText(differing, changes, this.#mending.hopeless),
      'source-differs': sourceDiffersText(changes, volumes(), differing),
    };
    for (const code of ['verifying', 'replica-differs', 'source-differs'] as const) {
      const wait = told[code];
      if (wait === undefined) waits.clear(code);
      else waits.raise(code, wait.message, wait.endsAt);
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
