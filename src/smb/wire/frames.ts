import { malformed } from '../errors.ts';

const HEADER_LENGTH = 4;

/** The four bytes before every message (MS-SMB2 2.1, direct TCP): a zero and the length. */
export function frameHeader(length: number): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt32BE(length);
  return header;
}

/** Cuts what a socket delivers into messages. No more memory is taken than `limit` bytes, whatever a length says. */
export class FrameReader {
  readonly #limit: number;
  /** Of the length that comes. */
  readonly #header = Buffer.alloc(HEADER_LENGTH);
  #headerBytes = 0;
  /** Of the message that comes. */
  #message: Buffer | undefined;
  #messageBytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The messages that are complete now; those that came in one piece are views of it. @throws SmbError `MALFORMED` */
  push(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#message === undefined) {
        rest = this.#takeHeader(rest);
        if (this.#headerBytes < HEADER_LENGTH) break;
        const length = this.#length();
        if (rest.length >= length) {
          messages.push(rest.subarray(0, length));
          rest = rest.subarray(length);
          this.#headerBytes = 0;
          continue;
        }
        this.#message = Buffer.allocUnsafe(length);
        this.#messageBytes = 0;
      }
      const taken = rest.copy(this.#message, this.#messageBytes);
      rest = rest.subarray(taken);
      this.#messageBytes += taken;
      if (this.#messageBytes < this.#message.length) break;
      messages.push(this.#message);
      this.#message = undefined;
      this.#headerBytes = 0;
    }
    return messages;
  }

  #takeHeader(rest: Buffer): Buffer {
    const taken = rest.copy(this.#header, this.#headerBytes, 0, HEADER_LENGTH - this.#headerBytes);
    this.#headerBytes += taken;
    return rest.subarray(taken);
  }

  #length(): number {
    const length = this.#header.readUInt32BE();
    if (length === 0 || length > this.#limit) throw malformed(`a message of ${length} bytes`);
    return length;
  }
}
