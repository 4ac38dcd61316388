/** One client's conversation, without its socket: received bytes in, bytes to send and the end out. */
import { WRITE_HEADROOM, type HostVolume } from './front-end.ts';
import { Handshake } from './handshake.ts';
import type { Outlet } from './replies.ts';
import { Transmission, type BlockedFor } from './transmission.ts';

/** Received and not yet taken; at least one whole small write and a long write's piece fit. Bytes. */
const BUFFER_SIZE = 512 * 1024;

export interface SessionOptions extends Outlet {
  readonly volumes: readonly HostVolume[];
  /** The conversation is over; `reason` when the client broke the protocol. Called once. */
  readonly onEnd: (reason: string | undefined) => void;
  /** What was received waits, for room in the journal or for a host to take its replies, and fills all the memory there is for it: give no more bytes until this was called again with `false`. */
  readonly onFull: (full: boolean) => void;
}

/** What a wait that may outlast its session holds of it. */
interface Wait {
  readonly for: BlockedFor;
  session: { goOn(): void } | undefined;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #buffer = Buffer.allocUnsafe(WRITE_HEADROOM + BUFFER_SIZE);
  readonly #handshake: Handshake;
  #transmission: Transmission | undefined;
  #start = WRITE_HEADROOM;
  #end = WRITE_HEADROOM;
  #wait: Wait | undefined;
  /** The host sends no more; what it sent is still to be done. */
  #left = false;
  /** Nothing more is taken; what waits for a sync may still be answered. */
  #ending = false;
  #over = false;
  /** Received while the buffer was full, at most what one read from the socket gives. */
  #held: Buffer[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#handshake = new Handshake(options.volumes, options.send);
  }

  /** The export in use, undefined before one is chosen. */
  get volume(): HostVolume | undefined {
    return this.#transmission?.volume;
  }

  get repliesPending(): number {
    return this.#transmission?.pending ?? 0;
  }

  receive(bytes: Buffer): void {
    if (this.#held.length > 0) {
      this.#held.push(bytes);
      return;
    }
    for (let done = 0; done < bytes.length && !this.#isOver();) {
      this.#makeRoom();
      const piece = Math.min(bytes.length - done, this.#buffer.length - this.#end);
      if (piece === 0) {
        this.#held.push(bytes.subarray(done));
        this.#options.onFull(true);
        return;
      }
      bytes.copy(this.#buffer, this.#end, done, done + piece);
      this.#end += piece;
      done += piece;
      if (!this.#isBlocked()) this.#process();
    }
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
    const whole = this.#start === this.#end && this.#transmission?.midway !== true;
    this.#finish(whole ? undefined : 'the host was cut off in the middle of a message');
  }

  /** The client is gone, or must go: nothing more is taken or sent. */
  end(): void {
    this.#over = true;
    this.#letGo();
  }

  /** What was waited for may be there. */
  goOn(): void {
    this.#wait = undefined;
    this.#process();
    const held = this.#held.splice(0);
    for (const bytes of held) this.receive(bytes);
    if (this.#isOver()) return;
    if (held.length > 0 && this.#held.length === 0) this.#options.onFull(false);
    if (this.#left) this.hostLeft();
  }

  // Methods, because these change in what is called in between.
  #isOver(): boolean {
    return this.#over || this.#ending;
  }

  #isBlocked(): boolean {
    return this.#wait !== undefined;
  }

  /** Moves what is left to the front, behind the head-room. */
  #makeRoom(): void {
    if (this.#start === WRITE_HEADROOM) return;
    if (this.#start === this.#end) this.#start = this.#end = WRITE_HEADROOM;
    else if (this.#end === this.#buffer.length) {
      this.#buffer.copy(this.#buffer, WRITE_HEADROOM, this.#start, this.#end);
      this.#end -= this.#start - WRITE_HEADROOM;
      this.#start = WRITE_HEADROOM;
    }
  }

  #process(): void {
    while (this.#transmission === undefined && !this.#isOver()) {
      const { used, result } = this.#handshake.take(this.#buffer.subarray(this.#start, this.#end));
      this.#start += used;
      if (result.kind === 'ended') this.#finish(result.reason);
      else if (result.kind === 'agreed') {
        this.#transmission = new Transmission(result.agreement, {
          drained: this.#options.drained,
          failed: this.#options.failed,
          send: (reply) => {
            if (!this.#over) this.#options.send(reply);
          },
          isTaken: this.#options.isTaken,
        });
      } else if (used === 0) return;
    }
    if (this.#transmission === undefined) return;
    const result = this.#transmission.take(this.#buffer, this.#start, this.#end);
    if (result.kind === 'ended') {
      this.#finish(result.reason);
      return;
    }
    this.#start += result.used;
    if (result.kind !== 'blocked') return;
    const wait = (this.#wait = { for: result.for, session: this });
    const goOn = resume(wait);
    // A wait that fails is over too: the next attempt says why.
    void result.until.then(goOn, goOn);
  }

  /** The volume may keep its promise of room for hours: it must not keep what has ended in memory for that. */
  #letGo(): void {
    this.#held = [];
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
