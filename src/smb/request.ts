/** A request and its answer, as they go over a connection: what both are, in bytes, and whose they are. Pure. */
import type { Encryption } from './crypto/encryption.ts';
import type { Signer } from './crypto/signing.ts';
import { malformed, SmbError } from './errors.ts';
import {
  decodeHeader,
  encodeHeader,
  FLAG_SIGNED,
  HEADER_LENGTH,
  type Command,
  type ResponseHeader,
} from './messages/header.ts';
import { encodeEmptyRequest } from './messages/session-setup.ts';
import { statusError } from './status.ts';

/** How messages of a session are kept safe; one of both. */
export interface Protection {
  readonly sessionId: bigint;
  readonly signer: Signer;
  /** Undefined when no cipher was agreed on. */
  readonly encryption: Encryption | undefined;
}

export interface Request {
  readonly command: Command;
  readonly body: Buffer;
  /** Behind the body, as it is: a WRITE's data. */
  readonly data?: Buffer;
  /** Bytes that the answer may carry: a READ's or a listing's. */
  readonly expected?: number;
  readonly treeId?: number;
  /** Of a session that has no keys yet. */
  readonly sessionId?: bigint;
  readonly encrypt?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Exchange {
  readonly header: ResponseHeader;
  /** The answer, header included. */
  readonly message: Buffer;
  /** What was sent, in pieces. */
  readonly sent: readonly Buffer[];
}

/** A request that waits for credits, or for its answer. */
export interface Pending {
  readonly request: Request;
  readonly charge: number;
  readonly resolve: (exchange: Exchange) => void;
  readonly reject: (error: SmbError) => void;
  /** Of whether the answer has to be signed or encrypted. */
  readonly protection: Protection | undefined;
  messageId: bigint;
  asyncId: bigint | undefined;
  sentAt: number;
  sent: readonly Buffer[];
}

/** Not signed, because the server has no keys for it any more (MS-SMB2 3.3.5.2.9). */
const STATUS_USER_SESSION_DELETED = 0xc0000203;

/** In pieces. `credits`: how many are asked for with it. */
export function encodeRequest(pending: Pending, credits: number): [Buffer, ...Buffer[]] {
  const { request, charge, messageId, protection } = pending;
  const header = encodeHeader({
    command: request.command,
    creditCharge: charge,
    credits,
    messageId,
    treeId: request.treeId ?? 0,
    sessionId: protection?.sessionId ?? request.sessionId ?? 0n,
  });
  const message = Buffer.concat([header, request.body]);
  return request.data === undefined ? [message] : [message, request.data];
}

/** CANCEL has the id of what it cancels, takes no credit and gets no answer (MS-SMB2 3.2.4.24). */
export function encodeCancel({ messageId, asyncId, request, protection }: Pending): Buffer {
  const header = encodeHeader({
    command: 'cancel',
    creditCharge: 0,
    credits: 0,
    messageId,
    treeId: request.treeId ?? 0,
    sessionId: protection?.sessionId ?? request.sessionId ?? 0n,
    asyncId,
  });
  return Buffer.concat([header, encodeEmptyRequest()]);
}

/** Of one frame: a message, or several in a row that each name the next one's place (MS-SMB2 3.2.5.1.9). */
export function* messagesIn(
  frame: Buffer,
): Generator<{ readonly header: ResponseHeader; readonly message: Buffer }> {
  let rest = frame;
  for (;;) {
    const header = decodeHeader(rest);
    const next = header.nextOffset;
    if (next !== 0 && (next < HEADER_LENGTH || next >= rest.length))
      throw malformed('a message that points nowhere');
    yield { header, message: next === 0 ? rest : rest.subarray(0, next) };
    if (next === 0) return;
    rest = rest.subarray(next);
  }
}

/** @throws SmbError `INTEGRITY` unless an answer is the server's (MS-SMB2 3.2.5.1.3) */
export function authenticate(
  { protection, request }: Pending,
  header: ResponseHeader,
  { message, isEncrypted }: { readonly message: Buffer; readonly isEncrypted: boolean },
): void {
  if (protection === undefined || isEncrypted) return;
  if (header.status === STATUS_USER_SESSION_DELETED) throw statusError(header.status, 'the session');
  const isSigned = (header.flags & FLAG_SIGNED) !== 0;
  if (request.encrypt === true || !isSigned || !protection.signer.verify(message)) {
    throw new SmbError(
      'INTEGRITY',
      'an answer is not the server’s: its signature or its encryption is missing or wrong',
    );
  }
}

export function cancelled({ command }: Request): SmbError {
  return new SmbError('CANCELLED', `${command} was cancelled`);
}
