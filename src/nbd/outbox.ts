/**
 * Replies on their way to a host: those of one turn lie in one piece of memory and leave in one write, and the memory is used
 * again once the system has taken it. A buffer a reply costs more than the reply itself, and one a READ of 256 KiB twice as
 * much as reading it: fresh memory has to be given by the system page by page.
 */

/**
 * Bytes that are kept for replies, four chunks of READ replies: a host takes one while the next is made. The system gives
 * only what is touched. What needs more gets it, and does not keep it.
 */
const KEPT = 1040 * 1024;
/** Bytes after which replies leave, though there are more in this turn: their host need not wait for these. */
const GATHERED = KEPT / 4;
const NONE = Buffer.alloc(0);

/** Where replies go. */
export interface Line {
  readonly send: (bytes: Buffer) => void;
  /** Whether all that was sent was taken: its memory may be used again. */
  readonly isTaken: () => boolean;
}

export class Outbox {
  readonly #line: Line;
  #bytes = NONE;
  /** What is not sent yet; the system may still have what lies before it. */
  #start = 0;
  #end = 0;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Where what {@link reserve} gave lies; another after the next call of anything here. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** So many bytes behind what there is, to be filled before anything else is done. Returns where they begin. */
  reserve(length: number): number {
    if (this.#start > 0 && this.#start === this.#end && this.#line.isTaken()) this.#start = this.#end = 0;
    const isMuch = this.#end - this.#start + length > GATHERED;
    if (isMuch || this.#end + length > this.#bytes.length) this.flush();
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
    this.#line.send(this.#bytes.subarray(this.#start, this.#end));
    this.#start = this.#end;
    if (this.#bytes.length <= KEPT) return;
    this.#bytes = NONE;
    this.#start = this.#end = 0;
  }
}
