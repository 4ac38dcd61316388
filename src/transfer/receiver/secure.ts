import type { Socket } from 'node:net';
import { TLSSocket, createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '../../platform/clock.ts';
import { OperatorError } from '../../platform/errors.ts';
import { TLS_HANDSHAKE_TIME } from './limits.ts';

/** @throws OperatorError `RECEIVER_CERTIFICATE` when certificate and key do not fit or are no PEM */
export function secureContext(tls: { readonly certificate: string; readonly key: string }): SecureContext {
  try {
    return createSecureContext({ cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' });
  } catch (cause) {
    throw new OperatorError('RECEIVER_CERTIFICATE', `the receiver's certificate or key cannot be used`, {
      cause,
      remedy: 'give a certificate chain and its own private key, unencrypted, both as PEM',
    });
  }
}

/**
 * The server's end of TLS over a connected socket, or undefined when no handshake comes about in time; the socket is
 * destroyed then. What the socket has read before counts as the client's first TLS bytes.
 */
export function secure(socket: Socket, context: SecureContext, clock: Clock): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const tls = new TLSSocket(socket, { isServer: true, secureContext: context });
    const timer = clock.after(TLS_HANDSHAKE_TIME, () => tls.destroy());
    const settle = (result: TLSSocket | undefined): void => {
      timer.cancel();
      tls.off('close', failed);
      if (result === undefined) socket.destroy();
      resolve(result);
    };
    const failed = (): void => settle(undefined);
    // An error is always followed by `close`; a listener must be there for as long as the socket lives.
    tls.on('error', () => undefined);
    tls.once('close', failed);
    tls.once('secure', () => settle(tls));
  });
}
