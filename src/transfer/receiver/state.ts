import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { Clock } from '../../platform/clock.ts';
import { assert } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import { limitKey } from './addresses.ts';
import type { Admission, LoginThrottle } from './admission.ts';
import type { ControlChannel } from './control-channel.ts';
import { REFUSED_LINGER_TIME } from './limits.ts';
import type { Login, Logins } from './logins.ts';
import type { PassiveListener, PassivePorts } from './passive.ts';
import type { Reply } from './reply.ts';
import type { Folder } from './tree.ts';

/** What all sessions of a receiver share. */
export interface Services {
  readonly clock: Clock;
  readonly log: Log;
  readonly logins: Logins;
  readonly admission: Admission;
  readonly throttle: LoginThrottle;
  readonly passivePorts: PassivePorts;
  readonly publicAddress: string | undefined;
  /** Undefined: no TLS. */
  readonly secureContext: SecureContext | undefined;
  /** Logins and data are taken over TLS alone. */
  readonly tlsRequired: boolean;
  readonly onStored: (user: string, name: string) => void;
}

/** One control connection's state, as its commands see and change it. */
export class SessionState {
  readonly services: Services;
  readonly control: ControlChannel;
  /** What connections and failed logins are counted by. */
  readonly address: string;
  /** Named by USER, not proven. */
  user: string | undefined;
  login: Login | undefined;
  failedLogins = 0;
  folder: Folder = 'root';
  /** PBSZ was said, which PROT needs (RFC 4217, section 9). */
  bufferSizeSaid = false;
  /** PROT P: data connections are TLS. */
  protectData = false;
  /** EPSV ALL was said: PASV is refused from then on (RFC 2428, section 4). */
  extendedOnly = false;
  /** Of REST, for the next transfer. */
  restartAt = 0;
  /** The segment whose part RNFR named. */
  renameFrom: string | undefined;
  passive: PassiveListener | undefined;
  /** Ends the transfer under way. */
  abortTransfer: () => void = () => undefined;
  /** Data connections that were not closed yet by both ends. */
  readonly dataConnections = new Set<Duplex>();

  constructor(services: Services, control: ControlChannel) {
    this.services = services;
    this.control = control;
    this.address = limitKey(control.remoteAddress);
  }

  /** Of commands that are carried out after the login alone. */
  get loggedIn(): Login {
    assert(this.login !== undefined, 'a command that needs a login was carried out without one');
    return this.login;
  }

  /** The port is given back; a connection that has arrived there is left to its client. */
  closePassive(): void {
    const socket = this.passive?.close();
    this.passive = undefined;
    if (socket !== undefined) this.refuseData(socket);
  }

  /**
   * Closes a data connection that is not wanted (any more). One with unread data is reset when it is closed, and the
   * client would hear of that before it reads the reply that says why: so it gets some time.
   */
  refuseData(data: Duplex): void {
    data.pause();
    this.closeDataWithin(data, REFUSED_LINGER_TIME);
  }

  /** Leaves a data connection to its client's closing for `limit` milliseconds. */
  closeDataWithin(data: Duplex, limit: number): void {
    if (data.destroyed) return;
    const timer = this.services.clock.after(limit, () => data.destroy());
    this.dataConnections.add(data);
    data.once('close', () => {
      timer.cancel();
      this.dataConnections.delete(data);
    });
  }

  /** Everything that this session holds is given back. */
  dispose(): void {
    this.abortTransfer();
    this.closePassive();
    for (const data of this.dataConnections) data.destroy();
    this.control.destroy();
    this.services.admission.left(this.address, this.login?.user);
  }
}

/** Undefined: the command has sent its replies itself. */
export type Handler = (
  session: SessionState,
  argument: string,
) => Reply | undefined | Promise<Reply | undefined>;
