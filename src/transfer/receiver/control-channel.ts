import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../../platform/clock.ts';
import { plainAddress } from './addresses.ts';
import { LineBuffer } from './command.ts';
import { CONTROL_BUFFER_MAX } from './limits.ts';
import { formatReply, type Reply } from './reply.ts';
import { secure } from './secure.ts';

/** A control connection: lines in, replies out, upgraded to TLS on demand. Never throws; `gone` tells that it ended. */
export class ControlChannel {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly #gone = new AbortController();
  readonly #lines = new LineBuffer();
  #socket: Socket;
  #secure: TLSSocket | undefined;
  #wake: () => void = () => undefined;
  #onAbort: () => void = () => undefined;

  constructor(socket: Socket) {
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.localAddress = plainAddress(socket.localAddress);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    this.#socket = socket;
    this.#attach(socket);
  }

  /** Aborted once the client is gone or `destroy` was called. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** `TLSv1.3`, `TLSv1.2`, or undefined while it is plain. */
  get tlsVersion(): string | undefined {
    return this.#secure?.getProtocol() ?? undefined;
  }

  /** Whether an ABOR has arrived behind the command that is carried out now. */
  get abortWaits(): boolean {
    return this.#lines.holdsAbort();
  }

  /** Called for an ABOR that arrives while another command is carried out; the command itself comes with `nextLine`. */
  set onAbort(then: () => void) {
    this.#onAbort = then;
  }

  /** Undefined when the client is gone: commands that it left behind are not carried out. */
  async nextLine(): Promise<Buffer | 'too-long' | undefined> {
    for (;;) {
      if (this.gone.aborted) return undefined;
      const line = this.#lines.take();
      if (line !== undefined) return line;
      this.#socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves when the operating system has it; a client that does not read holds it up. */
  send(what: Reply): Promise<void> {
    return new Promise((resolve) => {
      if (this.gone.aborted) resolve();
      else this.#socket.write(formatReply(what), () => resolve());
    });
  }

  /**
   * Sends the reply in plain and goes on in TLS. Whatever the client sent behind its request is dropped: it would
   * otherwise count as said under TLS although anyone on the way may have put it there (CVE-2011-0411).
   */
  async upgrade(what: Reply, context: SecureContext, clock: Clock): Promise<boolean> {
    const plain = this.#socket;
    plain.off('data', this.#onData);
    plain.pause();
    this.#lines.clear();
    await this.send(what);
    if (this.gone.aborted) return false;
    this.#secure = await secure(plain, context, clock);
    if (this.#secure === undefined) {
      this.destroy();
      return false;
    }
    this.#attach(this.#secure);
    return true;
  }

  destroy(): void {
    this.#socket.destroy();
    this.#left();
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('end', this.#left);
    socket.on('close', this.#left);
    socket.on('data', this.#onData);
    if (socket.destroyed) this.#left();
  }

  readonly #left = (): void => {
    this.#gone.abort();
    this.#wake();
  };

  readonly #onData = (chunk: Buffer): void => {
    this.#lines.push(chunk);
    if (this.#lines.length > CONTROL_BUFFER_MAX) this.#socket.pause();
    if (this.abortWaits) this.#onAbort();
    this.#wake();
  };
}
