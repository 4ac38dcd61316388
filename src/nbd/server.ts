/** The NBD server's sockets. What is said on them is `session.ts`'s business. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Clock } from '../platform/clock.ts';
import { describeError, OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { hostSocket, type HostSocket } from '../platform/node/host-socket.ts';
import { listenOnLocalSocket } from '../platform/node/local-socket.ts';
import type { HostVolume } from './front-end.ts';
import { FailureLog } from './failure-log.ts';
import { Received } from './received.ts';
import { Session } from './session.ts';

/** Milliseconds in which a client must have chosen an export. */
const HANDSHAKE_TIME_LIMIT = 30_000;
/**
 * Replies that a client has not taken, bytes: above this no more of its requests are read. Two chunks of READ replies: there is
 * memory for one more then that is used again. More than what a stream takes before it tells when it is drained (64 KiB).
 */
const UNSENT_MAX = 512 * 1024;
/** Milliseconds of silence after which TCP asks whether the host is still there. */
const KEEP_ALIVE_AFTER = 60_000;
/** Milliseconds that a stop waits for replies under way. */
const CLOSE_TIME_LIMIT = 5_000;

export type NbdAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface NbdServerOptions {
  /** Looked at for every client: what is put into it or taken out is offered, or not, to those that come then. */
  readonly volumes: readonly HostVolume[];
  readonly log: Log;
  readonly clock: Clock;
  readonly connectionsMax: number;
}

/** A host is alone when so many arrivals in a row, of all servers in this thread, were its own. */
const ALONE_AFTER = 8;

/** Whose bytes came last, in this thread, and how often in a row. */
const arrivals: { from: Session | undefined; inARow: number } = { from: undefined, inARow: 0 };

function arrivedFrom(session: Session): void {
  arrivals.inARow = arrivals.from === session ? arrivals.inARow + 1 : 0;
  arrivals.from = session;
}

interface Connection {
  readonly socket: Socket;
  readonly session: Session;
}

export class NbdServer {
  readonly #options: NbdServerOptions;
  readonly #listening: { readonly server: Server; readonly release: () => void }[] = [];
  readonly #connections = new Set<Connection>();
  readonly #failures: FailureLog;
  #closing = false;

  constructor(options: NbdServerOptions) {
    this.#options = options;
    this.#failures = new FailureLog(options.log, options.clock);
  }

  connections(): number {
    return this.#connections.size;
  }

  /** Of those that use this volume. */
  connectionsOf(volume: HostVolume): number {
    return this.#using(volume).length;
  }

  /** Drops them, whatever they wait for: the volume is asked for nothing more on their behalf. */
  hangUp(volume: HostVolume): void {
    for (const { socket, session } of this.#using(volume)) {
      session.end();
      socket.destroy();
    }
  }

