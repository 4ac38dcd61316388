import { WRITE_HEADROOM } from './front-end.ts';

/** What one read from the socket may give. Bytes. */
const INBOX_SIZE = 256 * 1024;
/** What of it is not taken yet goes in front of the next; a small write but for its last byte fits. Bytes. */
const LEFT_MAX = 384 * 1024;
const INBOX_AT = WRITE_HEADROOM + LEFT_MAX;

/**
 * What a host has sent, from where it arrives until it is taken. There are always {@link WRITE_HEADROOM} bytes in front of
 * what is left that may be overwritten.
 */
export class Received {
  readonly bytes = Buffer.allocUnsafeSlow(INBOX_AT + INBOX_SIZE);
  /**
   * Where each read puts what it gives. It stays where it is, and is free whenever {@link makeRoom} says so: what arrives goes
   * into the journal from here, without a copy, and without memory that the system has to give anew.
   */
  readonly inbox = this.bytes.subarray(INBOX_AT);
  /** What is not taken yet, one byte behind the other. */
  #start = INBOX_AT;
  #end = INBOX_AT;

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** So many bytes were put into the inbox, which was free. */
  add(count: number): void {
    this.#end = INBOX_AT + count;
  }

  take(count: number): void {
    this.#start += count;
  }

  /** Puts what is left in front of the inbox. False when it is too much: the inbox is not free. */
  makeRoom(): boolean {
    const left = this.#end - this.#start;
    if (left > LEFT_MAX) return false;
    if (left > 0) this.bytes.copy(this.bytes, INBOX_AT - left, this.#start, this.#end);
    this.#start = INBOX_AT - left;
    this.#end = INBOX_AT;
    return true;
  }
}
