/** What goes wrong in a request, as the HTTP status and JSON that answer it. */
import { OperatorError } from '../platform/errors.ts';
import type { ApiError } from './contract/error.ts';

/** A request that is refused before the daemon is asked. */
export class RequestRefused extends OperatorError {
  readonly status: 400 | 401 | 404;

  constructor(status: 400 | 401 | 404, code: string, message: string, remedy: string) {
    super(code, message, { remedy });
    this.name = 'RequestRefused';
    this.status = status;
  }
}

export function groupUnknown(name: string): RequestRefused {
  return new RequestRefused(
    404,
    'GROUP_UNKNOWN',
    `this daemon has no group ${name}`,
    '"blockferry status" lists the groups that it has',
  );
}

export interface Answer {
  readonly status: number;
  readonly body: ApiError;
}

/**
 * The daemon's own errors are 404 for a group that it does not have and 409 otherwise: the request was understood, the
 * group cannot do it as it is. Fastify's (a body too long, not JSON) keep their status. The rest is our mistake.
 */
export function answerTo(error: unknown): Answer {
  if (error instanceof OperatorError) {
    const body = { code: error.code, message: error.message, remedy: error.remedy };
    if (error instanceof RequestRefused) return { status: error.status, body };
    return { status: error.code === 'GROUP_UNKNOWN' ? 404 : 409, body };
  }
  if (
    error instanceof Error &&
    'statusCode' in error &&
    typeof error.statusCode === 'number' &&
    error.statusCode < 500
  ) {
    return {
      status: error.statusCode,
      body: { code: 'REQUEST_INVALID', message: error.message, remedy: '' },
    };
  }
  return {
    status: 500,
    body: {
      code: 'INTERNAL',
      message: 'the daemon failed to answer because of a mistake in its program',
      remedy: 'its log has the details; please report them',
    },
  };
}
