/**
 * Has a source's seed written to drives, a step at a time beside sealing and destaging; says how far it is, and when the next
 * drive is wanted.
 */
import { SEED_DRIVE_FULL, type SeedExportRequest, type SeedExportStatus } from '../../api/contract/seed.ts';
import type { SeedPlace, SeedState } from '../../capture/seed-state.ts';
import { formatSize, parseSize } from '../../config/units.ts';
import { SEED_FILE_SIZE_MAX, SEED_FILE_SIZE_MIN } from '../../journal/seed/seed-file.ts';
import { sleep, type Clock } from '../../platform/clock.ts';
import { describeError, errorCode, OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Random } from '../../platform/random.ts';
import type { Waits } from '../../platform/waits.ts';
import { Rate } from '../../transfer/rate.ts';
import type { OpenedBack, SeedProgress } from '../source-back/source-back-facts.ts';
import type { SourceBack } from '../source-back/source-back.ts';
import type { SourceMode } from './source-mode.ts';

/** What every FAT file system takes. */
const FILE_SIZE_DEFAULT = 2 * 1024 ** 3 - 1;
/** Milliseconds until it is tried again, while what was taken is not all in the volumes. */
const NOT_YET = 50;

export interface SeedingOptions {
  readonly clock: Clock;
  readonly files: Files;
  readonly random: Random;
  readonly log: Log;
  readonly waits: Waits;
  readonly back: Pick<Remote<SourceBack>, 'stepSeed' | 'markAll'>;
  readonly mode: Pick<SourceMode, 'beginSeed' | 'seeded' | 'seed' | 'bringOver'>;
  /** In the group's order. */
  readonly volumes: readonly { readonly size: number }[];
}

type Problem = NonNullable<SeedExportStatus['problem']>;

const RESTARTED: Problem = {
  code: 'SEED_STOPPED',
  message: 'blockferry was restarted: say in which folder it goes on',
};

