import { join } from 'node:path';
import { STATUS_SIZE_MAX, type DestinationStatus } from '../journal/status.ts';
import { decodeStatus, encodeStatus } from '../journal/status-codec.ts';
import { readSmallFile, replaceFile } from '../platform/atomic-file.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Platform } from '../platform/platform.ts';

/** Milliseconds between two notes on the disk. */
const INTERVAL = 1000;

/** The newest status that a link has seen, across restarts: an older one is a replay (I12). */
export class LinkMemory {
  readonly #platform: Pick<Platform, 'clock' | 'files' | 'random'>;
  readonly #folder: string;
  readonly #path: string;
  #last: DestinationStatus | undefined;
  #notedAt = Number.NEGATIVE_INFINITY;

  /** @throws OperatorError `LINK_MEMORY_DAMAGED` */
  constructor(platform: Pick<Platform, 'clock' | 'files' | 'random'>, groupFolder: string, name: string) {
    this.#platform = platform;
    this.#folder = join(groupFolder, 'links');
    this.#path = join(this.#folder, `${name}.json`);
    try {
      const bytes = readSmallFile(platform.files, this.#path, STATUS_SIZE_MAX);
      const last = bytes === undefined ? undefined : decodeStatus(bytes, undefined, name);
      this.#last = last?.role === 'destination' ? last : undefined;
    } catch (error) {
      throw damaged(this.#path, name, error);
    }
  }

  get last(): DestinationStatus | undefined {
    return this.#last;
  }

  remember(status: DestinationStatus): void {
    this.#last = status;
    if (this.#platform.clock.monotonic() - this.#notedAt >= INTERVAL) this.flush();
  }

  flush(): void {
    const { files, clock, random } = this.#platform;
    if (this.#last === undefined) return;
    files.makeDirectory(this.#folder);
    replaceFile(files, this.#path, encodeStatus(this.#last, undefined, '', random));
    this.#notedAt = clock.monotonic();
  }
}

/** The file is this side's own: what is said of a status file that a destination wrote would send its reader elsewhere. */
function damaged(path: string, name: string, cause: unknown): unknown {
  const isOurs = cause instanceof RangeError || cause instanceof OperatorError;
  if (!isOurs) return cause;
  const why = cause.message.replace("the destination's status file", 'it');
  return new OperatorError(
    'LINK_MEMORY_DAMAGED',
    `${path}, in which this source notes what destination ${name} said last, cannot be used: ${why}`,
    {
      remedy:
        'check the disk, move the file away and start again: the destination says it anew, and no data is lost; until it does, nothing tells a status file that somebody put back from the newest',
      cause,
    },
  );
}
