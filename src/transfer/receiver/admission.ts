/** Who may connect and who may try a password. Pure: addresses are {@link limitKey}s, times are handed in. */
import {
  CONNECTIONS_PER_LOGIN_MAX,
  LOGIN_FAILURES_PER_ADDRESS_MAX,
  LOGIN_FAILURES_PER_USER_MAX,
  LOGIN_FAILURE_ENTRIES_MAX,
  LOGIN_FAILURE_WINDOW,
  NOT_LOGGED_IN_PER_ADDRESS_MAX,
} from './limits.ts';

/** Counts connections: all, those of an address that have not logged in, those of a login. */
export class Admission {
  readonly #max: number;
  readonly #strangers = new Map<string, number>();
  readonly #logins = new Map<string, number>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether one more connection is taken; it is counted then, until `left`. */
  connected(address: string): boolean {
    if (this.#count >= this.#max) return false;
    if ((this.#strangers.get(address) ?? 0) >= NOT_LOGGED_IN_PER_ADDRESS_MAX) return false;
    this.#count++;
    add(this.#strangers, address, 1);
    return true;
  }

  /** Whether a counted connection may be this login's too. */
  loggedIn(address: string, user: string): boolean {
    if ((this.#logins.get(user) ?? 0) >= CONNECTIONS_PER_LOGIN_MAX) return false;
    add(this.#strangers, address, -1);
    add(this.#logins, user, 1);
    return true;
  }

  left(address: string, user: string | undefined): void {
    this.#count--;
    if (user === undefined) add(this.#strangers, address, -1);
    else add(this.#logins, user, -1);
  }
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

interface Failures {
  readonly since: number;
  count: number;
}

/** Counts failed logins by address, and by address and user. */
export class LoginThrottle {
  readonly #failures = new Map<string, Failures>();

  /** Whether a password may be tried now; both counters must allow it. */
  allows(address: string, user: string, now: number): boolean {
    return (
      this.#count(address, now) < LOGIN_FAILURES_PER_ADDRESS_MAX &&
      this.#count(userKey(address, user), now) < LOGIN_FAILURES_PER_USER_MAX
    );
  }

  failed(address: string, user: string, now: number): void {
    for (const key of [address, userKey(address, user)]) {
      const known = this.#failures.get(key);
      if (known !== undefined && now - known.since < LOGIN_FAILURE_WINDOW) known.count++;
      else this.#start(key, now);
    }
  }

  /** The address's own counter stays: a valid login does not buy guesses at others. */
  succeeded(address: string, user: string): void {
    this.#failures.delete(userKey(address, user));
  }

  #count(key: string, now: number): number {
    const known = this.#failures.get(key);
    return known === undefined || now - known.since >= LOGIN_FAILURE_WINDOW ? 0 : known.count;
  }

  #start(key: string, now: number): void {
    // Deleted first, so that the map's order is that of the windows' starts and its first entry is the oldest.
    this.#failures.delete(key);
    if (this.#failures.size >= LOGIN_FAILURE_ENTRIES_MAX) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    this.#failures.set(key, { since: now, count: 1 });
  }
}

const userKey = (address: string, user: string): string => `${address} ${user}`;
