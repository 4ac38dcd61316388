/**
 * Replies on their way to a host: those of one turn lie in one piece of memory and leave in one write, and the memory is used
 * again once the system has taken it. A buffer a reply costs more than the reply itself, and one a READ of 256 KiB twice as
 * much as reading it: fresh memory has to be given by the system page by page.
 */

/** Bytes that are kept for replies: a chunk of a READ reply fits. What needs more gets it, and does not keep it. */
const KEPT = 260 * 1024;
const NONE = Buffer.alloc(0);

export class Outbox {
  /** Whether all that was sent so far was taken: its memory may be used again. */
  readonly #send: (bytes: Buffer) => boolean;
  #bytes = NONE;
  /** What is not sent yet; the system may still have what lies before it. */
  #start = 0;
  #end = 0;

  constructor(send: (bytes: Buffer) => boolean) {
    this.#send = send;
  }

  /** Where what {@link reserve} gave lies; another after the next call of anything here. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** So many bytes behind what there is, to be filled before anything else is done. Returns where they begin. */
  reserve(length: number): number {
    if (this.#end + length > this.#bytes.length) this.flush();
    if (this.#end + length > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(KEPT, length));
      this.#start = this.#end = 0;
    }
    const at = this.#end;
    this.#end += length;
    return at;
  }

  /** What was reserved last is not sent. `at`: where it begins. */
  takeBack(at: number): void {
    this.#end = at;
  }

  flush(): void {
    if (this.#end === this.#start) return;
    const isTaken = this.#send(this.#bytes.subarray(this.#start, this.#end));
    if (isTaken && this.#bytes.length > KEPT) this.#bytes = NONE;
    if (isTaken) this.#end = 0;
    this.#start = this.#end;
  }
}
