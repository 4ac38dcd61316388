/** One client's conversation, without its socket: received bytes in, bytes to send and the end out. */
import { WRITE_HEADROOM, type HostVolume } from '../front-end.ts';
import { Handshake } from './handshake.ts';
import type { Outlet } from './replies.ts';
import { Transmission } from './transmission.ts';

/** Received and not yet taken; at least one whole small write and a long write's piece fit. Bytes. */
const BUFFER_SIZE = 512 * 1024;

export interface SessionOptions extends Outlet {
  readonly volumes: readonly HostVolume[];
  /** The conversation is over; `reason` when the client broke the protocol. Called once. */
  readonly onEnd: (reason: string | undefined) => void;
  /** Blocked on the volume, or on a host that does not take its replies, until this was called again with `false`: give no more bytes meanwhile. */
  readonly onBlocked: (blocked: boolean) => void;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #buffer = Buffer.allocUnsafe(WRITE_HEADROOM + BUFFER_SIZE);
  readonly #handshake: Handshake;
  #transmission: Transmission | undefined;
  #start = WRITE_HEADROOM;
  #end = WRITE_HEADROOM;
  #blocked = false;
  /** Nothing more is taken; what waits for a sync may still be answered. */
  #ending = false;
  #over = false;
  /** Received while blocked, at most what one read from the socket gives. */
  #held: Buffer[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#handshake = new Handshake(options.volumes, options.send);
  }

  /** The export in use, undefined before one is chosen. */
  get transmitting(): boolean {
    return this.#transmission !== undefined;
  }

  get repliesPending(): number {
    return this.#transmission?.pending ?? 0;
  }

  receive(bytes: Buffer): void {
    if (this.#isOver()) return;
    if (this.#blocked) {
      this.#held.push(bytes);
      return;
    }
    for (let done = 0; done < bytes.length && !this.#isOver();) {
      this.#makeRoom();
      const piece = Math.min(bytes.length - done, this.#buffer.length - this.#end);
      bytes.copy(this.#buffer, this.#end, done, done + piece);
      this.#end += piece;
      done += piece;
      this.#process();
      if (this.#isBlocked()) {
        if (done < bytes.length) this.#held.push(bytes.subarray(done));
        return;
      }
    }
  }

  /** The host sends no more. It is told apart whether it left between two messages or was cut off within one. */
  hostLeft(): void {
    const whole = this.#start === this.#end && this.#transmission?.midway !== true;
    this.#finish(whole ? undefined : 'the host was cut off in the middle of a message');
  }

  /** The client is gone, or must go: nothing more is taken or sent. */
  end(): void {
    this.#over = true;
    this.#held = [];
  }

  // Methods, because these change in what is called in between.
  #isOver(): boolean {
    return this.#over || this.#ending;
  }

  #isBlocked(): boolean {
    return this.#blocked;
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
    if (result.kind === 'blocked') this.#block(result.until);
  }

  #block(until: Promise<void>): void {
    this.#blocked = true;
    this.#options.onBlocked(true);
    const goOn = (): void => {
      this.#blocked = false;
      if (this.#isOver()) return;
      this.#process();
      const held = this.#held.splice(0);
      for (const bytes of held) this.receive(bytes);
      if (!this.#isBlocked()) this.#options.onBlocked(false);
    };
    // A wait that fails is over too: the next attempt says why.
    void until.then(goOn, goOn);
  }

  #finish(reason: string | undefined): void {
    if (this.#isOver()) return;
    this.#ending = true;
    this.#held = [];
    const end = (): void => {
      if (this.#over) return;
      this.#over = true;
      this.#options.onEnd(reason);
    };
    if (this.repliesPending === 0) end();
    else void this.#transmission?.settled().then(end);
  }
}