  /** May be called for several addresses. Returns the address with its actual port. @throws OperatorError `NBD_ADDRESS` */
  async listen(address: NbdAddress): Promise<NbdAddress> {
    const options = {
      noDelay: true,
      pauseOnConnect: true,
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER,
    };
    const server = createServer(options, (accepted) => this.#accept(accepted));
    const release = await this.#open(server, address);
    // Such as no file descriptor left for a connection: those there are go on.
    server.on('error', (error) => this.#options.log.warn(`NBD connection not accepted: ${error.message}`));
    this.#listening.push({ server, release });
    return address.kind === 'tcp' ? { ...address, port: (server.address() as AddressInfo).port } : address;
  }

  /**
   * Takes nobody new, answers what was received, and hangs up. What waits for room in the journal is dropped: its host
   * was never told that it is done.
   */
  async close(): Promise<void> {
    this.#closing = true;
    const closed = [
      ...this.#listening.map(({ server }) => new Promise((resolve) => server.close(resolve))),
      ...[...this.#connections].map(({ socket }) => new Promise((resolve) => socket.once('close', resolve))),
    ];
    for (const { socket } of this.#connections) socket.pause();
    const limit = this.#options.clock.monotonic() + CLOSE_TIME_LIMIT;
    while (this.#busy() && this.#options.clock.monotonic() < limit) {
      await new Promise<void>((resolve) => this.#options.clock.after(10, resolve));
    }
    for (const { socket, session } of this.#connections) {
      session.end();
      socket.destroySoon();
    }
    await Promise.race([
      Promise.all(closed),
      new Promise<void>((resolve) => this.#options.clock.after(CLOSE_TIME_LIMIT, resolve)),
    ]);
    for (const { socket } of this.#connections) socket.destroy();
    for (const { release } of this.#listening.splice(0)) release();
  }

  #using(volume: HostVolume): Connection[] {
    return [...this.#connections].filter(({ session }) => session.volume === volume);
  }

  /** Returns what frees the address once the server is closed. */
  async #open(server: Server, address: NbdAddress): Promise<() => void> {
    try {
      if (address.kind === 'socket') return await listenOnSocket(server, address.path);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host: address.host, port: address.port }, () => {
          server.off('error', reject);
          resolve();
        });
      });
      return () => undefined;
    } catch (error) {
      throw error instanceof OperatorError ? error : cannotListen(address, error);
    }
  }

  #busy(): boolean {
    return [...this.#connections].some(
      ({ session, socket }) => session.repliesPending > 0 || socket.writableLength > 0,
    );
  }

  #accept(accepted: Socket): void {
    const { log, connectionsMax, clock } = this.#options;
    const peer =
      accepted.remoteAddress === undefined
        ? 'a local client'
        : `${accepted.remoteAddress}:${accepted.remotePort ?? 0}`;
    if (this.#connections.size >= connectionsMax) {
      log.warn(`NBD connection from ${peer} refused: there are ${connectionsMax} already`);
      accepted.destroy();
      return;
    }
    const received = new Received();
    const line = hostSocket(accepted, {
      inbox: received.inbox,
      onArrived: (count) => {
        arrivedFrom(session);
        session.arrived(count);
      },
    });
    const { socket } = line;
    const session = this.#converse(line, received, peer);
    const connection = { socket, session };
    this.#connections.add(connection);
    const timer = clock.after(HANDSHAKE_TIME_LIMIT, () => {
      if (session.volume !== undefined) return;
      log.warn(`NBD connection from ${peer} ended: no export was chosen in ${HANDSHAKE_TIME_LIMIT / 1000} s`);
      session.end();
      socket.destroy();
    });
    socket.on('end', () => session.hostLeft());
    socket.on('error', (error) => log.debug(`NBD connection from ${peer}: ${error.message}`));
    socket.on('close', () => {
      timer.cancel();
      session.hostLeft();
      session.end();
      if (arrivals.from === session) arrivals.from = undefined;
      this.#connections.delete(connection);
    });
  }

  #converse({ socket, send }: HostSocket, received: Received, peer: string): Session {
    let unsent: PromiseWithResolvers<undefined> | undefined;
    const taken = (): void => {
      unsent?.resolve(undefined);
      unsent = undefined;
    };
    socket.on('drain', taken);
    socket.on('close', taken);
    const session: Session = new Session({
      volumes: this.#options.volumes,
      received,
      send,
      unsent: () => socket.writableLength,
      isAlone: () => arrivals.from === session && arrivals.inARow >= ALONE_AFTER,
      drained: () => {
        if (socket.writableLength <= UNSENT_MAX) return undefined;
        unsent ??= Promise.withResolvers<undefined>();
        return unsent.promise;
      },
      failed: (volume, error) => this.#failures.failed(volume, error),
      onEnd: (reason) => {
        if (reason !== undefined) this.#options.log.warn(`NBD connection from ${peer} ended: ${reason}`);
        socket.destroySoon();
        // A host that does not take its last replies keeps no place.
        const timer = this.#options.clock.after(CLOSE_TIME_LIMIT, () => socket.destroy());
        socket.on('close', () => timer.cancel());
      },
      onFull: (full) => {
        if (full) socket.pause();
        else if (!this.#closing) socket.resume();
      },
    });
    return session;
  }
}

/** @throws OperatorError `NBD_ADDRESS` when somebody else listens on it, or it is no socket */
async function listenOnSocket(server: Server, path: string): Promise<() => void> {
  const socket = await listenOnLocalSocket(server, path);
  switch (socket.kind) {
    case 'listening':
      return socket.close;
    case 'in-use':
      throw new OperatorError('NBD_ADDRESS', `another program serves ${path}`, {
        remedy: 'stop it, or give this group another nbd socket',
      });
    case 'not-a-socket':
      throw new OperatorError(
        'NBD_ADDRESS',
        `cannot serve NBD at ${path}: there is a file that is no socket`,
        { remedy: 'configure another nbd socket, or move that file away' },
      );
  }
}

function cannotListen(address: NbdAddress, error: unknown): OperatorError {
  const where = address.kind === 'socket' ? address.path : `${address.host}:${address.port}`;
  return new OperatorError('NBD_ADDRESS', `cannot serve NBD at ${where}: ${describeError(error)}`, {
    remedy: 'free the address or configure another one under nbd',
    cause: error,
  });
}
