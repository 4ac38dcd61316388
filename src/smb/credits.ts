import { malformed } from './errors.ts';
import { CREDIT_BYTES, CREDITS_WANTED } from './limits.ts';

/** Credits that a request with `bytes` of payload, in either direction, takes (MS-SMB2 3.1.5.2). */
export function creditCharge(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / CREDIT_BYTES));
}

/**
 * What the server lets the client have under way (MS-SMB2 3.2.4.1.2, 3.2.5.1.4). Each credit pays for one message id; ids
 * are used in order.
 */
export class Credits {
  /** The first one is given (MS-SMB2 3.2.1.2). */
  #available = 1;
  #underWay = 0;
  #nextId = 0n;

  /** Payload of the largest request that will ever find enough credits, as things are. */
  get payloadMax(): number {
    return Math.max(1, this.#available + this.#underWay) * CREDIT_BYTES;
  }

  /** The message id for a request, or undefined when it has to wait. */
  take(charge: number): bigint | undefined {
    if (charge > this.#available) return undefined;
    this.#available -= charge;
    this.#underWay += charge;
    const id = this.#nextId;
    this.#nextId += BigInt(charge);
    return id;
  }

  /** Credits that a request should ask for: what it takes and what is lacking. */
  wanted(charge: number): number {
    return charge + Math.max(0, CREDITS_WANTED - this.#available - this.#underWay);
  }

  /** @throws SmbError `MALFORMED` for more than a server can give */
  grant(credits: number): void {
    this.#available += credits;
    // 2.1 and later: 16 bits count the credits of one message; a window is some thousands.
    if (this.#available > 0xffff) throw malformed(`${this.#available} credits`);
  }

  /** A request's final answer came. */
  settle(charge: number): void {
    this.#underWay -= charge;
  }
}
