/** The two threads of a source group: its hosts', and the one that seals and destages behind it. */
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Events, Remote, RemoteThread } from '../platform/node/threads.ts';
import { logFromThread } from './running-group.ts';
import type { SourceThreadOptions } from './build-threads.ts';
import type { SourceHost, SourceHostOptions } from './source-host.ts';
import type { SourceWorker } from './source-worker.ts';
import type { World } from './world.ts';

type HostStatus = Awaited<ReturnType<SourceHost['status']>>;

/** Milliseconds. */
const ANSWER_LIMIT = 5000;

export class SourceThreads {
  readonly #world: World;
  readonly #log: Log;
  /** A thread ended without being asked to. */
  readonly #onEnded: (error: Error) => void;
  #asked: Promise<HostStatus | undefined> | undefined;
  #back: RemoteThread<SourceWorker> | undefined;
  #host: RemoteThread<SourceHost> | undefined;

  constructor(world: World, log: Log, onEnded: (error: Error) => void) {
    this.#world = world;
    this.#log = log;
    this.#onEnded = onEnded;
  }

  get back(): Remote<SourceWorker> | undefined {
    return this.#back?.call;
  }

  get host(): Remote<SourceHost> | undefined {
    return this.#host?.call;
  }

  startBack(options: SourceThreadOptions): Remote<SourceWorker> {
    this.#back = this.#world.threads.sourceBack(options, { log: logFromThread(this.#log) }, this.#onEnded);
    return this.#back.call;
  }

  startHost(options: SourceHostOptions, events: Events): Remote<SourceHost> {
    const all = { ...events, log: logFromThread(this.#log) };
    this.#host = this.#world.threads.sourceHost(options, all, this.#onEnded);
    return this.#host.call;
  }

  /**
   * Undefined before there is a host's thread, and after it has ended: a status is given all the same. So it is when the
   * thread does not answer, as while a disk hangs: `stalled`.
   */
  async hostStatus(): Promise<HostStatus | 'stalled' | undefined> {
    const late = Promise.withResolvers<'stalled'>();
    const timer = this.#world.platform.clock.after(ANSWER_LIMIT, () => late.resolve('stalled'));
    // One that has not been answered is not asked again beside it.
    this.#asked ??= this.#ask().finally(() => (this.#asked = undefined));
    const answer = await Promise.race([this.#asked, late.promise]);
    timer.cancel();
    return answer;
  }

  async #ask(): Promise<HostStatus | undefined> {
    try {
      return await this.#host?.call.status();
    } catch (error) {
      this.#log.debug(describeError(error));
      return undefined;
    }
  }

  /** Whatever state they are in. */
  async end(): Promise<void> {
    for (const close of [() => this.#host?.call.stop(), () => this.#back?.call.close()]) {
      // A thread that has ended by itself has been reported.
      await close()?.catch((error: unknown) => this.#log.debug(describeError(error)));
    }
    await this.#host?.terminate();
    await this.#back?.terminate();
  }
}
