/**
 * What an FTP server answered, or a socket did, as a transport says it. Reply codes are RFC 959 section 4.2 and RFC 2228's;
 * what servers mean by 550 and 451 only their texts tell, in words that differ from server to server.
 */
import { errorCode } from '../../platform/errors.ts';
import type { TransportError, TransportErrorCode } from '../transport.ts';
import {
  answerCode,
  COMMON_REMEDIES,
  serverError,
  type ErrorRules,
  type ServerErrorContext,
} from './server-errors.ts';

const REMEDIES: ErrorRules['remedies'] = {
  ...COMMON_REMEDIES,
  Auth: 'see that user and password are right and that the server lets this user write and rename there',
  Timeout:
    'see that the server is up and that no firewall drops its ports, the passive ones included; it is tried again',
  ConnectionLost: 'see that the server is up and can be reached, on its passive ports too; it is tried again',
  Integrity:
    'give the certificate of the authority that signed it, or its SHA-256 fingerprint, if this is the server that you expect',
  Protocol:
    'see that this is an FTP server and that tls (none, explicit, implicit) is what it offers on this port',
};

/** A {@link TransportError} stays as it is. */
export function ftpError(error: unknown, context: ServerErrorContext): TransportError {
  return serverError(error, context, { classify, remedies: REMEDIES });
}

/** Of a certificate that was refused: Node's names for OpenSSL's X509_V_ERR_*, and its own. */
const CERTIFICATE =
  /^(?:CERT_|CRL_|UNABLE_TO_|ERROR_IN_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT|INVALID_|PATH_LENGTH|HOSTNAME_MISMATCH)/;

function classify(error: unknown, text: string): TransportErrorCode {
  const reply = answerCode(error) ?? quotedReply(text);
  if (reply !== undefined) return classifyReply(reply, text);
  const system = errorCode(error);
  // A refused certificate reaches us as a bare string where TLS was begun on an open connection.
  if (CERTIFICATE.test(system) || CERTIFICATE.test(text)) return 'Integrity';
  const all = `${system} ${text}`;
  if (/timeout|timed ?out/i.test(all)) return 'Timeout';
  if (/Maximum bytes exceeded/.test(text)) return 'TooLarge';
  return /E(?:CONN|PIPE|NET|HOST|NOTFOUND|AI_AGAIN)|PREMATURE_CLOSE|DESTROYED|FIN packet|closed|disconnected/.test(
    all,
  )
    ? 'ConnectionLost'
    : 'Protocol';
}

/** When no way to open a data connection works, basic-ftp puts the last reply into the text of another error. */
function quotedReply(text: string): number | undefined {
  const match = /FTPError: (\d{3}) /.exec(text);
  return match === null ? undefined : Number(match[1]);
}

const NO_SPACE = /space|quota|disk full|storage|exceeded/i;
const TOO_MANY = /too many|maximum|try again|limit/i;
const ABSENT = /no such|not found|not exist|cannot find|failed to change|can't change/i;

function classifyReply(code: number, text: string): TransportErrorCode {
  switch (code) {
    case 421:
      return 'Busy';
    case 425:
    case 426:
      return 'ConnectionLost';
    case 450:
      return 'Busy';
    case 451:
      // Of a disk that fills up vsftpd and pure-ftpd say no more than that writing failed, and proftpd calls it EIO.
      return NO_SPACE.test(text) || /writ|input.output/i.test(text) ? 'NoSpace' : 'Busy';
    case 452:
    case 552:
      return 'NoSpace';
    case 430:
    case 530:
    case 532:
      return TOO_MANY.test(text) ? 'Busy' : 'Auth';
    case 521:
    case 522:
    case 533:
    case 534:
    case 535:
    case 536:
    case 537:
      return 'Auth';
    case 550:
    case 553:
      if (NO_SPACE.test(text)) return 'NoSpace';
      return ABSENT.test(text) ? 'NotFound' : 'Auth';
    default:
      return 'Protocol';
  }
}
