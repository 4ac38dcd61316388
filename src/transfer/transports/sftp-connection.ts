/**
 * The SSH connection below an SFTP session. ssh2-sftp-client makes it; requests go to the SFTP channel in it, which alone tells
 * a missing file from a failure and takes writes in parallel.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import SftpClient from 'ssh2-sftp-client';
import { TransportError } from '../transport.ts';
import { keepKeyObjects } from './sftp-keys.ts';
import { answers, LoginOrder, type LoginMethod } from './sftp-login.ts';
import type { SftpServerOptions } from './sftp-options.ts';

export type Sftp = Awaited<ReturnType<SftpClient['connect']>>;
type ClientSettings = Parameters<SftpClient['connect']>[0];

/** What ssh2 hands on of an SSH_MSG_USERAUTH_INFO_REQUEST (RFC 4256 section 3.2): title, text, language, questions, answer. */
type Question = [string, string, string, readonly { readonly echo?: boolean }[], (answers: string[]) => void];

/** Keep-alive questions without an answer after which a connection counts as dead. */
const KEEP_ALIVE_MAX = 3;

export class SftpConnection {
  readonly #options: SftpServerOptions;
  readonly #end: (reason: Error) => void;
  readonly #client: SftpClient;
  #socket: Socket | undefined;
  /** The server's key, when it is not the one that is pinned. */
  #strangeKey: string | undefined;

  /** `end` is told, maybe more than once, why the connection is of no more use. */
  constructor(options: SftpServerOptions, end: (reason: Error) => void) {
    this.#options = options;
    this.#end = (reason) => end(this.#reason(reason));
    this.#client = new SftpClient('blockferry', {
      error: (error) => this.#end(error instanceof Error ? error : new Error(String(error))),
      end: () => undefined,
      close: () => this.#end(new Error('the connection was closed')),
    });
  }

  /** Connects, makes sure of the server and logs in. @throws TransportError `Integrity` when its key is not the expected one */
  async open(): Promise<Sftp> {
    const { host, port, timeout, password } = this.#options;
    // Without `noDelay` a request waits for the answer to the one before it.
    const socket = connect({ host, port, noDelay: true, timeout });
    this.#socket = socket;
    socket.once('timeout', () => this.#end(new Error('Timed out while connecting')));
    await once(socket, 'connect');
    socket.setTimeout(0);
    keepKeyObjects(this.#client);
    const answer = (...[, , , prompts, finish]: Question): void => finish(answers(prompts, password ?? ''));
    this.#client.on('keyboard-interactive', answer);
    try {
      const sftp = await this.#client.connect({ sock: socket, ...this.#settings() });
      sftp.on('error', (error: Error) => this.#end(error));
      return sftp;
    } catch (error) {
      throw this.#reason(error);
    }
  }

  /** What is written in this turn of the event loop goes out by one call to the system, not one for each 32 KiB. */
  gather(): void {
    const socket = this.#socket;
    if (socket === undefined || socket.writableCorked > 0) return;
    socket.cork();
    setImmediate(() => socket.uncork());
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  /** Why it failed: ssh2 says of a key that we refused no more than that. */
  #reason<T>(error: T): T | TransportError {
    return this.#strangeKey === undefined ? error : strangeKey(this.#options, this.#strangeKey);
  }

  #settings(): ClientSettings {
    const { user, password, privateKey, hostKey, timeout } = this.#options;
    const order = new LoginOrder(this.#options);
    return {
      username: user,
      ...(password === undefined ? {} : { password, tryKeyboard: true }),
      ...(privateKey === undefined ? {} : { privateKey }),
      // Its types leave out the `false` by which ssh2 knows that none is left.
      authHandler: (offered, _partial, next) => next(order.next(offered) as LoginMethod),
      hostVerifier: (key: Buffer) => {
        const digest = createHash('sha256').update(key).digest('base64').replace(/=+$/, '');
        const fingerprint = `SHA256:${digest}`;
        if (fingerprint === hostKey) return true;
        this.#strangeKey = fingerprint;
        return false;
      },
      readyTimeout: timeout,
      keepaliveInterval: timeout,
      keepaliveCountMax: KEEP_ALIVE_MAX,
    };
  }
}

function strangeKey({ host, hostKey }: SftpServerOptions, actual: string): TransportError {
  return hostKey === undefined
    ? new TransportError('Integrity', `the key of ${host} is not known; its fingerprint is ${actual}`, {
        remedy: `compare it with what ssh-keygen -lf shows of the host keys on ${host}, then set host-key: ${actual}`,
      })
    : new TransportError(
        'Integrity',
        `the key of ${host} has the fingerprint ${actual}, not the one expected`,
        {
          remedy: `if ${host} was given a new key, set host-key: ${actual}; if not, something else answers in its place`,
        },
      );
}
