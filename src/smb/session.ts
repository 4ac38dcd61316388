/** NEGOTIATE and the log-on (MS-SMB2 3.2.4.2, 3.2.5.2, 3.2.5.3). */
import { randomBytes } from 'node:crypto';
import { Connection, type ConnectionOptions } from './connection.ts';
import type { Exchange } from './request.ts';
import { CIPHERS, DIALECT_210, DIALECT_311, type CipherName } from './crypto/algorithms.ts';
import { Encryption } from './crypto/encryption.ts';
import { deriveSessionKeys } from './crypto/keys.ts';
import { PreauthHash } from './crypto/preauth.ts';
import { Signer } from './crypto/signing.ts';
import { malformed, SmbError } from './errors.ts';
import { CREDIT_BYTES } from './limits.ts';
import { FLAG_SIGNED } from './messages/header.ts';
import { decodeValidateNegotiateResponse, encodeValidateNegotiateRequest } from './messages/ioctl.ts';
import {
  CAPABILITY_ENCRYPTION,
  CAPABILITY_LARGE_MTU,
  decodeNegotiateResponse,
  encodeNegotiateRequest,
  SIGNING_ENABLED,
  SIGNING_REQUIRED,
  type Negotiated,
  type NegotiateOffer,
} from './messages/negotiate.ts';
import {
  decodeSessionSetupResponse,
  encodeSessionSetupRequest,
  SESSION_ENCRYPTS,
  SESSION_IS_GUEST,
  SESSION_IS_NULL,
} from './messages/session-setup.ts';
import { NtlmLogon } from './ntlm/logon.ts';
import { firstSignature } from './ntlm/mic.ts';
import type { Account } from './ntlm/response.ts';
import { decodeNegTokenResp, encodeNegTokenInit, encodeNegTokenResp, MECHANISMS } from './spnego.ts';
import {
  STATUS_FILE_CLOSED,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_MORE_PROCESSING_REQUIRED,
  STATUS_NOT_SUPPORTED,
  STATUS_SUCCESS,
  statusError,
} from './status.ts';

export interface SessionOptions extends ConnectionOptions, Account {
  /** `when-demanded`: where the server or the share wants it. `required`: always, or not at all. */
  readonly encryption: 'when-demanded' | 'required';
  /** Those that may be used, best first; all unless given. */
  readonly ciphers?: readonly CipherName[];
  /** A session of this client whose connection was lost; the server closes what is still open of it. */
  readonly previousSessionId?: bigint | undefined;
}

/** A user who is logged on. Everything is signed or encrypted from here on. */
export interface Session {
  readonly connection: Connection;
  readonly negotiated: Negotiated;
  readonly offer: NegotiateOffer;
  /** For {@link SessionOptions.previousSessionId}. */
  readonly id: bigint;
  /** Everything of this session is encrypted. */
  readonly encrypts: boolean;
}

/** A log-on as it goes on. */
interface Logon {
  readonly connection: Connection;
  readonly negotiated: Negotiated;
  readonly options: SessionOptions;
  readonly signal: AbortSignal | undefined;
}

/** Both sides sign, always: what is not encrypted is at least not changed unseen. */
const SECURITY_MODE = SIGNING_ENABLED | SIGNING_REQUIRED;

/** @throws SmbError; the connection is closed then */
export async function openSession(options: SessionOptions, signal?: AbortSignal): Promise<Session> {
  const connection = await Connection.open(options, signal);
  try {
    const offer: NegotiateOffer = {
      clientGuid: randomBytes(16),
      capabilities: CAPABILITY_LARGE_MTU | CAPABILITY_ENCRYPTION,
      securityMode: SECURITY_MODE,
      salt: randomBytes(32),
      host: options.host,
      ciphers: options.ciphers ?? CIPHERS,
    };
    const exchange = await connection.request({
      command: 'negotiate',
      body: encodeNegotiateRequest(offer),
      signal,
    });
    expectSuccess(exchange, 'negotiating');
    const negotiated = decodeNegotiateResponse(exchange.message, offer);
    if (
      negotiated.maxWrite < CREDIT_BYTES ||
      negotiated.maxRead < CREDIT_BYTES ||
      negotiated.maxTransact < CREDIT_BYTES
    ) {
      throw malformed('a server that takes less than 64 KiB at once');
    }
    const preauth = new PreauthHash().with(exchange.sent).with([exchange.message]);
    const encrypts = await logOn({ connection, negotiated, options, signal }, preauth);
    return { connection, negotiated, offer, encrypts, id: connection.protection?.sessionId ?? 0n };
  } catch (error) {
    connection.end(error instanceof SmbError ? error : new SmbError('CONNECTION_LOST', String(error)));
    throw error;
  }
}

