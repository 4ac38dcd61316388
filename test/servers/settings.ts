import type { TestCertificate } from './certificate.ts';

/** The servers' own user: nobody, nogroup. */
export const SERVER_UID = 65534;
export const SERVER_GID = 65534;

/** `optional`: plain and explicit TLS, as the client likes. */
export type ServerTls = 'none' | 'optional' | 'implicit';

/** What a server's own file makes a command line from. */
export interface ServerSettings {
  /** For configuration, logs and state. */
  readonly folder: string;
  /** The root of what is served. */
  readonly root: string;
  readonly port: number;
  readonly passivePorts: { readonly first: number; readonly last: number };
  readonly user: string;
  readonly password: string;
  readonly certificate: TestCertificate;
  readonly tls: ServerTls;
  /** Of one upload; undefined: as fast as it goes. */
  readonly bytesPerSecond: number | undefined;
  readonly configuration: readonly string[];
}

export interface ServerCommand {
  readonly argv: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
  /** Of the root, as clients see it. */
  readonly visibleRoot: string;
}
