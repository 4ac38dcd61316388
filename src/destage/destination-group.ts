/**
 * The deciding half of a destination, on the main thread: notices what arrives, has it received and applied by turns, sees
 * to the markers' programs, and tells the source in the status file.
 */
import { join } from 'node:path';
import { INBOX_FOLDER } from '../journal/names.ts';
import type { DestinationStatus } from '../journal/status.ts';
import { sleep } from '../platform/clock.ts';
import { errorCode } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import type { Wait } from '../platform/waits.ts';
import { handoverOf, hasToApply, type DestinationFacts } from './destination-facts.ts';
import type { BackCalls, DestinationGroupOptions } from './group-options.ts';
import {
  applyReason,
  crowdReason,
  differsReason,
  GroupWaits,
  holeReason,
  receiveReason,
  refusalReason,
  seedJobReason,
  seedReason,
  tidyReason,
  unreadableReason,
  unsentReason,
  workReason,
  type Reason,
  type Subject,
} from './group-waits.ts';
import { Inbox, RESCAN } from './inbox.ts';
import type { InboxPlan } from './inbox-plan.ts';
import { Intake, REFUSED_MAX } from './intake.ts';
import { MarkerPrograms } from './marker-programs.ts';
import { countSetAside } from './set-aside.ts';
import { settle, type Settled } from './settle.ts';
import { isHeldUp } from './state-file.ts';
import { statusOf } from './status-of.ts';
import { HEARTBEAT, StatusPublisher, type StatusFacts } from './status-publisher.ts';
import { Tidying } from './tidying.ts';

