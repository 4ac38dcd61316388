/** The runs of a source group, one after the other: each but the first goes on in another folder, under the same hosts' thread. */
import { describeError, errorCode, OperatorError } from '../../platform/errors.ts';
import type { Events } from '../../platform/node/threads.ts';
import { commitMove } from '../buffer/buffer-place.ts';
import type { Stays } from './source-move.ts';
import { SourceRun, type SourceRunOptions } from './source-run.ts';

export class SourceRuns {
  readonly #options: Omit<SourceRunOptions, 'folder'>;
  #present: SourceRun;
  /** About to take over. */
  #next: SourceRun | undefined;
  #folder: string;
  #steady: Promise<unknown> = Promise.resolve();

  constructor(options: Omit<SourceRunOptions, 'folder'>, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#present = new SourceRun({ ...options, folder });
  }

  get present(): SourceRun {
    return this.#present;
  }

  /** The group's; what runs may still be on its way there. */
  get folder(): string {
    return this.#folder;
  }

  /** Resolves when the group can be asked for anything: one that is about to go on in another folder cannot. */
  get steady(): Promise<unknown> {
    return this.#steady;
  }

  /** What the hosts' thread says. */
  get events(): Events {
    return SourceRun.events(() => this.#next ?? this.#present);
  }

  async steadyAfter<R>(act: () => Promise<R>): Promise<R> {
    const steady = Promise.withResolvers<undefined>();
    this.#steady = steady.promise;
    try {
      return await act();
    } finally {
      steady.resolve(undefined);
    }
  }

  /** Hosts wait meanwhile, and stay connected. Why the group goes on where it was, if so; `broken`: it cannot go on at all. */
  async switchTo(to: string, isWanted: () => boolean): Promise<Stays | 'broken' | undefined> {
    const { threads, log, world } = this.#options;
    const since = world.platform.clock.monotonic();
    try {
      await threads.host.hold();
      const stays = await this.#goOnIn(to, isWanted).catch((error: unknown) => this.#broke(error));
      if (stays !== undefined) return stays;
    } catch (error) {
      return { error };
    } finally {
      await threads.host.letGo().catch((error: unknown) => log.debug(describeError(error)));
      this.#next = undefined;
    }
    const hostsHeldMilliseconds = Math.round(world.platform.clock.monotonic() - since);
    log.info('the buffer was moved', { folder: to, hostsHeldMilliseconds });
    return undefined;
  }

  /** All but the hosts' thread stops, in order, and starts again, as in a restart. */
  async #goOnIn(to: string, isWanted: () => boolean): Promise<Stays | undefined> {
    const { threads } = this.#options;
    await this.#present.giveWay();
    const stays = await this.#finishMove(to, isWanted);
    await threads.endBack();
    const run = (this.#next = new SourceRun({ ...this.#options, folder: this.#folder }));
    await threads.host.resume((await run.open()).group);
    await run.begin();
    this.#present = run;
    run.connect();
    run.start();
    return stays;
  }

  async #finishMove(to: string, isWanted: () => boolean): Promise<Stays | undefined> {
    const { threads, world } = this.#options;
    try {
      await threads.back.finishMove();
      if (!isWanted()) return { error: new OperatorError('MOVE_CALLED_OFF', `${to} is not wanted any more`) };
      commitMove(world.platform.files, this.#folder, to);
      this.#folder = to;
      return undefined;
    } catch (error) {
      if (errorCode(error) === 'GROUP_MOVE_UNKNOWN') throw error;
      return { error };
    }
  }

  /** Hosts are refused: nobody would take from the journal what they write. */
  async #broke(error: unknown): Promise<'broken'> {
    const { threads, log, config } = this.#options;
    const message = `group ${config().name} could not go on while its buffer was moved: ${describeError(error)}`;
    this.#present.failed(message);
    const refused = threads.host.refuse({ code: 'EIO', message });
    await refused.catch((failure: unknown) => log.debug(describeError(failure)));
    return 'broken';
  }
}
