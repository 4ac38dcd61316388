/** Takes in what arrives, a few segments at a time, and remembers what was refused. */
import type { Lsn } from '../journal/ids.ts';
import type { SegmentRange } from '../journal/names.ts';
import type { RefusedSegment } from '../journal/status.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { hasToApply, type DestinationFacts, type ReceiveResult } from './destination-facts.ts';
import type { BackCalls } from './group-options.ts';
import type { Inbox } from './inbox.ts';
import type { InboxEntry, InboxPlan, InboxStep } from './inbox-plan.ts';

/** Steps in the inbox between two batches of applying: as many segments of the usual size stay in memory until then. */
const STEPS = 4;
/** What a status file names. */
export const REFUSED_MAX = 100;

export interface IntakeOptions {
  readonly back: BackCalls;
  readonly log: Log;
  readonly clock: Clock;
  readonly facts: () => DestinationFacts;
  readonly onFacts: (facts: DestinationFacts) => void;
  /** Before each step: what is under way, for whoever waits for its end. */
  readonly onStep: (doing: string) => void;
  readonly isStopped: () => boolean;
}

export class Intake {
  readonly #inbox: Inbox;
  readonly #options: IntakeOptions;
  #refused: RefusedSegment[] = [];
  #changes = 0;
  #taking: readonly string[] = [];

  constructor(inbox: Inbox, options: IntakeOptions) {
    this.#inbox = inbox;
    this.#options = options;
  }

  /** Not received since. */
  get refused(): readonly RefusedSegment[] {
    return this.#refused;
  }

  /** Segments that are on their way out of the inbox: they may lie there no longer, without being received or refused yet. */
  get taking(): readonly string[] {
    return this.#taking;
  }

  get missing(): InboxPlan['missing'] {
    return this.#inbox.missing;
  }

  /** How many files lie in the inbox, when they are more than are looked at. */
  get crowd(): number | undefined {
    return this.#inbox.crowd;
  }

  /** Counts up with what the source should be told. */
  get changes(): number {
    return this.#changes;
  }

  /** Takes a few steps: what is received is to be applied in between. Whether there was any. */
  async takeSome(): Promise<boolean> {
    let steps = 0;
    while (steps < STEPS && !this.#options.isStopped()) {
      const { received } = this.#options.facts();
      if (this.#inbox.isDue(received)) this.#look();
      if (this.#isYetToBegin()) {
        if (!(await this.#beginJournal(received))) break;
        steps += 1;
        continue;
      }
      const step = this.#inbox.step(received);
      if (step === undefined) break;
      const run = step.kind === 'receive' ? this.#inbox.run(received, STEPS - steps) : [step.entry];
      this.#options.onStep(`taking in ${step.entry.name}`);
      this.#taking = run.map(({ name }) => name);
      try {
        const done = await this.#take(step, run);
        for (const entry of run.slice(0, done)) this.#inbox.taken(entry);
        steps += done;
      } finally {
        this.#taking = [];
      }
    }
    return steps > 0;
  }

  #isYetToBegin(): boolean {
    return this.#options.facts().state.resync?.anew === 'anywhere';
  }

  /** What the volumes hold is kept aside before (I10), and what was received is done with. Whether it got on. */
  async #beginJournal(received: Lsn): Promise<boolean> {
    const first = this.#inbox.first(received);
    if (first === undefined || hasToApply(this.#options.facts())) return false;
    this.#options.onStep(`beginning with ${first.name}`);
    this.#noteResult([first], await this.#options.back.beginWith(first.name));
    this.#inbox.note();
    this.#look();
    return true;
  }

  /**
   * Full of what waits behind a hole, the destination could never take what fills it. What is furthest behind is given
   * up: it is not received, so the source still has it and sends it again.
   */
  async makeRoom(hasRoom: () => boolean): Promise<void> {
    const { received, journalSegments } = this.#options.facts();
    if (this.missing.length === 0 || this.#inbox.step(received) !== undefined) return;
    if (journalSegments > 0 || hasRoom()) return;
    for (const { name } of this.#inbox.giveUp()) {
      await this.#options.back.discard(name);
      this.#options.log.warn(
        'the buffer is full: a segment that came early is given up until there is room',
        {
          segment: name,
        },
      );
    }
    this.#look();
  }

  #look(): void {
    const { received, state } = this.#options.facts();
    if (this.#inbox.look({ received, epoch: state.epoch?.number })) this.#changes += 1;
  }

  /** How many of the run are done with. */
  async #take(step: InboxStep, run: readonly InboxEntry[]): Promise<number> {
    const { back } = this.#options;
    const { name, range } = step.entry;
    if (step.kind === 'discard') {
      await back.discard(name);
      return 1;
    }
    this.#changes += 1;
    if (step.kind === 'refuse') {
      await back.refuse(name, `FOREIGN: ${step.reason}`);
      this.#noteRefused(range, step.reason);
      return 1;
    }
    return this.#noteResult(run, await back.receive(run.map((entry) => entry.name)));
  }

  /** How many of the run are done with. */
  #noteResult(run: readonly InboxEntry[], { taken, refused, facts }: ReceiveResult): number {
    this.#options.onFacts(facts);
    this.#refused = this.#refused.filter(({ last }) => last > facts.received);
    const [entry] = run;
    if (refused === undefined || entry === undefined) return taken;
    this.#noteRefused(entry.range, `${refused.code}: ${refused.reason}`);
    const told = { code: refused.code, segment: entry.name };
    this.#options.log.error(`segment refused: ${refused.reason}`, told);
    return 1;
  }

  #noteRefused(range: SegmentRange, reason: string): void {
    const refused = { ...range, reason: reason.slice(0, 1000), at: this.#options.clock.now() };
    this.#refused = [...this.#refused, refused].slice(-REFUSED_MAX);
    // What overlapped it may now be a hole.
    this.#inbox.note();
  }
}