export class Seeding {
  readonly #options: SeedingOptions;
  readonly #rate = new Rate();
  #folder: string | undefined;
  #place: SeedPlace | undefined;
  #problem: Problem | undefined;
  #running = false;
  #loop: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(options: SeedingOptions) {
    this.#options = options;
    const { seed } = options.mode;
    if (seed !== undefined && !seed.complete) this.#halt(RESTARTED);
  }

  /** Undefined where none is under way or was completed last. */
  status(): SeedExportStatus | undefined {
    const { seed } = this.#options.mode;
    if (seed === undefined) return undefined;
    const totalBytes = this.#bytesAt({ volume: this.#options.volumes.length, offset: 0 });
    const doneBytes = seed.complete ? totalBytes : this.#bytesAt(this.#place ?? seed.place);
    const rate = this.#rate.perSecond(this.#options.clock.monotonic());
    const pace = rate === 0 ? { rate } : { rate, timeLeftSeconds: (totalBytes - doneBytes) / rate };
    return {
      id: seed.seed,
      state: this.#stateOf(seed),
      ...(this.#folder === undefined ? {} : { folder: this.#folder }),
      ...{ files: seed.files, bytes: seed.bytes, doneBytes, totalBytes },
      ...(this.#folder === undefined ? {} : pace),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  /**
   * Goes on with the seed under way, in this folder; where there is none, with a new one, in place of what was to go over the
   * link. @throws OperatorError `SEED_FOLDER`, `SEED_FILE_SIZE`; the file system's errors
   */
  async export({ folder, fileSize }: SeedExportRequest): Promise<SeedExportStatus> {
    const { files, mode, random, log } = this.#options;
    if (files.stat(folder)?.kind !== 'directory') {
      throw new OperatorError('SEED_FOLDER', `${folder} is not a folder`, {
        remedy: 'mount the drive, and name a folder on it',
      });
    }
    if (mode.seed === undefined || mode.seed.complete) {
      const size = fileSize === undefined ? FILE_SIZE_DEFAULT : sizeFrom(fileSize);
      await mode.beginSeed(random.bytes(16).toString('hex'), size);
    }
    log.info('the seed is written', { folder });
    this.#folder = folder;
    this.#problem = undefined;
    for (const code of ['seed-drive', 'seed-failed'] as const) this.#options.waits.clear(code);
    if (!this.#running) this.#loop = this.#run();
    const status = this.status();
    if (status === undefined) throw new OperatorError('SEED_CANCELLED', 'the seed was cancelled meanwhile');
    return status;
  }

  /** Everything goes over the link instead; durable on return. @throws OperatorError `SEED_NONE`; the file system's errors */
  async cancel(): Promise<void> {
    if (this.#options.mode.seed === undefined) {
      throw new OperatorError('SEED_NONE', 'there is no seed', { remedy: 'there is nothing to cancel' });
    }
    const { mode, back } = this.#options;
    await mode.bringOver(() => back.markAll(false));
    this.#forget();
  }

  /** The mode dropped the seed. */
  #forget(): void {
    this.#folder = undefined;
    this.#place = undefined;
    this.#problem = undefined;
    for (const code of ['seed-drive', 'seed-failed'] as const) this.#options.waits.clear(code);
  }

  /** After the step under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  #stateOf(seed: SeedState): SeedExportStatus['state'] {
    if (seed.complete) return 'complete';
    if (this.#folder === undefined) return 'stopped';
    return seed.begun === undefined ? 'beginning' : 'exporting';
  }

  async #run(): Promise<void> {
    const { back, clock } = this.#options;
    this.#running = true;
    for (let folder = this.#next(); folder !== undefined; folder = this.#next()) {
      try {
        const progress = await back.stepSeed(folder);
        this.#note(progress);
        // Another folder may have been named meanwhile.
        if (progress.step === 'drive-full' && this.#folder === folder) this.#full(folder);
        if (progress.step === 'not-yet') await sleep(clock, NOT_YET, this.#stop.signal);
      } catch (error) {
        if (this.#folder !== folder || this.#next() === undefined) continue;
        this.#halt({
          code: errorCode(error),
          message: `the seed cannot be written to ${folder}: ${describeError(error)}`,
        });
      }
    }
    this.#running = false;
  }

  /** The folder of the next step. */
  #next(): string | undefined {
    const { seed } = this.#options.mode;
    if (seed === undefined) this.#forget();
    return this.#stop.signal.aborted || seed?.complete === true ? undefined : this.#folder;
  }

  #note({ step, seed, place, marked }: SeedProgress): void {
    const { clock, log, mode } = this.#options;
    // One that was dropped while the answer was on its way stays so.
    if (seed === undefined || seed.seed !== mode.seed?.seed) return;
    const before = this.#bytesAt(this.#place ?? seed.place);
    this.#place = place;
    const moved = this.#bytesAt(place ?? seed.place) - before;
    if (moved > 0) this.#rate.add(clock.monotonic(), moved);
    const wasComplete = mode.seed.complete;
    mode.seeded(seed, marked);
    if (step !== 'complete' || wasComplete) return;
    log.info('the seed is complete: all of it is on drives', { files: seed.files, bytes: seed.bytes });
    this.#folder = undefined;
  }

  #full(folder: string): void {
    const message = `the drive at ${folder} is full: bring the next one, and say blockferry seed export with its folder`;
    this.#halt({ code: SEED_DRIVE_FULL, message });
  }

  #halt(problem: Problem): void {
    this.#folder = undefined;
    this.#place = undefined;
    this.#problem = problem;
    const { code, message } = problem;
    const wait = code === SEED_DRIVE_FULL || problem === RESTARTED ? 'seed-drive' : 'seed-failed';
    this.#options.waits.raise(wait, message);
    this.#options.log.warn(message, { code });
  }

  #bytesAt({ volume, offset }: SeedPlace): number {
    return this.#options.volumes.slice(0, volume).reduce((sum, { size }) => sum + size, offset);
  }
}

/** A group that replicates on an interval rests on no seed: what one was to bring, of an earlier configuration, goes over the link. */
export async function openWithoutSeed(
  back: Pick<Remote<SourceBack>, 'open' | 'markAll'>,
): Promise<OpenedBack> {
  const opened = await back.open();
  if (opened.seed === undefined) return opened;
  return { ...opened, ...(await back.markAll(false)) };
}

/** @throws OperatorError `SEED_INTERVAL` */
export function seedingOf(seeding: Seeding | undefined, group: string): Seeding {
  if (seeding !== undefined) return seeding;
  throw new OperatorError('SEED_INTERVAL', `group ${group} replicates on an interval: it takes no seed`, {
    remedy:
      'have it replicate every write, restart it, and set the interval again once it is in mode journal',
  });
}

function sizeFrom(text: string): number {
  const parsed = parseSize(text);
  if ('value' in parsed && parsed.value >= SEED_FILE_SIZE_MIN && parsed.value <= SEED_FILE_SIZE_MAX)
    return parsed.value;
  throw new OperatorError('SEED_FILE_SIZE', `seed files of ${JSON.stringify(text)} are not made`, {
    remedy: `say a size from ${formatSize(SEED_FILE_SIZE_MIN)} to ${formatSize(SEED_FILE_SIZE_MAX)}, such as 8 GiB`,
  });
}

/** Nothing where there is none. */
export function seedOf(seeding: Seeding | undefined): { seed?: SeedExportStatus } {
  const seed = seeding?.status();
  return seed === undefined ? {} : { seed };
}
