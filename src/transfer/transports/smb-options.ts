export interface SmbTransportOptions {
  readonly host: string;
  readonly port: number;
  /** The share's name alone. */
  readonly share: string;
  /** The group's folder below the share, absolute. */
  readonly path: string;
  readonly user: string;
  /** Empty for an account of the server itself. */
  readonly domain: string;
  readonly password: string;
  /** `when-demanded`: where the server or the share wants it. `required`: always, or nothing is sent. */
  readonly encryption: 'when-demanded' | 'required';
  /** Milliseconds without an answer. */
  readonly timeout: number;
}
