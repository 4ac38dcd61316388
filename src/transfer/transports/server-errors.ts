/** What a server answered, or its connection did, as a transport says it. What the answers mean each protocol knows itself. */
import { TransportError, type TransportErrorCode } from '../transport.ts';

export interface ServerErrorContext {
  /** The server's description. */
  readonly server: string;
  /** What was being done: `sending inbox/NAME.seg`. */
  readonly action: string;
}

/** What a protocol knows of its errors. */
export interface ErrorRules {
  readonly classify: (error: unknown, text: string) => TransportErrorCode;
  readonly remedies: Readonly<Partial<Record<TransportErrorCode, string>>>;
}

/** Remedies that hold for a server of any protocol. */
export const COMMON_REMEDIES = {
  NotFound: 'see that the path is the one the server shows after the login, and that its disk is mounted',
  NoSpace: 'make room on the server, or raise the quota; sending goes on by itself',
  Busy: 'the server has no room for this connection or file now; it is tried again',
} as const;

/** A {@link TransportError} stays as it is. */
export function serverError(
  error: unknown,
  { server, action }: ServerErrorContext,
  { classify, remedies }: ErrorRules,
): TransportError {
  if (error instanceof TransportError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = classify(error, text);
  // A library's own hints are of no use to an operator, and answers may have several lines.
  const line = text.replace(/\s+/g, ' ').slice(0, 200).trim();
  return new TransportError(code, `${server}: ${action}: ${line}`, {
    remedy: remedies[code] ?? '',
    cause: error,
  });
}

/** The reply or status code when the error is a server's answer. */
export function answerCode(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}
