/**
 * Sees to it that every custom marker's program runs to its end (I9): at least once, again after a failure, and again
 * after this process was stopped or died under it, which is no failure of the program.
 */
import { sleep } from '../platform/clock.ts';
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import type { DestinationFacts } from './destination-facts.ts';
import type { BackCalls, DestinationGroupOptions } from './group-options.ts';
import type { GroupWaits } from './group-waits.ts';
import { runMarker, type MarkerContext, type MarkerProgram } from './marker-runner.ts';
import { BACKGROUND_MAX, type DestinationState, type PendingMarker } from './state-file.ts';

/** Failures after which replication goes on without a program. */
export const FAILURES_MAX = 3;
/**
 * Milliseconds between a program's failure and its next run. It counts only if this process lives on by then: whoever ends
 * both at once, as a service manager does, makes the program fail a moment before this process is told to stop.
 */
const PAUSE = 5000;

export interface MarkerProgramsOptions extends Pick<DestinationGroupOptions, 'name' | 'paths' | 'markers'> {
  readonly waits: GroupWaits;
  /** The state has changed, and something may go on. */
  readonly onFacts: (facts: DestinationFacts) => void;
}

export class MarkerPrograms {
  readonly #platform: Pick<Platform, 'clock' | 'processes'>;
  readonly #log: Log;
  readonly #back: BackCalls;
  readonly #options: MarkerProgramsOptions;
  readonly #stop = new AbortController();
  /** By marker id. */
  readonly #running = new Map<string, Promise<void>>();
  /** By when what runs has ended: milliseconds since 1970, by marker id. */
  readonly #limits = new Map<string, number>();

  constructor(
    platform: Pick<Platform, 'clock' | 'processes'>,
    log: Log,
    back: BackCalls,
    options: MarkerProgramsOptions,
  ) {
    this.#platform = platform;
    this.#log = log;
    this.#back = back;
    this.#options = options;
  }

  /** Begins what is to run and does not yet. */
  attend({ pending, background }: DestinationState): void {
    for (const marker of background) this.#begin(marker);
    if (pending === undefined || this.#running.has(pending.id)) return;
    const isCrowded = background.length === BACKGROUND_MAX && this.#programOf(pending)?.wait === false;
    if (isCrowded) this.#sayCrowded(pending);
    else this.#begin(pending);
  }

  /** Ends what runs; it is started again with the next process. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running.values());
  }

  #programOf({ name }: PendingMarker): MarkerProgram | undefined {
    return this.#options.markers.find((candidate) => candidate.name === name);
  }

  #sayCrowded({ name }: PendingMarker): void {
    const message = `marker ${name}: ${BACKGROUND_MAX} programs of earlier markers still run; the volumes stand still until one of them ends`;
    const endsAt = Math.round(Math.min(...this.#limits.values()));
    const known = this.#limits.size > 0 ? { endsAt } : {};
    this.#options.waits.set('marker', { code: 'markers-crowded', message, ...known });
  }

  #begin(marker: PendingMarker): void {
    if (this.#running.has(marker.id) || this.#stopped()) return;
    const ended = this.#runToItsEnd(marker)
      .catch((error: unknown) => this.#onError(marker, error))
      .then(() => {
        this.#running.delete(marker.id);
        this.#limits.delete(marker.id);
      });
    this.#running.set(marker.id, ended);
  }

  async #runToItsEnd(marker: PendingMarker): Promise<void> {
    const program = this.#programOf(marker);
    if (program === undefined) {
      this.#log.warn(`no program is configured for marker ${marker.name}: passed over`);
    } else {
      while (!(await this.#runOnce(program, marker.id))) if (this.#stopped()) return;
    }
    const facts = await this.#back.finishMarker(marker.id);
    if (program?.wait !== false) this.#options.waits.set('marker', undefined);
    this.#options.onFacts(facts);
  }

  /** Whether it is done with: it succeeded, or has failed too often. */
  async #runOnce(program: MarkerProgram, id: string): Promise<boolean> {
    const marker = await this.#back.startMarker(id);
    if (marker === undefined) return true;
    if (program.wait) {
      const message = `marker ${marker.name}: ${program.run[0]} is running (attempt ${marker.attempt}); the volumes stand still`;
      const endsAt = Math.round(this.#platform.clock.now() + program.timeLimit);
      this.#options.waits.set('marker', { code: 'marker-running', message, endsAt });
    }
    this.#limits.set(id, this.#platform.clock.now() + program.timeLimit);
    const running = runMarker(program, marker, this.#context());
    if (!program.wait) await this.#letVolumesGo(marker);
    const outcome = await running;
    if (outcome.kind === 'succeeded') {
      this.#options.waits.set('marker-failure', undefined);
      return true;
    }
    if (outcome.kind !== 'failed') return false;
    this.#sayFailed(marker, outcome.failure, marker.failures + 1);
    await sleep(this.#platform.clock, PAUSE, this.#stop.signal);
    if (this.#stopped()) return false;
    const failures = (await this.#back.failMarker(id))?.failures ?? 0;
    return failures >= FAILURES_MAX;
  }

  /** The program has begun before anything behind its marker is applied (I9). */
  async #letVolumesGo({ id, name }: PendingMarker): Promise<void> {
    try {
      const facts = await this.#back.detachMarker(id);
      this.#options.waits.set('marker', undefined);
      this.#options.onFacts(facts);
    } catch (error) {
      this.#log.error(
        `marker ${name}: the volumes stand still until its program ends: ${describeError(error)}`,
      );
    }
  }

  #sayFailed({ name }: PendingMarker, failure: string, failures: number): void {
    const message = `marker ${name}: its program ${failure} (failure ${failures} of ${FAILURES_MAX})`;
    this.#options.waits.set('marker-failure', { code: 'marker-failed', message });
  }

  /** It is begun again with the next attendance. */
  async #onError(marker: PendingMarker, error: unknown): Promise<void> {
    const message = `marker ${marker.name}: ${describeError(error)}`;
    this.#log.error(message);
    if (this.#programOf(marker)?.wait === true)
      this.#options.waits.set('marker', { code: 'marker-stuck', message });
    await sleep(this.#platform.clock, PAUSE, this.#stop.signal);
  }

  #context(): MarkerContext {
    const { name, paths } = this.#options;
    const { processes } = this.#platform;
    return { group: name, volumes: paths, processes, log: this.#log, signal: this.#stop.signal };
  }

  /** A method, because it changes while something is awaited. */
  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }
}
