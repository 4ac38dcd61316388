/**
 * The deciding half of a destination, on the main thread: notices what arrives, has it received and applied in order, runs
 * marker programs, and tells the source in the status file.
 */
import { join } from 'node:path';
import { INBOX_FOLDER, type SegmentRange } from '../journal/names.ts';
import type { RefusedSegment } from '../journal/status.ts';
import { errorCode } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { sleep } from '../platform/clock.ts';
import type { Platform } from '../platform/platform.ts';
import type { DestinationFacts } from './destination-back.ts';
import type { BackCalls, DestinationGroupOptions } from './group-options.ts';
import type { Wait } from '../platform/waits.ts';
import {
  applyReason,
  GroupWaits,
  receiveReason,
  tidyReason,
  unsentReason,
  workReason,
  type Reason,
  type Subject,
} from './group-waits.ts';
import { Inbox, RESCAN } from './inbox.ts';
import type { InboxPlan, InboxStep } from './inbox-plan.ts';
import { ATTEMPTS_MAX, runMarker } from './marker-runner.ts';
import { countSetAside } from './set-aside.ts';
import { HEARTBEAT, StatusPublisher, type StatusFacts } from './status-publisher.ts';
import { Tidying } from './tidying.ts';

/** Steps in the inbox between two batches of applying: a backlog must not be taken in before any of it is applied. */
const RECEIVE_STEPS = 8;
/** Milliseconds. */
const RETRY = 2000;
/** Free bytes under which the source is asked to stop sending. */
const FREE_MARGIN = 32 * 1024 * 1024;
const REFUSED_MAX = 100;

export interface DestinationReport {
  readonly facts: DestinationFacts;
  readonly inboxSegments: number;
  readonly missing: InboxPlan['missing'];
  readonly setAside: number;
  readonly used: number;
  readonly room: number;
  readonly waits: readonly Wait[];
}

export class DestinationGroup {
  readonly #platform: Pick<Platform, 'clock' | 'files' | 'processes'>;
  readonly #log: Log;
  readonly #back: BackCalls;
  readonly #options: DestinationGroupOptions;
  readonly #inbox: Inbox;
  readonly #publisher: StatusPublisher;
  readonly #tidying: Tidying;
  readonly #stop = new AbortController();
  readonly #waits: GroupWaits;
  #waitsPublished = -1;
  #facts: DestinationFacts;
  #refused: RefusedSegment[] = [];
  #changed = true;
  #awake = false;
  #wakeUp: AbortController | undefined;
  #applyAfter = 0;
  #marker: Promise<void> | undefined;
  #loop: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;