/** Milliseconds. */
const RETRY = 2000;
/** Milliseconds after which a step that has not ended is called stalled. */
const STALLED = 30_000;
/** Free bytes under which the source is asked to stop sending. */
const FREE_MARGIN = 32 * 1024 * 1024;
/** Free bytes under which what is kept to go back into is given up. */
const FREE_WITH_WINDOW = 128 * 1024 * 1024;

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
  readonly #intake: Intake;
  readonly #markers: MarkerPrograms;
  readonly #publisher: StatusPublisher;
  readonly #tidying: Tidying;
  readonly #waits: GroupWaits;
  readonly #stop = new AbortController();
  #facts: DestinationFacts;
  /** Of what the source is told: counts up with every change, and what it was when the source was told last. */
  #changes = 0;
  #told = '';
  #awake = false;
  #settling = false;
  #wakeUp: AbortController | undefined;
  #applyAfter = 0;
  /** What is under way, and since when. */
  #step = { doing: 'starting', since: 0 };
  #loops: Promise<unknown> | undefined;
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
    this.#options = options;
    const waits = new GroupWaits(platform.clock);
    this.#waits = waits;
    this.#inbox = new Inbox(platform, join(options.folder, INBOX_FOLDER));
    this.#intake = new Intake(this.#inbox, {
      back,
      log,
      clock: platform.clock,
      facts: () => this.#facts,
      onFacts: (facts) => this.#setFacts(facts),
      onStep: (doing) => this.#begin(doing),
      isStopped: () => this.#stopped() && !this.#settling,
    });
    const onFacts = (facts: DestinationFacts): void => {
      this.#setFacts(facts);
      this.wake();
    };
    this.#markers = new MarkerPrograms(platform, log, back, { ...options, waits, onFacts });
    this.#tidying = new Tidying(platform.clock, back, (error) => {
      if (error === undefined) waits.set('tidy', undefined);
      else this.#standStill('tidy', tidyReason(error), error);
    });
    const reserveSequence = (count: number): Promise<number> => back.reserveSequence(count);
    this.#publisher = new StatusPublisher(platform, { ...options, reserveSequence });
  }

  start(): void {
    this.#unwatch = this.#options.watch(join(this.#options.folder, INBOX_FOLDER), () => this.wake());
    this.#begin('starting');
    this.#loops = Promise.all([this.#run(), this.#beat()]);
  }

  /** Something may have arrived. */
  wake(): void {
    this.#awake = true;
    this.#inbox.note();
    this.#wakeUp?.abort();
  }

  /** Nothing is looked at on the disk. */
  get facts(): DestinationFacts {
    return this.#facts;
  }

  report(): DestinationReport {
    return {
      facts: this.#facts,
      inboxSegments: this.#inbox.waiting,
      missing: this.#inbox.missing,
      setAside: countSetAside(this.#platform.files, this.#options.folder),
      used: this.#used(),
      room: this.#room(),
      waits: this.#waits.list(),
    };
  }

  /** The names of the segments that are on their way out of the inbox. */
  get taking(): readonly string[] {
    return this.#intake.taking;
  }

  /** At what is applied; durable on return. @throws OperatorError `GROUP_NOT_CONSISTENT`, `VOLUMES_AHEAD`, `SNAPSHOT_LIMIT` */
  async createSnapshot(called: { readonly id: string; readonly name: string }): Promise<void> {
    this.#setFacts(await this.#back.createSnapshot(called));
  }

  /** Durable on return; its room comes back in the background. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE` */
  async deleteSnapshot(id: string): Promise<void> {
    this.#setFacts(await this.#back.deleteSnapshot(id));
    this.#log.info('snapshot deleted', { snapshot: id });
    this.#tidying.note();
    this.wake();
  }

  /** What the folder has of a seed is imported from now on. @throws OperatorError as `DestinationBack.importSeed` */
  async importSeed(folder: string): Promise<void> {
    this.#setFacts(await this.#back.importSeed(folder));
    this.wake();
  }

  /** The volumes go on without the seed. @throws OperatorError `SEED_NOT_AWAITED` */
  async giveUpSeed(): Promise<void> {
    this.#setFacts(await this.#back.giveUpSeed());
    this.#log.warn('the seed was given up: the volumes are of no use before another full copy');
    this.wake();
  }

  /**
   * Stops, and then applies all that arrived without a hole. @throws as `settle` in settle.ts
   */
  async settle(): Promise<Settled> {
    await this.stop();
    this.#settling = true;
    return settle(this.#back, this.#intake, {
      facts: () => this.#facts,
      onFacts: (facts) => this.#setFacts(facts),
    });
  }

  /** Ends after the step under way, which is durable. Marker programs that run are ended, and started again next time. */
  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#stop.abort();
    this.#wakeUp?.abort();
    await this.#markers.stop();
    await this.#loops;
  }

  #used = (): number => this.#inbox.bytes + this.#facts.journalBytes;
  /** Methods, because they change while they are awaited. */
  #stopped = (): boolean => this.#stop.signal.aborted;
  #isAwake = (): boolean => this.#awake;

  #setFacts(facts: DestinationFacts): void {
    // The window takes its own snapshots away by itself.
    if (facts.snapshots < this.#facts.snapshots) this.#tidying.note();
    this.#facts = facts;
    this.#changes += 1;
  }

  #begin(doing: string): void {
    this.#step = { doing, since: this.#platform.clock.monotonic() };
  }

  async #run(): Promise<void> {
    // The source hears that this side is there before the first step, which may be long.
    await this.#publish().catch((error: unknown) => this.#standStill('work', workReason(error), error));
    while (!this.#stopped()) {
      this.#awake = false;
      let moved = false;
      try {
        await this.#giveUpRetained();
        moved = await this.#receive();
        moved = (await this.#apply()) || moved;
        moved = (await this.#importSome()) || moved;
        this.#begin('removing what deleted snapshots left');
        moved = (await this.#tidying.step()) || moved;
        await this.#publish();
        const handover = handoverOf(this.#facts);
        if (handover !== undefined && !this.#stopped()) this.#options.onHandover(handover);
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
    this.#begin('resting');
    this.#wakeUp = new AbortController();
    if (!this.#stopped()) await sleep(this.#platform.clock, RESCAN, this.#wakeUp.signal);
    this.#wakeUp = undefined;
  }

  /** The other half may stand in a call that does not end, as when a disk hangs: the source hears of it all the same. */
  async #beat(): Promise<void> {
    const { clock } = this.#platform;
    while (!this.#stopped()) {
      await sleep(clock, HEARTBEAT, this.#stop.signal);
      const { doing, since } = this.#step;
      const isStalled = clock.monotonic() - since >= STALLED;
      const message = `${doing} has taken more than ${STALLED / 1000} seconds: see whether the disks of the group's folder and volumes answer`;
      this.#waits.set('stall', isStalled ? { code: 'destination-stalled', message } : undefined);
      try {
        if (!this.#stopped()) this.#tell();
      } catch (error) {
        this.#standStill('work', workReason(error), error);
      }
    }
  }

  /** I8: before anything stops being received. */
  async #giveUpRetained(): Promise<void> {
    const { window } = this.#facts;
    if (window.segments === 0) return;
    const wanted = FREE_WITH_WINDOW - this.#platform.files.freeSpace(this.#options.folder);
    if (wanted <= 0) return;
    this.#setFacts(await this.#back.giveUpRetained(wanted));
    const left = this.#facts.window.bytes;
    if (left < window.bytes)
      this.#log.warn(
        `the disk is full: ${window.bytes - left} bytes of the window of points in time are given up`,
      );
  }

  /** What cannot be received must not keep what is received from the volumes. */
  async #receive(): Promise<boolean> {
    this.#begin('looking into the inbox');
    try {
      const moved = await this.#intake.takeSome();
      this.#waits.set('receive', undefined);
      await this.#intake.makeRoom(() => this.#room() > 0);
      this.#waits.set('refusal', refusalReason(this.#refused(), this.#facts.received));
      this.#waits.set('hole', holeReason(this.#intake.missing));
      this.#waits.set('crowd', crowdReason(this.#intake.crowd));
      return moved;
    } catch (error) {
      this.#inbox.note();
      this.#standStill('receive', receiveReason(error), error);
      return false;
    }
  }

  async #apply(): Promise<boolean> {
    const { clock } = this.#platform;
    this.#begin(`applying what follows record ${this.#facts.state.applied}`);
    this.#markers.attend(this.#facts.state);
    const { state } = this.#facts;
    if (isHeldUp(state) || !hasToApply(this.#facts)) return false;
    if (clock.monotonic() < this.#applyAfter) return false;
    try {
      this.#setFacts(await this.#back.applySome());
      this.#waits.set('apply', undefined);
      return true;
    } catch (error) {
      this.#applyAfter = clock.monotonic() + RETRY;
      // What follows a segment that was found damaged is back in the inbox.
      this.#inbox.note();
      this.#setFacts(await this.#back.facts());
      this.#standStill('apply', applyReason(error), error);
      return false;
    }
  }

  async #importSome(): Promise<boolean> {
    const isOrdered = ['waiting', 'reading'].includes(this.#facts.seedJob?.state ?? '');
    if (isOrdered && this.#facts.state.seed !== undefined) {
      this.#begin('importing a seed');
      this.#setFacts(await this.#back.stepSeed());
    }
    const { state, seed, seedJob } = this.#facts;
    this.#waits.set('seed', seedReason(state.seed, seed));
    this.#waits.set('seed-import', seedJobReason(seedJob));
    return isOrdered && state.seed !== undefined;
  }

  #standStill(subject: Subject, reason: Reason, error: unknown): void {
    if (this.#waits.set(subject, reason)) this.#log.debug(reason.message, { code: errorCode(error) });
  }

  /**
   * Bytes that may still come. Where nothing lies here but what has arrived in part, its rest alone makes room again: it is
   * no reason to refuse that.
   */
  #room(): number {
    const stuck = this.#inbox.waiting === 0 && this.#facts.journalSegments === 0 ? this.#inbox.arriving : 0;
    const free = this.#platform.files.freeSpace(this.#options.folder) - FREE_MARGIN;
    return Math.max(0, Math.min(free, this.#options.quota() - this.#used()) + stuck);
  }

  async #publish(force = false): Promise<void> {
    this.#begin('reserving status numbers');
    await this.#publisher.prepare();
    this.#tell(force);
  }

  #tell(force = false): void {
    const { folder, quota, paths } = this.#options;
    const full = this.#room() === 0;
    const message = `there is no room left in ${folder} (quota ${quota()} bytes): nothing more is received`;
    this.#waits.set('room', full ? { code: 'disk-full', message } : undefined);
    const { verification, volumes } = this.#facts.state;
    this.#waits.set('differs', differsReason(verification, volumes));
    this.#waits.set('unreadable', unreadableReason(this.#facts.unreadable));
    this.#waits.set('volumes', unsentReason(paths.keys(), this.#facts.state.volumes));
    const news = [this.#changes, this.#intake.changes, this.#waits.changes].join();
    if (!force && news === this.#told && !this.#publisher.isDue) return;
    if (this.#publisher.publish(this.#status(full))) this.#told = news;
  }

  #refused(): DestinationStatus['refused'] {
    return [...this.#intake.refused, ...this.#facts.damaged].slice(-REFUSED_MAX);
  }

  #status(full: boolean): StatusFacts {
    return statusOf(this.#facts, this.#options.resync, {
      missing: this.#intake.missing,
      refused: this.#refused(),
      full,
      waiting: this.#waits.first(),
    });
  }
}
