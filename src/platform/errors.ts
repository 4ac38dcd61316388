/**
 * An error that an operator can act on: what happened, to which thing, why, and what to do.
 * Every error that this program throws on purpose is one of these; a stable `code` lets callers decide.
 */
export class OperatorError extends Error {
  /** Stable, upper case with underscores; documented where it is thrown. */
  readonly code: string;
  /** The next step, a sentence. */
  readonly remedy: string;
  /** Whether the same attempt can succeed later without anyone's help. */
  readonly retryable: boolean;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'OperatorError';
    this.code = code;
    this.remedy = details.remedy ?? '';
    this.retryable = details.retryable ?? false;
  }
}

export interface ErrorDetails {
  readonly remedy?: string;
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** The `code` of an error of ours or of the operating system (`ENOSPC`), or `UNKNOWN`. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'UNKNOWN';
}

/** One line for a log or a status: the message, and the remedy when there is one. */
export function describeError(error: unknown): string {
  if (error instanceof OperatorError && error.remedy !== '') return `${error.message}; ${error.remedy}`;
  return error instanceof Error ? error.message : String(error);
}

/** A programmer's mistake: kept in production, because going on would be worse. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