  constructor(
    platform: Pick<Platform, 'clock' | 'files' | 'processes'>,
    log: Log,
    back: BackCalls,
    opened: DestinationFacts,
    options: DestinationGroupOptions,
  ) {
    this.#platform = platform;
    this.#log = log;
    this.#back = back;
    this.#facts = opened;
    this.#tidying = new Tidying(platform.clock, back, (error) => {
      if (error === undefined) this.#waits.set('tidy', undefined);
      else this.#standStill('tidy', tidyReason(error), error);
    });
    this.#waits = new GroupWaits(platform.clock);
    this.#options = options;
    this.#inbox = new Inbox(platform, join(options.folder, INBOX_FOLDER));
    this.#publisher = new StatusPublisher(platform, {
      ...options,
      reserveSequence: (count) => back.reserveSequence(count),
    });
  }

  start(): void {
    this.#unwatch = this.#options.watch(join(this.#options.folder, INBOX_FOLDER), () => this.wake());
    this.#loop = this.#run();
  }

  /** Something may have arrived. */
  wake(): void {
    this.#awake = true;
    this.#inbox.note();
    this.#wakeUp?.abort();
  }

  report(): DestinationReport {
    return {
      facts: this.#facts,
      inboxSegments: this.#inbox.waiting,
      missing: this.#inbox.missing,
      setAside: countSetAside(this.#platform.files, this.#options.folder),
      used: this.#used,
      room: this.#room(),
      waits: this.#waits.list(),
    };
  }

  /** Durable on return; its room comes back in the background. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE` */
  async deleteSnapshot(id: string): Promise<void> {
    this.#facts = await this.#back.deleteSnapshot(id);
    this.#log.info('snapshot deleted', { snapshot: id });
    this.#tidying.note();
    this.wake();
  }

  /** Ends after the step under way, which is durable. A marker program that runs is ended, and told so at the next start. */
  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#stop.abort();
    this.#wakeUp?.abort();
    await this.#marker;
    await this.#loop;
  }

  get #used(): number {
    return this.#inbox.bytes + this.#facts.journalBytes;
  }

  /** A method, because it changes while it is awaited. */
  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #isAwake(): boolean {
    return this.#awake;
  }

  #markerRuns(): boolean {
    return this.#marker !== undefined;
  }

  async #run(): Promise<void> {
    while (!this.#stopped()) {
      this.#awake = false;
      let moved = false;
      try {
        moved = await this.#tryReceive();
        moved = (await this.#apply()) || moved;
        moved = (await this.#tidying.step()) || moved;
        await this.#publish();
        this.#waits.set('work', undefined);
      } catch (error) {
        this.#standStill('work', workReason(error), error);
        await this.#publish().catch(() => undefined);
      }
      if (!moved && !this.#isAwake()) await this.#rest();
    }
    await this.#publish(true).catch(() => undefined);
  }

  async #rest(): Promise<void> {
    this.#wakeUp = new AbortController();
    if (!this.#stopped()) await sleep(this.#platform.clock, Math.min(RESCAN, HEARTBEAT), this.#wakeUp.signal);
    this.#wakeUp = undefined;
  }

  /** What cannot be received must not keep what is received from the volumes. */
  async #tryReceive(): Promise<boolean> {
    try {
      const moved = await this.#receiveSome();
      this.#waits.set('receive', undefined);
      await this.#makeRoom();
      return moved;
    } catch (error) {
      this.#inbox.note();
      this.#standStill('receive', receiveReason(error), error);
      return false;
    }
  }

  /**
   * Full of what waits behind a hole, the destination could never take what fills it. What is furthest behind is given
   * up: it is not received, so the source still has it and sends it again.
   */
  async #makeRoom(): Promise<void> {
    const { received, journalSegments } = this.#facts;
    if (this.#inbox.missing.length === 0 || this.#inbox.step(received) !== undefined) return;
    if (journalSegments > 0 || this.#room() > 0) return;
    for (const { name } of this.#inbox.giveUp()) {
      await this.#back.discard(name);
      this.#log.warn('the buffer is full: a segment that came early is given up until there is room', {
        segment: name,
      });
    }
    this.#look();
  }

  /** A few steps: what is received is to be applied in between. */
  async #receiveSome(): Promise<boolean> {
    let steps = 0;
    for (; steps < RECEIVE_STEPS && !this.#stopped(); steps += 1) {
      if (this.#inbox.isDue(this.#facts.received)) this.#look();
      const step = this.#inbox.step(this.#facts.received);
      if (step === undefined) break;
      await this.#take(step);
      this.#inbox.taken(step);
    }
    return steps > 0;
  }

  async #take(step: InboxStep): Promise<void> {
    const { name, range } = step.entry;
    if (step.kind === 'discard') {
      await this.#back.discard(name);
      return;
    }
    this.#changed = true;
    if (step.kind === 'refuse') {
      await this.#back.refuse(name, `FOREIGN: ${step.reason}`);
      this.#noteRefused(range, step.reason);
      return;
    }
    const result = await this.#back.receive(name);
    if (result.kind === 'refused') {
      this.#noteRefused(range, `${result.code}: ${result.reason}`);
      this.#log.error(`segment refused: ${result.reason}`, { code: result.code, segment: name });
      return;
    }
    this.#facts = result.facts;
    this.#refused = this.#refused.filter((refused) => refused.last > result.facts.received);
  }

  /** Events only tell when to look. */
  #look(): void {
    const { received, state } = this.#facts;
    if (this.#inbox.look({ received, epoch: state.epoch?.number })) this.#changed = true;
    const [hole] = this.#inbox.missing;
    const message = hole && `records ${hole.first} to ${hole.last} have not arrived; what follows them waits`;
    this.#waits.set('hole', message === undefined ? undefined : { code: 'hole', message });
  }

  async #apply(): Promise<boolean> {
    const { clock } = this.#platform;
    if (this.#markerRuns()) return false;
    if (this.#facts.state.pending !== undefined) {
      await this.#reachMarker();
      return !this.#markerRuns();
    }
    if (this.#facts.journalSegments === 0 || clock.monotonic() < this.#applyAfter) return false;
    try {
      this.#facts = await this.#back.applySome();
      this.#changed = true;
      this.#waits.set('apply', undefined);
      return true;
    } catch (error) {
      this.#applyAfter = clock.monotonic() + RETRY;
      // What follows a segment that was found damaged is back in the inbox.
      this.#inbox.note();
      this.#facts = await this.#back.facts();
      this.#standStill('apply', applyReason(error), error);
      return false;
    }
  }

  async #reachMarker(): Promise<void> {
    const pending = await this.#back.startMarker();
    const program = this.#options.markers.find((candidate) => candidate.name === pending?.name);
    if (pending === undefined || program === undefined) {
      this.#log.warn(`no program is configured for marker ${pending?.name ?? ''}: passed over`);
      this.#facts = await this.#back.finishMarker();
      return;
    }
    const { processes } = this.#platform;
    const context = {
      group: this.#options.name,
      volumes: this.#options.paths,
      processes,
      log: this.#log,
      signal: this.#stop.signal,
    };
    const running = runMarker(program, pending, context);
    if (!program.wait) {
      // It may be cut off by a stop and is then not started again: that is what `wait: false` asks for.
      void running;
      this.#facts = await this.#back.finishMarker();
      return;
    }
    this.#waits.set('marker', {
      code: 'marker-running',
      message: `marker ${pending.name}: ${program.run[0]} is running (attempt ${pending.attempt}); the volumes stand still`,
    });
    this.#marker = running.then((failure) => this.#markerEnded(failure, pending.name, pending.attempt));
  }

  async #markerEnded(failure: string | undefined, name: string, attempt: number): Promise<void> {
    this.#waits.set('marker', undefined);
    if (this.#stopped()) return;
    try {
      const message =
        failure && `marker ${name}: its program ${failure} (attempt ${attempt} of ${ATTEMPTS_MAX})`;
      this.#waits.set(
        'marker-failure',
        message === undefined ? undefined : { code: 'marker-failed', message },
      );
      if (failure === undefined || attempt >= ATTEMPTS_MAX) this.#facts = await this.#back.finishMarker();
      else await sleep(this.#platform.clock, RETRY * attempt, this.#stop.signal);
    } catch (error) {
      this.#standStill('work', workReason(error), error);
    }
    this.#marker = undefined;
    this.wake();
  }

  #standStill(subject: Subject, reason: Reason, error: unknown): void {
    if (this.#waits.set(subject, reason)) this.#log.error(reason.message, { code: errorCode(error) });
  }

  #noteRefused(range: SegmentRange, reason: string): void {
    this.#refused = [
      ...this.#refused,
      { ...range, reason: reason.slice(0, 1000), at: this.#platform.clock.now() },
    ];
    this.#refused = this.#refused.slice(-REFUSED_MAX);
    this.#changed = true;
    // What overlapped it may now be a hole.
    this.#inbox.note();
  }

  /** Bytes that may still come. */
  #room(): number {
    const free = this.#platform.files.freeSpace(this.#options.folder) - FREE_MARGIN;
    return Math.max(0, Math.min(free, this.#options.quota - this.#used));
  }

  async #publish(force = false): Promise<void> {
    const { folder, quota } = this.#options;
    const full = this.#room() === 0;
    const message = `there is no room left in ${folder} (quota ${quota} bytes): nothing more is received`;
    this.#waits.set('room', full ? { code: 'disk-full', message } : undefined);
    this.#waits.set('volumes', unsentReason(this.#options.paths.keys(), this.#facts.state.volumes));
    const changed = this.#changed || this.#waits.changes !== this.#waitsPublished;
    if (!force && !changed && !this.#publisher.isDue) return;
    const waits = this.#waits.changes;
    await this.#publisher.publish(this.#status(full));
    this.#changed = false;
    this.#waitsPublished = waits;
  }

  #status(full: boolean): StatusFacts {
    const { state, received, damaged } = this.#facts;
    return {
      groupId: state.groupId,
      epoch: state.epoch,
      received,
      applied: state.applied,
      appliedTime: state.appliedTime,
      missing: this.#inbox.missing,
      refused: [...this.#refused, ...damaged].slice(-REFUSED_MAX),
      full,
      consistent: state.consistent,
      waiting: this.#waits.first(),
    };
  }
}
