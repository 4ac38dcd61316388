/** Whom an encrypted FTP connection talks to: the certificate's authority is checked by TLS itself, a fingerprint here. */
import { isIP } from 'node:net';
import { finished } from 'node:stream';
import { TLSSocket, type ConnectionOptions } from 'node:tls';
import { TransportError } from '../transport.ts';
import type { FtpServerOptions } from './ftp-options.ts';

/** Without a pinned fingerprint a certificate must be signed by an authority that is trusted, and be the host's. */
export function tlsOptions(options: FtpServerOptions): ConnectionOptions {
  return {
    host: options.host,
    ...(isIP(options.host) === 0 ? { servername: options.host } : {}),
    ...(options.certificateAuthority === undefined ? {} : { ca: options.certificateAuthority }),
    rejectUnauthorized: options.fingerprint === undefined,
  };
}

/**
 * With a pinned fingerprint this is the only check. A resumed session is that of the control connection.
 * @throws TransportError `Integrity`
 */
export function checkCertificate(socket: unknown, { fingerprint, host }: FtpServerOptions): void {
  if (fingerprint === undefined || !(socket instanceof TLSSocket) || socket.isSessionReused()) return;
  const actual = plainFingerprint(socket.getPeerCertificate().fingerprint256);
  if (actual === plainFingerprint(fingerprint)) return;
  throw new TransportError(
    'Integrity',
    `the certificate of ${host} has the SHA-256 fingerprint ${actual}, not the one expected`,
    {
      remedy:
        'if the server was given a new certificate, set that fingerprint; if not, something else answers in its place',
    },
  );
}

/** Resolves when the handshake is over. */
export function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.getFinished() !== undefined) resolve();
    socket.once('secureConnect', resolve);
    finished(socket, (error) => reject(error ?? new Error('the data connection closed')));
  });
}

function plainFingerprint(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}
