import { createServer, type Server, type Socket } from 'node:net';
import { randomInt } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import { plainAddress } from './addresses.ts';

/** The receiver's passive ports; each belongs to at most one session at a time. */
export class PassivePorts {
  readonly #first: number;
  readonly #count: number;
  readonly #taken = new Set<number>();

  constructor(range: { readonly first: number; readonly last: number }) {
    this.#first = range.first;
    this.#count = range.last - range.first + 1;
  }

  /** Listens for one connection from `remote`, or undefined when every port is taken. */
  async open(
    local: string,
    remote: string,
    onStranger: (address: string) => void,
  ): Promise<PassiveListener | undefined> {
    // From a random port on, so that the next one cannot be guessed and connected to before its client does.
    const start = randomInt(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const port = this.#first + ((start + i) % this.#count);
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      const server = await listen(local, port);
      const free = (): void => void this.#taken.delete(port);
      if (server !== undefined) return new PassiveListener(server, port, { remote, onStranger, free });
      free();
    }
    return undefined;
  }
}

function listen(host: string, port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host, port, backlog: 4 }, () => resolve(server));
  });
}

interface PassiveUse {
  /** The only address that may connect. */
  readonly remote: string;
  readonly onStranger: (address: string) => void;
  readonly free: () => void;
}

/** One port, open until its one connection has arrived or `close`. */
export class PassiveListener {
  readonly port: number;
  readonly #server: Server;
  readonly #use: PassiveUse;
  #socket: Socket | undefined;
  #listening = true;
  #wake: () => void = () => undefined;

  constructor(server: Server, port: number, use: PassiveUse) {
    this.#server = server;
    this.port = port;
    this.#use = use;
    server.on('error', () => undefined);
    server.on('connection', (socket) => this.#arrived(socket));
  }

  /** The connection, which is the caller's from here on; undefined when none comes in time. The port is free then. */
  async take(clock: Clock, timeLimit: number, signal: AbortSignal): Promise<Socket | undefined> {
    if (this.#socket === undefined && this.#listening && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(timeLimit, resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    return this.close();
  }

  /** Frees the port and gives away a connection that nobody has taken. */
  close(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#stopListening();
    this.#wake();
    return socket;
  }

  #stopListening(): void {
    if (!this.#listening) return;
    this.#listening = false;
    this.#server.close();
    this.#use.free();
  }

  #arrived(socket: Socket): void {
    socket.on('error', () => undefined);
    const address = plainAddress(socket.remoteAddress);
    if (address !== this.#use.remote || !this.#listening) {
      socket.destroy();
      if (address !== this.#use.remote) this.#use.onStranger(address);
      return;
    }
    this.#socket = socket;
    this.#stopListening();
    this.#wake();
  }
}
