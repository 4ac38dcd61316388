/**
 * Makes a source's volume larger while hosts use it. Step by step, each durable before the next, so that a crash leaves
 * either the old volume or a resize that the next start goes on with (`growing` in the group's file):
 *
 * 1. That it is begun is noted. 2. The volume's file has its new size, and zeros in what is new. 3. The change map has room for
 * it. 4. The journal says so, at one record. 5. The group's file does. 6. Only then hosts see it: what they write there is
 * never taken for what a resize is to zero.
 */
import type { ResizeAnswer, ResizeRequest } from '../../api/contract/volumes.ts';
import { sleep, type Clock } from '../../platform/clock.ts';
import { describeError, OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { SourceBack } from '../source-back/source-back.ts';
import type { SourceHost } from './source-host.ts';
import type { SourceIdentity } from './source-identity.ts';
import type { PlacedVolume } from './source-volumes.ts';

const SECTOR = 512;
/** Milliseconds. */
const RETRY = 2000;

export interface VolumeResizeOptions {
  readonly clock: Clock;
  readonly files: Files;
  readonly log: Log;
  readonly back: Pick<Remote<SourceBack>, 'extend' | 'clear' | 'grow'>;
  readonly host: Pick<Remote<SourceHost>, 'grow' | 'offer'>;
  readonly identity: Pick<SourceIdentity, 'volumes' | 'noteGrowing' | 'noteSize'>;
}

export class VolumeResize {
  readonly #options: VolumeResizeOptions;
  readonly #stop = new AbortController();
  #isBusy = false;

  constructor(options: VolumeResizeOptions) {
    this.#options = options;
  }

  /**
   * With `dryRun` only says what would be done.
   * @throws OperatorError `VOLUME_NOT_FOUND`, `VOLUME_OFFLINE`, `RESIZE_IMPOSSIBLE`, `RESIZE_UNDER_WAY`, and what the disks say
   */
  async resize(name: string, { size, dryRun }: ResizeRequest): Promise<ResizeAnswer> {
    if (this.#isBusy) throw underWay();
    const volume = this.#options.identity.volumes.find((candidate) => candidate.name === name);
    if (volume === undefined) throw notFound(name, this.#options.identity.volumes);
    const answer = planResize(this.#options.files, volume, size);
    if (dryRun || answer.size === volume.size) return answer;
    this.#isBusy = true;
    try {
      await this.#grow(volume, answer.size);
    } finally {
      this.#isBusy = false;
    }
    this.#options.log.info(`volume ${name} was resized`, { from: volume.size, to: answer.size });
    return answer;
  }

  /** What is under way goes on at the next start. */
  stop(): void {
    this.#stop.abort();
  }

  /** Of a volume that was begun to be resized before the last stop: its file as it must be before the journal says so. */
  async prepare({ index, size }: PlacedVolume, from: number): Promise<void> {
    const { back } = this.#options;
    const held = await back.extend(index, size);
    for (let at = from; at < held;) at = await back.clear(index, at, held);
  }

  async #grow(volume: PlacedVolume, size: number): Promise<void> {
    const { back, host, identity } = this.#options;
    const { index, size: from } = volume;
    identity.noteGrowing({ index, size });
    try {
      await this.prepare({ ...volume, size }, from);
    } catch (error) {
      // The journal says nothing of it: it is as if it had not been begun.
      identity.noteGrowing(undefined);
      throw error;
    }
    await back.grow(index, size);
    await host.grow(index, from, size);
    await this.#noteSize(volume, size);
    await host.offer(index, size);
  }

  /** The journal has it: there is no way back, and copies go up to what hosts see. */
  async #noteSize({ index, name }: PlacedVolume, size: number): Promise<void> {
    const { clock, identity, log } = this.#options;
    for (;;) {
      try {
        identity.noteSize(index, size);
        return;
      } catch (error) {
        if (this.#stop.signal.aborted) throw error;
        log.warn(`the resize of volume ${name} goes on as soon as it can be noted: ${describeError(error)}`);
        await sleep(clock, RETRY, this.#stop.signal);
      }
    }
  }
}

/** What a resize comes to; `wanted` undefined: what is there already. @throws OperatorError `VOLUME_OFFLINE`, `RESIZE_IMPOSSIBLE` */
function planResize(files: Files, volume: PlacedVolume, wanted: number | undefined): ResizeAnswer {
  const { name, path, size: from } = volume;
  const stat = files.stat(path);
  if (stat === undefined) {
    throw new OperatorError('VOLUME_OFFLINE', `volume ${name} (${path}) is not there`, {
      remedy: 'make it available again, then resize it',
      retryable: true,
    });
  }
  const kind = stat.kind === 'block-device' ? 'block device' : 'image file';
  const size = wanted ?? stat.size;
  const has = `the ${kind} of volume ${name} (${path}) has ${stat.size} bytes`;
  if (size % SECTOR !== 0)
    throw impossible(`${size} bytes are not whole sectors`, `say a multiple of ${SECTOR}`);
  if (size < from) {
    throw impossible(`volume ${name} has ${from} bytes, and a volume never shrinks`, 'say a larger size');
  }
  if (kind === 'block device' && size > stat.size)
    throw impossible(`${has}, not ${size}`, 'make the device larger first, then resize the volume');
  if (size < stat.size) throw impossible(`${has} already`, 'leave the size out, to take up all of it');
  if (wanted === undefined && size === from)
    throw impossible(`${has}, as the volume has`, 'say how large it is to be; make a device larger first');
  return { volume: name, path, kind, from, size };
}

function impossible(message: string, remedy: string): OperatorError {
  return new OperatorError('RESIZE_IMPOSSIBLE', message, { remedy });
}

function underWay(): OperatorError {
  return new OperatorError('RESIZE_UNDER_WAY', 'a volume of the group is being resized', {
    remedy: 'wait until that is done, then say it again',
    retryable: true,
  });
}

function notFound(name: string, volumes: readonly PlacedVolume[]): OperatorError {
  return new OperatorError('VOLUME_NOT_FOUND', `the group has no volume ${name}`, {
    remedy: `its volumes are: ${volumes.map((volume) => volume.name).join(', ')}`,
  });
}
