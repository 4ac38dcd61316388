/** What the server says (RFC 959, section 4.2). */
export interface Reply {
  readonly code: number;
  readonly text: string;
  /** Between a first line with `text` and a last one: a multi-line reply. */
  readonly lines?: readonly string[];
  /** The connection ends behind it. */
  readonly last?: boolean;
}

export function reply(code: number, text: string): Reply {
  return { code, text };
}

/** A reply that ends its connection. */
export function farewell(code: number, text: string): Reply {
  return { code, text, last: true };
}

/** As it goes over the wire. Texts are ours alone: nothing that a client sent is echoed. */
export function formatReply(what: Reply): string {
  if (what.lines === undefined) return `${what.code} ${what.text}\r\n`;
  const body = what.lines.map((line) => ` ${line}\r\n`).join('');
  return `${what.code}-${what.text}\r\n${body}${what.code} End\r\n`;
}

/** Thrown by a command that cannot be carried out; the client gets its reply. */
export class Refusal extends Error {
  readonly reply: Reply;

  constructor(code: number, text: string) {
    super(text);
    this.name = 'Refusal';
    this.reply = reply(code, text);
  }
}
