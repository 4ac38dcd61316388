import type { TestCertificate } from './certificate.ts';
import type { Owner } from './small-folder.ts';

/** The servers' own user: nobody, nogroup. */
export const SERVER_UID = 65534;
export const SERVER_GID = 65534;
export const SERVER_OWNER: Owner = { uid: SERVER_UID, gid: SERVER_GID };

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
  /** More lines of the server's own configuration, where it has a file for it. */
  readonly configuration: readonly string[];
  /** How many pure-ftpd lists at most; its own default is 10,000, the folder itself and the one above included. */
  readonly listedFiles: number;
}

export interface ServerCommand {
  readonly argv: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
  /** Of the root, as clients see it. */
  readonly visibleRoot: string;
}
