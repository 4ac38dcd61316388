/** The NBD server without sockets: real sessions, and a line to each host that splits and delays what is said on it. */
import type { HostVolume } from '../../../src/nbd/front-end.ts';
import { Received } from '../../../src/nbd/received.ts';
import { Session } from '../../../src/nbd/session.ts';
import type { HostServer } from '../../../src/daemon/source/source-host.ts';
import type { Program } from '../platform/program.ts';
import type { Thread } from '../platform/threads.ts';

/** Milliseconds that a stop waits for replies under way. */
const CLOSE_TIME_LIMIT = 5000;

/** What the host at the other end hears. */
export interface Peer {
  received(bytes: Buffer): void;
  hungUp(): void;
}

export class FrontEnd implements HostServer {
  readonly #thread: Thread;
  readonly #volumes: readonly HostVolume[];
  readonly #lines = new Set<Line>();
  #listening = false;
  onListening: () => void = () => undefined;

  constructor(thread: Thread, volumes: readonly HostVolume[]) {
    this.#thread = thread;
    this.#volumes = volumes;
  }

  get accepts(): boolean {
    return this.#listening && this.#thread.alive;
  }

  listen(): Promise<void> {
    this.#listening = true;
    this.onListening();
    return Promise.resolve();
  }

  connections(): number {
    return this.#lines.size;
  }

  async close(): Promise<void> {
    this.#listening = false;
    for (const line of this.#lines) line.pause();
    const { clock } = this.#thread.platform;
    const limit = clock.monotonic() + CLOSE_TIME_LIMIT;
    while ([...this.#lines].some((line) => line.busy) && clock.monotonic() < limit) {
      await new Promise<void>((resolve) => clock.after(10, resolve));
    }
    for (const line of [...this.#lines]) line.end();
  }

  connect(peer: Peer): Line {
    const line = new Line(this.#thread, this.#volumes, peer, () => this.#lines.delete(line));
    this.#lines.add(line);
    return line;
  }
}

/** One connection. */
export class Line {
  readonly #thread: Thread;
  readonly #received = new Received();
  readonly #session: Session;
  readonly #peer: Peer;
  readonly #onGone: () => void;
  /** Sent by the host and not yet read. */
  #waiting: Buffer[] = [];
  #full = false;
  #paused = false;
  #open = true;
  #arrives = 0;
  #leaves = 0;

  constructor(thread: Thread, volumes: readonly HostVolume[], peer: Peer, onGone: () => void) {
    this.#thread = thread;
    this.#peer = peer;
    this.#onGone = onGone;
    this.#session = new Session({
      volumes,
      received: this.#received,
      send: (bytes) => this.#reply(Buffer.from(bytes)),
      unsent: () => 0,
      isAlone: () => this.#thread.program.dice.chance(0.3),
      drained: () => undefined,
      onEnd: () => this.end(),
      failed: () => undefined,
      onFull: (full) => {
        this.#full = full;
        if (!full) this.#pump();
      },
    });
  }

  get busy(): boolean {
    return this.#session.repliesPending > 0;
  }

  pause(): void {
    this.#paused = true;
  }

  /** By the host. In pieces, as a network does it. */
  send(bytes: Buffer): void {
    const { dice } = this.#thread.program;
    let at = 0;
    do {
      const piece = dice.chance(0.8) ? bytes.length - at : Math.min(bytes.length - at, 1 + dice.below(3000));
      const part = bytes.subarray(at, at + piece);
      at += piece;
      this.#arrives = this.#inOrder(this.#arrives, () => {
        this.#waiting.push(part);
        this.#pump();
      });
    } while (at < bytes.length);
  }

  /** By the host: nothing more comes, replies that are under way are lost. */
  hangUp(): void {
    this.#arrives = this.#inOrder(this.#arrives, () => {
      if (!this.#open) return;
      this.#session.hostLeft();
      this.#close();
    });
  }

  /** By the server. The host hears it though the thread ends: its system says so. */
  end(): void {
    if (!this.#open) return;
    this.#close();
    const { program } = this.#thread;
    this.#leaves = this.#inOrder(this.#leaves, () => this.#peer.hungUp(), program);
  }

  #close(): void {
    this.#open = false;
    this.#session.end();
    this.#onGone();
  }

  #pump(): void {
    while (this.#open && !this.#full && !this.#paused) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) return;
      const count = bytes.copy(this.#received.inbox);
      if (count < bytes.length) this.#waiting.unshift(bytes.subarray(count));
      this.#session.arrived(count);
    }
  }

  #reply(bytes: Buffer): void {
    this.#leaves = this.#inOrder(this.#leaves, () => this.#peer.received(bytes));
  }

  #inOrder(last: number, then: () => void, on: Thread | Program = this.#thread): number {
    const { program } = this.#thread;
    const { now } = program.machine.loop;
    const at = Math.max(last, now + program.dice.fraction());
    on.after(at - now, then);
    return at;
  }
}
