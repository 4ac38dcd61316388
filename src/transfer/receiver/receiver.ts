import { createServer, isIPv4, type AddressInfo, type Server, type Socket } from 'node:net';
import { errorCode, describeError, OperatorError } from '../../platform/errors.ts';
import { isLoopback, limitKey } from './addresses.ts';
import { Admission, LoginThrottle } from './admission.ts';
import { ControlChannel } from './control-channel.ts';
import { Inbox } from './inbox.ts';
import { REFUSAL_LOG_INTERVAL } from './limits.ts';
import { Logins } from './logins.ts';
import type { ReceiverOptions } from './options.ts';
import { PassivePorts } from './passive.ts';
import { farewell, formatReply } from './reply.ts';
import { secureContext } from './secure.ts';
import { runSession } from './session.ts';
import { SessionState, type Services } from './state.ts';

/**
 * A small FTP server (RFC 959, 2228, 2389, 2428, 3659, 4217) that takes segments into the inboxes of its streams and
 * hands out their status files, hands out the segments of their outboxes and takes the other side's word, and does nothing else.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #services: Services;
  readonly #inboxes: readonly Inbox[];
  readonly #server: Server;
  readonly #sessions = new Map<SessionState, Promise<void>>();
  #refused = 0;
  #refusalLoggedAt = Number.NEGATIVE_INFINITY;

  /** @throws OperatorError `RECEIVER_PLAIN`, `RECEIVER_PUBLIC_ADDRESS`, `RECEIVER_CERTIFICATE` */
  constructor(options: ReceiverOptions) {
    checkOptions(options);
    const logins = new Logins();
    this.#options = options;
    this.#inboxes = options.streams.map((stream) => {
      const inbox = new Inbox(stream, options.files);
      logins.add(stream, inbox);
      return inbox;
    });
    this.#services = {
      clock: options.clock,
      log: options.log,
      logins,
      admission: new Admission(options.connections),
      throttle: new LoginThrottle(),
      passivePorts: new PassivePorts(options.passivePorts),
      publicAddress: options.publicAddress,
      secureContext: options.tls && secureContext(options.tls),
      tlsRequired: options.tls !== undefined && !options.allowPlain,
      onStored: options.onStored,
    };
    this.#server = createServer((socket) => this.#connected(socket));
  }

  /**
   * Makes the inboxes and takes connections from here on. Returns the address and port in use.
   * @throws OperatorError `RECEIVER_LISTEN` when the address cannot be listened on
   */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    for (const inbox of this.#inboxes) inbox.makeFolder();
    const { host, port } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const failed = (cause: Error): void =>
      reject(
        new OperatorError(
          'RECEIVER_LISTEN',
          `the receiver cannot listen on ${host}:${port}: ${errorCode(cause)}`,
          {
            cause,
            remedy: 'choose an address of this machine and a port that is free (below 1024 only as root)',
          },
        ),
      );
    this.#server.once('error', failed);
    this.#server.listen({ host, port }, () => resolve(undefined));
    await promise;
    this.#server.off('error', failed);
    this.#server.on('error', (error) =>
      this.#options.log.error('receiver: listening failed', { reason: describeError(error) }),
    );
    const { address, port: bound } = this.#server.address() as AddressInfo;
    return { host: address, port: bound };
  }

  /** Ends every session; transfers under way leave their parts. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions.keys()) {
      void session.control.send(farewell(421, 'The destination stops'));
      session.control.destroy();
    }
    await Promise.all(this.#sessions.values());
    await closed;
  }

  /** Control connections now. */
  connections(): number {
    return this.#services.admission.count;
  }

  #connected(socket: Socket): void {
    const control = new ControlChannel(socket);
    if (!this.#services.admission.connected(limitKey(control.remoteAddress))) {
      socket.end(formatReply(farewell(421, 'Too many connections: try again later')), () =>
        control.destroy(),
      );
      this.#logRefusal(control.remoteAddress);
      return;
    }
    const session = new SessionState(this.#services, control);
    const running = runSession(session).finally(() => this.#sessions.delete(session));
    this.#sessions.set(session, running);
  }

  /** A flood of connections is not to become a flood of lines. */
  #logRefusal(address: string): void {
    this.#refused++;
    const now = this.#options.clock.monotonic();
    if (now - this.#refusalLoggedAt < REFUSAL_LOG_INTERVAL) return;
    this.#options.log.warn('receiver: too many connections', { address, refused: this.#refused });
    this.#refused = 0;
    this.#refusalLoggedAt = now;
  }
}

function checkOptions(options: ReceiverOptions): void {
  if (options.tls === undefined && !options.allowPlain && !isLoopback(options.host)) {
    throw new OperatorError(
      'RECEIVER_PLAIN',
      `the receiver would listen on ${options.host} without TLS: passwords could be read on the way`,
      {
        remedy:
          'give it a certificate and key (receiver.tls), or set receiver.allowPlain if the network is trusted',
      },
    );
  }
  if (options.publicAddress !== undefined && !isIPv4(options.publicAddress)) {
    throw new OperatorError('RECEIVER_PUBLIC_ADDRESS', `${options.publicAddress} is not an IPv4 address`, {
      remedy: 'set receiver.publicAddress to the IPv4 address that clients connect to, or leave it out',
    });
  }
}
