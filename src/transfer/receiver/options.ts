import type { Clock } from '../../platform/clock.ts';
import type { Files } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';

/** A login, and the one stream that it may fill. */
export interface ReceiverStream {
  readonly user: string;
  readonly password: string;
  /** `<buffer>/<group>`; its inbox is made when missing. */
  readonly folder: string;
  /** Bytes that inbox and journal together may take; it changes as it runs. */
  readonly quota: () => number;
  /**
   * Bytes that inbox and journal take now, what is arriving included. Asked when a transfer begins and when the quota
   * seems reached. Undefined: the files of both folders are added up.
   */
  readonly usedBytes?: () => number;
}

export interface ReceiverOptions {
  /** Listened on. Anything but loopback needs `tls` or `allowPlain`. */
  readonly host: string;
  /** 0: the operating system's choice. */
  readonly port: number;
  /** Inclusive. */
  readonly passivePorts: { readonly first: number; readonly last: number };
  /** The IPv4 address that PASV names when clients reach this machine by another one (NAT). */
  readonly publicAddress: string | undefined;
  /** PEM text, not paths, the key without a passphrase; undefined: no TLS, refused on anything but loopback unless `allowPlain`. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  /** Logins and data over an unencrypted connection are taken although `tls` is there, or the network is not loopback. */
  readonly allowPlain: boolean;
  /** Control connections at once. */
  readonly connections: number;
  readonly streams: readonly ReceiverStream[];
  /** A segment of this login is complete and durable in its inbox under `name` (`….seg`). Must not throw. */
  readonly onStored: (user: string, name: string) => void;
  readonly clock: Clock;
  readonly files: Files;
  readonly log: Log;
}
