import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { assert } from '../../platform/errors.ts';
import type { Inbox } from './inbox.ts';
import type { ReceiverStream } from './options.ts';

/** A proven login, and what it may fill. */
export interface Login {
  readonly user: string;
  readonly inbox: Inbox;
}

/**
 * Passwords are compared as keyed digests in constant time, against a random one where there is no such user: neither
 * the length of a password nor the existence of a user can be told from the time it takes.
 */
export class Logins {
  readonly #key = randomBytes(32);
  readonly #logins = new Map<string, { readonly digest: Buffer; readonly login: Login }>();
  readonly #nobody = randomBytes(32);

  add(stream: ReceiverStream, inbox: Inbox): void {
    assert(!this.#logins.has(stream.user), `two streams of the receiver have the login ${stream.user}`);
    this.#logins.set(stream.user, {
      digest: this.#digest(stream.password),
      login: { user: stream.user, inbox },
    });
  }

  has(user: string): boolean {
    return this.#logins.has(user);
  }

  verify(user: string, password: string): Login | undefined {
    const entry = this.#logins.get(user);
    const equal = timingSafeEqual(this.#digest(password), entry?.digest ?? this.#nobody);
    return equal ? entry?.login : undefined;
  }

  #digest(password: string): Buffer {
    return createHmac('sha256', this.#key).update(password, 'utf8').digest();
  }
}
