/**
 * Takes a comparing copy from window to window: learns from the destinations' status what differs, has what is the same
 * everywhere unmarked, and says whom it waits for.
 */
import type { AskedWindow } from '../../capture/comparing-copy.ts';
import type { MarkedVolume } from '../../capture/change-map.ts';
import type { Clock } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Waits } from '../../platform/waits.ts';
import type { SourceBack } from '../source-back/source-back.ts';
import type { SourceHost } from '../source/source-host.ts';
import { outcomeOf, waitsFor, type Answers } from './window-answers.ts';

/** Milliseconds that an answer may take before it is told who does not give it. */
const PATIENCE = 10_000;

export interface CopyWindowsOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Log;
  readonly waits: Waits;
  readonly host: Pick<Remote<SourceHost>, 'compare' | 'answerWindow' | 'nextWindow'>;
  readonly back: Pick<Remote<SourceBack>, 'markEqual'>;
  /** What each destination last said. */
  readonly answers: () => Answers;
}

export class CopyWindows {
  readonly #options: CopyWindowsOptions;
  #asked: { readonly window: AskedWindow; readonly at: number } | undefined;
  /** Counts up with every copy: what an older one still waits for is called off. */
  #copies = 0;

  constructor(options: CopyWindowsOptions) {
    this.#options = options;
  }

  /** What is marked is compared from now on. */
  begin(marked: readonly MarkedVolume[]): void {
    this.end();
    this.#await(this.#options.host.compare(marked));
  }

  /** Nothing is compared any more. */
  end(): void {
    this.#copies += 1;
    this.#asked = undefined;
    this.#options.waits.clear('comparing');
  }

  /**
   * Bytes that are marked still, once a window is answered; undefined: there is nothing new. `called-off`: what hosts wrote was
   * left out since the window, whose answers so count for nothing. @throws the file system's errors
   */
  async look(): Promise<number | 'called-off' | undefined> {
    const asked = this.#asked;
    if (asked === undefined) return undefined;
    const { host, back, answers, waits } = this.#options;
    const { window } = asked;
    const late = waitsFor(window, answers());
    this.#tell(asked.at, late);
    if (late.length > 0) return undefined;
    const equal = await host.answerWindow(outcomeOf(window, answers()));
    const marked = await back.markEqual(equal, window.window);
    if (marked === undefined) return 'called-off';
    this.#asked = undefined;
    waits.clear('comparing');
    this.#await(host.nextWindow(window.window));
    return marked;
  }

  /** Not waited for: it may need room in the journal, which comes of sealing. */
  #await(next: Promise<AskedWindow | undefined>): void {
    const mine = this.#copies;
    const { clock, log } = this.#options;
    next.then(
      (window) => {
        if (this.#copies === mine && window !== undefined) this.#asked = { window, at: clock.monotonic() };
      },
      (error: unknown) => log.warn(`the copy cannot compare: ${describeError(error)}`),
    );
  }

  #tell(since: number, late: readonly string[]): void {
    const { clock, waits } = this.#options;
    if (late.length === 0 || clock.monotonic() - since < PATIENCE) return;
    waits.raise('comparing', `the copy waits until ${late.join(' and ')} has said what differs there`);
  }
}
