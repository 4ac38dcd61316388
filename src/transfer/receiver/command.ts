/** From bytes on the control connection to commands. Pure. */
import { isUtf8 } from 'node:buffer';
import { COMMAND_LINE_MAX } from './limits.ts';

export interface Command {
  /** Upper case, three or four letters. */
  readonly verb: string;
  /** What follows the first space, as it is; empty when there is none. */
  readonly argument: string;
}

const COMMAND = /^([A-Za-z]{3,4})(?: (.*))?$/;
// eslint-disable-next-line no-control-regex -- these are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;
const ABORT = /(?:^|\n)[\x80-\xff]*ABOR\r?\n/i;
const LF = 0x0a;
const CR = 0x0d;

/** A line without its end, or undefined when it is no command: binary, control characters, not UTF-8. */
export function parseCommand(line: Buffer): Command | undefined {
  // A client that aborts sends Telnet's IP and Synch first (RFC 959, section 4.1.3), part of it out of band.
  let start = 0;
  while ((line[start] ?? 0) >= 0x80) start++;
  const bytes = line.subarray(start);
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  if (CONTROL_CHARACTER.test(text)) return undefined;
  const match = COMMAND.exec(text);
  if (match?.[1] === undefined) return undefined;
  return { verb: match[1].toUpperCase(), argument: match[2] ?? '' };
}

/** Bytes that arrived and are not yet taken as lines. Lines end with CR LF; a bare LF is taken too. */
export class LineBuffer {
  #bytes: Buffer = Buffer.alloc(0);

  get length(): number {
    return this.#bytes.length;
  }

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** The next line without its end; undefined when none is complete; `too-long` past {@link COMMAND_LINE_MAX}. */
  take(): Buffer | 'too-long' | undefined {
    const end = this.#bytes.subarray(0, COMMAND_LINE_MAX + 2).indexOf(LF);
    if (end < 0) return this.#bytes.length > COMMAND_LINE_MAX + 1 ? 'too-long' : undefined;
    const line = this.#bytes.subarray(0, this.#bytes[end - 1] === CR ? end - 1 : end);
    if (line.length > COMMAND_LINE_MAX) return 'too-long';
    this.#bytes = this.#bytes.subarray(end + 1);
    return line;
  }

  /** Whether an ABOR waits behind the commands that are still to be carried out. */
  holdsAbort(): boolean {
    return ABORT.test(this.#bytes.toString('latin1'));
  }

  clear(): void {
    this.#bytes = Buffer.alloc(0);
  }
}