/** Returns whether everything is to be encrypted. */
async function logOn(logon: Logon, negotiatedHash: PreauthHash): Promise<boolean> {
  const { options } = logon;
  const ntlm = new NtlmLogon(options, `cifs/${options.host}`);
  const first = await exchangeTokens(logon, encodeNegTokenInit(ntlm.first()), {
    sessionId: 0n,
    preauth: negotiatedHash,
  });
  const { header, message } = first.exchange;
  if (header.status === STATUS_SUCCESS)
    throw malformed('a log-on that is complete before the password was proved');
  const challenge = decodeNegTokenResp(decodeSessionSetupResponse(message).token).response;
  if (challenge === undefined) throw malformed('a log-on without a challenge');
  const answer = ntlm.answer(challenge);
  const mechListMic = firstSignature(MECHANISMS, answer, 'client-to-server');
  const last = await exchangeTokens(logon, encodeNegTokenResp({ response: answer.message, mechListMic }), {
    sessionId: header.sessionId,
    preauth: first.preauth.with([message]),
  });
  if (last.exchange.header.status !== STATUS_SUCCESS)
    throw malformed('a log-on of more rounds than NTLM has');
  const proof = decodeNegTokenResp(decodeSessionSetupResponse(last.exchange.message).token).mechListMic;
  // Optional where the only mechanism was agreed on at once (RFC 4178 5).
  if (proof?.equals(firstSignature(MECHANISMS, answer, 'server-to-client')) === false) {
    throw new SmbError('INTEGRITY', 'the list of log-on mechanisms was changed on its way');
  }
  return protect(logon, last.exchange, { sessionKey: answer.sessionKey, preauth: last.preauth });
}

/** One SESSION_SETUP, and the hash over everything up to its request. */
async function exchangeTokens(
  { connection, options, signal }: Logon,
  token: Buffer,
  { sessionId, preauth }: { readonly sessionId: bigint; readonly preauth: PreauthHash },
): Promise<{ exchange: Exchange; preauth: PreauthHash }> {
  const previousSessionId = options.previousSessionId ?? 0n;
  const body = encodeSessionSetupRequest({ token, securityMode: SECURITY_MODE, previousSessionId });
  const exchange = await connection.request({ command: 'sessionSetup', body, sessionId, signal });
  const { status } = exchange.header;
  if (status !== STATUS_SUCCESS && status !== STATUS_MORE_PROCESSING_REQUIRED) {
    throw statusError(status, `logging on as ${options.user}`);
  }
  return { exchange, preauth: preauth.with(exchange.sent) };
}

/** Derives the keys, and checks with them that it was the server that let the user in (MS-SMB2 3.2.5.3.1, 3.2.5.3.3). */
function protect(
  { connection, negotiated, options }: Logon,
  { header, message }: Exchange,
  secrets: { readonly sessionKey: Buffer; readonly preauth: PreauthHash },
): boolean {
  const { flags } = decodeSessionSetupResponse(message);
  if ((flags & (SESSION_IS_GUEST | SESSION_IS_NULL)) !== 0) {
    throw new SmbError(
      'LOGON_FAILURE',
      `the server knows no ${options.user} and let him in as a guest, which is not used`,
    );
  }
  const { dialect, cipher, signing } = negotiated;
  const keys = deriveSessionKeys({
    dialect,
    cipher,
    sessionKey: secrets.sessionKey,
    preauth: secrets.preauth.value,
  });
  const signer = new Signer(signing, keys.signing);
  if ((header.flags & FLAG_SIGNED) === 0 || !signer.verify(message)) {
    throw new SmbError('INTEGRITY', 'the log-on was not confirmed by the server that it was made with');
  }
  const { sessionId } = header;
  const { sending, receiving } = keys;
  const encryption =
    cipher === undefined || sending === undefined || receiving === undefined
      ? undefined
      : new Encryption({ cipher, sessionId, sending, receiving });
  const encrypts = options.encryption === 'required' || (flags & SESSION_ENCRYPTS) !== 0;
  if (encrypts && encryption === undefined) throw noCipher();
  connection.protection = { sessionId, signer, encryption };
  return encrypts;
}

/**
 * Makes sure that nobody changed NEGOTIATE on its way, by asking again under a signature (MS-SMB2 3.2.5.5). SMB 3.1.1 has
 * the preauthentication hash instead.
 *
 * @throws SmbError `INTEGRITY`
 */
export async function validateNegotiation(
  session: Session,
  treeId: number,
  signal?: AbortSignal,
): Promise<void> {
  const { connection, negotiated, offer, encrypts } = session;
  if (negotiated.dialect === DIALECT_311) return;
  const body = encodeValidateNegotiateRequest(offer);
  const { header, message } = await connection.request({
    command: 'ioctl',
    body,
    treeId,
    encrypt: encrypts,
    signal,
  });
  // Servers that know no better say so; that they do is signed too.
  const ignorant = [STATUS_FILE_CLOSED, STATUS_INVALID_DEVICE_REQUEST, STATUS_NOT_SUPPORTED];
  if (negotiated.dialect === DIALECT_210 && ignorant.includes(header.status)) return;
  if (header.status !== STATUS_SUCCESS) throw statusError(header.status, 'validating the negotiation');
  const told = decodeValidateNegotiateResponse(message);
  const isSame =
    told.dialect === negotiated.dialect &&
    told.capabilities === negotiated.capabilities &&
    told.securityMode === negotiated.securityMode &&
    told.serverGuid.equals(negotiated.serverGuid);
  if (!isSame)
    throw new SmbError('INTEGRITY', 'the negotiation was changed on its way: somebody is in between');
}

/** The error where encryption is wanted that the server does not offer. */
export function noCipher(): SmbError {
  return new SmbError('UNSUPPORTED', 'encryption is required, but the server offers no cipher');
}

function expectSuccess({ header }: Exchange, action: string): void {
  if (header.status !== STATUS_SUCCESS) throw statusError(header.status, action);
}
