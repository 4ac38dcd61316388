/**
 * Replies on their way to a host: those of one turn lie in one piece of memory and leave in one write, and the memory is used
 * again, round and round, as the system has taken what is in it. A buffer a reply costs more than the reply itself, and one a
 * READ of 256 KiB twice as much as reading it: fresh memory has to be given by the system page by page, and collected.
 */

/**
 * Bytes that are kept for replies, four chunks of READ replies: there is always room for one when no more than two are not taken,
 * wherever these lie. The system gives only what is touched. What needs more gets it, and does not keep it.
 */
const KEPT = 1040 * 1024;
/** Bytes after which replies leave, though there are more in this turn: their host need not wait for these. */
const GATHERED = KEPT / 4;
const NONE = Buffer.alloc(0);

/** Where replies go. */
export interface Line {
  readonly send: (bytes: Buffer) => void;
  /** Bytes of what was sent last that were not taken: their memory is to stay as it is. */
  readonly unsent: () => number;
}

export class Outbox {
  readonly #line: Line;
  #bytes = NONE;
  /** What is not sent yet; the system may still have what lies before it. */
  #start = 0;
  #end = 0;
  /** Where the round before this one ended, of which the system may still have the last. */
  #before: number | undefined;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Where what {@link reserve} gave lies; another after the next call of anything here. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** So many bytes behind what there is, to be filled before anything else is done. Returns where they begin. */
  reserve(length: number): number {
    if (this.#start > 0 && this.#start === this.#end && this.#line.unsent() === 0) this.#begin(undefined);
    const isMuch = this.#end - this.#start + length > GATHERED;
    if (isMuch || this.#end + length > this.#limit()) this.flush();
    if (this.#end + length > this.#limit()) {
      if (length <= this.#end - this.#line.unsent()) this.#begin(this.#end);
      else {
        this.#bytes = Buffer.allocUnsafeSlow(Math.max(KEPT, length));
        this.#begin(undefined);
      }
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
    this.#begin(undefined);
  }

  #begin(before: number | undefined): void {
    this.#start = this.#end = 0;
    this.#before = before;
  }

  /** Where the memory that is free ends. */
  #limit(): number {
    if (this.#before === undefined) return this.#bytes.length;
    const ofBefore = this.#line.unsent() - this.#start;
    if (ofBefore > 0) return this.#before - ofBefore;
    this.#before = undefined;
    return this.#bytes.length;
  }
}
