export interface FtpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The group's folder as the server shows it, absolute. */
  readonly path: string;
  readonly tls: 'none' | 'explicit' | 'implicit';
  /** PEM of the authority that signed the server's certificate; undefined: the system's. */
  readonly certificateAuthority: string | undefined;
  /** SHA-256 of the server's certificate, 64 hexadecimal digits, trusted instead of its authority. */
  readonly fingerprint: string | undefined;
  /** Milliseconds without an answer; some servers take 5 s to refuse a password, so 15 s or more. */
  readonly timeout: number;
}

export interface FtpTransportOptions extends FtpServerOptions {
  /** At once, at most. */
  readonly connections: number;
}
