export interface SftpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** A key, tried first, or a password, or both. */
  readonly password: string | undefined;
  /** Text of a private key without a passphrase, in OpenSSH's own form or PEM. */
  readonly privateKey: string | undefined;
  /** The server's key, as `ssh-keygen -lf` shows it: `SHA256:…`. Undefined: no server is trusted, and each says its own. */
  readonly hostKey: string | undefined;
  /** The group's folder as the server shows it, absolute. */
  readonly path: string;
  /** Milliseconds without an answer. */
  readonly timeout: number;
}

export interface SftpTransportOptions extends SftpServerOptions {
  /** At once, at most. */
  readonly connections: number;
}
