/** The two threads of a source group: its hosts', and the one that seals and destages behind it. */
import { describeError, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Events, Remote, RemoteThread } from '../../platform/node/threads.ts';
import { logFromThread } from '../running-group.ts';
import type { SourceThreadOptions } from '../build-threads.ts';
import type { SourceHost, SourceHostOptions } from './source-host.ts';
import type { SourceWorker } from '../source-back/source-worker.ts';
import type { World } from '../world.ts';

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

  startBack(options: SourceThreadOptions): Remote<SourceWorker> {
    this.#back = this.#world.threads.sourceBack(options, { log: logFromThread(this.#log) }, this.#onEnded);
    return this.#back.call;
  }

  get back(): Remote<SourceWorker> {
    if (this.#back === undefined) throw isStarting();
    return this.#back.call;
  }

  startHost(options: SourceHostOptions, events: Events): void {
    const all = { ...events, log: logFromThread(this.#log) };
    this.#host = this.#world.threads.sourceHost(options, all, this.#onEnded);
  }

  get host(): Remote<SourceHost> {
    if (this.#host === undefined) throw isStarting();
    return this.#host.call;
  }

  /** The hosts' thread for one who may be succeeded by another: nothing that is said after `cutOff` reaches it. */
  lendHost(): { readonly host: Remote<SourceHost>; readonly cutOff: () => void } {
    const { host } = this;
    let isCut = false;
    const lent = new Proxy(host, {
      get(target, name, receiver): unknown {
        if (!isCut) return Reflect.get(target, name, receiver);
        return () => Promise.reject(new OperatorError('THREAD_ENDED', 'another has taken over'));
      },
    });
    return { host: lent, cutOff: () => (isCut = true) };
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
    await this.#end(() => this.#host?.call.stop());
    await this.#end(() => this.#back?.call.close());
    await this.#host?.terminate();
    await this.#back?.terminate();
  }

  /** The one that seals and destages, whatever state it is in. */
  async endBack(): Promise<void> {
    await this.#end(() => this.#back?.call.close());
    await this.#back?.terminate();
  }

  /** A thread that has ended by itself has been reported. */
  async #end(close: () => Promise<void> | undefined): Promise<void> {
    await close()?.catch((error: unknown) => this.#log.debug(describeError(error)));
  }
}

function isStarting(): OperatorError {
  return new OperatorError('GROUP_STARTING', 'the group is starting');
}
