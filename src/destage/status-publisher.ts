/** Writes the status file, the source's only view of a destination. */
import { join } from 'node:path';
import { STATUS_FILE, STATUS_FOLDER } from '../journal/names.ts';
import type { DestinationStatus } from '../journal/status.ts';
import { replaceFile } from '../platform/atomic-file.ts';
import type { Platform } from '../platform/platform.ts';
import { Reserve } from '../platform/reserve.ts';

/** Milliseconds: the status file is never older, whatever happens or does not. */
export const HEARTBEAT = 2000;
/** Numbers that are reserved at once: each reservation is a durable write. Half of them are hours of heartbeats. */
const SEQUENCE_STEP = 10_000;

export interface StatusPublisherOptions {
  /** The group's. */
  readonly folder: string;
  readonly encodeStatus: (status: DestinationStatus) => Buffer;
  /** Numbers from the result on, `count` of them, are nobody else's, ever. */
  readonly reserveSequence: (count: number) => Promise<number>;
}

/** All but the number. */
export type StatusFacts = Omit<DestinationStatus, 'version' | 'role' | 'sequence' | 'writtenAt'>;

export class StatusPublisher {
  readonly #platform: Pick<Platform, 'clock' | 'files'>;
  readonly #options: StatusPublisherOptions;
  readonly #path: string;
  /** I8: a source that does not hear of a full disk goes on sending. */
  readonly #reserve: Reserve;
  #sequence = 0;
  #sequenceEnd = 0;
  #publishedAt = Number.NEGATIVE_INFINITY;

  constructor(platform: Pick<Platform, 'clock' | 'files'>, options: StatusPublisherOptions) {
    this.#platform = platform;
    this.#options = options;
    const folder = join(options.folder, STATUS_FOLDER);
    platform.files.makeDirectory(folder);
    this.#path = join(folder, STATUS_FILE);
    this.#reserve = new Reserve(platform.files, join(options.folder, 'destination-status.reserve'));
  }

  get isDue(): boolean {
    return this.#platform.clock.monotonic() - this.#publishedAt >= HEARTBEAT;
  }

  /** So many numbers are at hand that none need be asked for while the other half of the destination does not answer. */
  async prepare(): Promise<void> {
    if (this.#sequenceEnd - this.#sequence > SEQUENCE_STEP / 2) return;
    const first = await this.#options.reserveSequence(SEQUENCE_STEP);
    this.#sequence = first;
    this.#sequenceEnd = first + SEQUENCE_STEP;
  }

  /** False when no number is at hand. */
  publish(facts: StatusFacts): boolean {
    if (this.#sequence === this.#sequenceEnd) return false;
    const { clock, files } = this.#platform;
    this.#sequence += 1;
    const content = this.#options.encodeStatus({
      version: 3,
      role: 'destination',
      sequence: this.#sequence,
      writtenAt: Math.round(clock.now()),
      ...facts,
    });
    // The file server may run as another user.
    this.#reserve.spend(() => replaceFile(files, this.#path, content, { group: true }));
    this.#publishedAt = clock.monotonic();
    return true;
  }
}
