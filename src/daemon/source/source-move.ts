/**
 * Moves a source group's folder to the one that the configuration names, while hosts go on: replication files are copied in
 * the background, then hosts are held for a moment in which the rest is copied and the group goes on in the new folder.
 * What stands in the way is told, and it is tried again; until the move is done the group works where it was.
 */
import { sleep } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Platform } from '../../platform/platform.ts';
import { Waits } from '../../platform/waits.ts';
import { bytesText } from '../../platform/words.ts';
import {
  announceMove,
  beginMove,
  findGroup,
  forgetMove,
  forgetOld,
  isLeftBehind,
} from '../buffer/buffer-place.ts';
import type { CopyProgress } from '../buffer/folder-copy.ts';
import type { SourceWorker } from '../source-back/source-worker.ts';

/** Milliseconds until a move that failed is tried again. */
const RETRY = 60_000;

/** Why a group is where it was. */
export interface Stays {
  readonly error: unknown;
}

export interface MovingSource {
  readonly name: string;
  /** The folder that is the group's: in which it works, or is about to. */
  readonly folder: () => string;
  readonly back: () => Remote<SourceWorker>;
  /** @throws OperatorError `GROUP_LOCKED` */
  lock(folder: string): void;
  unlock(folder: string): void;
  /** Whether it can move now. @throws OperatorError why not */
  check(): void;
  /**
   * Goes on in the other folder, if it is still wanted in the end: all but what changes meanwhile has been copied. False: it
   * cannot go on at all, which has been told. @throws why it goes on where it was
   */
  switchTo(folder: string, isWanted: () => boolean): Promise<boolean>;
}

export class SourceMove {
  readonly waits: Waits;
  readonly #platform: Pick<Platform, 'clock' | 'files'>;
  readonly #log: Log;
  readonly #source: MovingSource;
  #wanted: string;
  #loop: Promise<void> | undefined;
  /** Ends a pause. */
  #wake = new AbortController();
  #stopped = false;

  constructor(platform: Pick<Platform, 'clock' | 'files'>, log: Log, source: MovingSource, wanted: string) {
    this.waits = new Waits(platform.clock);
    this.#platform = platform;
    this.#log = log;
    this.#source = source;
    this.#wanted = wanted;
  }

  /** The group is to be in this folder. @throws OperatorError as `announceMove`; nothing has changed then */
  announce(folder: string): void {
    const { name } = this.#source;
    const live = this.#source.folder();
    if (folder !== live && folder !== this.#wanted) announceMove(this.#platform.files, name, live, folder);
  }

  /** From now on; it was announced. */
  want(folder: string): void {
    this.#wanted = folder;
    this.start();
  }

  start(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
    this.#loop ??= this.#run();
  }

  /** What is copied is of no use to the next start; a group that is about to go on elsewhere does so first. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#clearLeft();
      const to = this.#wanted;
      if (this.#stopped || to === this.#source.folder()) break;
      try {
        if (!(await this.#move(to))) break;
        this.waits.clear('buffer-move-failed');
      } catch (error) {
        if (!this.#isWanted(to)) continue;
        const folder = this.#source.folder();
        const why = `the buffer stays in ${folder}, and cannot be moved to ${to} now: ${describeError(error)}`;
        if (this.waits.raise('buffer-move-failed', why)) this.#log.warn(why);
        await sleep(this.#platform.clock, RETRY, this.#wake.signal);
      }
    }
    this.waits.clear('buffer-move-failed');
    this.#loop = undefined;
  }

  /** False: it cannot go on. @throws why it goes on where it was */
  async #move(to: string): Promise<boolean> {
    const source = this.#source;
    const { name } = source;
    const live = source.folder();
    const { files } = this.#platform;
    source.check();
    source.lock(to);
    let stays = true;
    try {
      announceMove(files, name, live, to);
      beginMove(files, live, to);
      if (!(await this.#copy(to))) return true;
      const goesOn = await source.switchTo(to, () => this.#wanted === to);
      stays = false;
      if (goesOn) source.unlock(live);
      return goesOn;
    } finally {
      this.waits.clear('buffer-moving');
      if (stays) await this.#empty(to);
    }
  }

  /** False: it is not wanted any more. */
  async #copy(to: string): Promise<boolean> {
    const { clock } = this.#platform;
    const back = this.#source.back();
    while (await back.clearFolder(to));
    await back.beginMove(to);
    const begun = clock.monotonic();
    for (let isDone = false; !isDone;) {
      if (!this.#isWanted(to)) return false;
      const before = clock.monotonic();
      const progress = await back.stepMove();
      const now = clock.monotonic();
      this.#tell(to, progress, now - begun);
      ({ isDone } = progress);
      // Half of the time is for what hosts do.
      await sleep(clock, Math.max(1, now - before), this.#wake.signal);
    }
    return this.#isWanted(to);
  }

  #isWanted(to: string): boolean {
    return !this.#stopped && this.#wanted === to;
  }

  /** `took`: milliseconds so far. */
  #tell(to: string, { copied, total }: CopyProgress, took: number): void {
    const text = `the buffer is being moved to ${to}: ${bytesText(copied)} of ${bytesText(total)} copied`;
    const left = copied === 0 ? undefined : ((total - copied) * took) / copied;
    const endsAt =
      left === undefined ? undefined : Math.round((this.#platform.clock.now() + left) / 1000) * 1000;
    this.waits.raise('buffer-moving', text, endsAt);
  }

  /** What was copied there is removed; what cannot be is before the next copy, or with the next start. */
  async #empty(to: string): Promise<void> {
    const [live, back] = [this.#source.folder(), this.#source.back()];
    const { files } = this.#platform;
    try {
      if (this.#stopped || !isLeftBehind(files, to, live)) return;
      while (await back.clearFolder(to));
      if (this.#wanted !== to) forgetMove(files, live, to);
    } catch (error) {
      this.#log.warn(`${to} cannot be emptied: ${describeError(error)}`);
    } finally {
      this.#source.unlock(to);
    }
  }

  /** Of earlier moves, done or called off. */
  async #clearLeft(): Promise<void> {
    const { name } = this.#source;
    const [live, back] = [this.#source.folder(), this.#source.back()];
    const { files } = this.#platform;
    try {
      for (const folder of findGroup(files, name, live).left) {
        if (this.#stopped) return;
        if (folder === this.#wanted || !isLeftBehind(files, folder, live)) continue;
        while (await back.clearFolder(folder));
        // Announced meanwhile, it has a note that must stay: a start may find it before the move begins.
        if (folder === this.#wanted) continue;
        forgetMove(files, live, folder);
        forgetOld(files, folder, live);
      }
    } catch (error) {
      this.#log.warn(
        `what is left of the group in another folder cannot be removed: ${describeError(error)}`,
      );
    }
  }
}
