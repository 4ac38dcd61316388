/** One client's conversation, without its socket: received bytes in, bytes to send and the end out. */
import type { HostVolume } from './front-end.ts';
import { Handshake } from './handshake.ts';
import type { Received } from './received.ts';
import type { Outlet } from './replies.ts';
import { Transmission, type BlockedFor } from './transmission.ts';

export interface SessionOptions extends Outlet {
  readonly volumes: readonly HostVolume[];
  /** Its own; what arrives is put into its inbox. */
  readonly received: Received;
  /** The conversation is over; `reason` when the client broke the protocol. Called once. */
  readonly onEnd: (reason: string | undefined) => void;
  /** What was received waits, for room in the journal or for a host to take its replies, and fills all the memory there is for it: put nothing into the inbox until this was called again with `false`. */
  readonly onFull: (full: boolean) => void;
}

/** What a wait that may outlast its session holds of it. */
interface Wait {
  readonly for: BlockedFor;
  session: { goOn(): void } | undefined;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #received: Received;
  readonly #handshake: Handshake;
  #transmission: Transmission | undefined;
  #full = false;
  #wait: Wait | undefined;
  /** The host sends no more; what it sent is still to be done. */
  #left = false;
  /** Nothing more is taken; what waits for a sync may still be answered. */
  #ending = false;
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#received = options.received;
    this.#handshake = new Handshake(options.volumes, options.send);
  }

  /** The export in use, undefined before one is chosen. */
  get volume(): HostVolume | undefined {
    return this.#transmission?.volume;
  }

  get repliesPending(): number {
    return this.#transmission?.pending ?? 0;
  }

  /** So many bytes were put into the inbox. Not while it is full. */
  arrived(count: number): void {
    if (this.#isOver()) return;
    this.#received.add(count);
    if (!this.#isBlocked()) this.#process();
    this.#makeRoom();
  }

  /**
   * The host sends no more. It is told apart whether it left between two messages or was cut off within one. Whether it
   * still takes replies is not known: those that depend on it alone or on a sync are made, but nothing waits for room on
   * its behalf any longer.
   */
  hostLeft(): void {
    if (this.#wait?.for === 'room') {
      this.#finish('the host left while requests of its waited for room in the journal; they are not done');
      return;
    }
    this.#left = true;
    if (this.#isBlocked()) return;
    const { start, end } = this.#received;
    const whole = start === end && this.#transmission?.midway !== true;
    this.#finish(whole ? undefined : 'the host was cut off in the middle of a message');
  }

  /** The client is gone, or must go: nothing more is taken or sent. */
  end(): void {
    this.#over = true;
    this.#letGo();
    this.#transmission?.abandon();
  }

  /** What was waited for may be there. */
  goOn(): void {
    this.#wait = undefined;
    this.#process();
    this.#makeRoom();
    if (this.#left && !this.#isOver()) this.hostLeft();
  }

  // Methods, because these change in what is called in between.
  #isOver(): boolean {
    return this.#over || this.#ending;
  }

  #isBlocked(): boolean {
    return this.#wait !== undefined;
  }

  #makeRoom(): void {
    if (this.#isOver()) return;
    const full = !this.#received.makeRoom();
    if (full === this.#full) return;
    this.#full = full;
    this.#options.onFull(full);
  }

  #process(): void {
    const received = this.#received;
    const { bytes } = received;
    while (this.#transmission === undefined && !this.#isOver()) {
      const { used, result } = this.#handshake.take(bytes.subarray(received.start, received.end));
      received.take(used);
      if (result.kind === 'ended') this.#finish(result.reason);
      else if (result.kind === 'agreed') {
        this.#transmission = new Transmission(result.agreement, {
          drained: this.#options.drained,
          failed: this.#options.failed,
          send: (reply) => {
            if (!this.#over) this.#options.send(reply);
          },
          unsent: this.#options.unsent,
          isAlone: this.#options.isAlone,
        });
      } else if (used === 0) return;
    }
    if (this.#transmission === undefined) return;
    const result = this.#transmission.take(bytes, received.start, received.end);
    if (result.kind === 'ended') {
      this.#finish(result.reason);
      return;
    }
    received.take(result.used);
    if (result.kind !== 'blocked') return;
    const wait = (this.#wait = { for: result.for, session: this });
    const goOn = resume(wait);
    // A wait that fails is over too: the next attempt says why.
    void result.until.then(goOn, goOn);
  }

  /** The volume may keep its promise of room for hours: it must not keep what has ended in memory for that. */
  #letGo(): void {
    if (this.#wait !== undefined) this.#wait.session = undefined;
  }

  #finish(reason: string | undefined): void {
    if (this.#isOver()) return;
    this.#ending = true;
    this.#letGo();
    const end = (): void => {
      if (this.#over) return;
      this.#over = true;
      this.#options.onEnd(reason);
    };
    if (this.repliesPending === 0) end();
    else void this.#transmission?.settled().then(end);
  }
}

/** Apart from the session, so that it holds nothing but the wait. */
function resume(wait: Wait): () => void {
  return () => wait.session?.goOn();
}
