/** Talks to the running daemon: finds it by its endpoint file, proves itself by the token, parses what it answers. */
import { readFileSync, statSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { z } from 'zod';
import {
  ENDPOINT_FILE,
  endpointSchema,
  type Endpoint,
  type EndpointAddress,
} from '../api/contract/endpoint.ts';
import { apiErrorSchema } from '../api/contract/error.ts';
import { ANSWER_SIZE_MAX, ENDPOINT_FILE_SIZE_MAX } from '../api/contract/limits.ts';
import { errorCode } from '../platform/errors.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

/** Milliseconds. A marker waits for the journal to be durable, on a disk that may be busy. */
const ANSWER_TIME_MAX = { GET: 10_000, POST: 60_000, DELETE: 60_000 } as const;

const REPLACE_ENDPOINT = 'stop the daemon if it runs, remove that file and start it again';

export interface Question<T> {
  readonly method: keyof typeof ANSWER_TIME_MAX;
  readonly path: string;
  readonly body?: unknown;
  readonly answer: z.ZodType<T>;
  /** Milliseconds, where the answer may take longer than others. */
  readonly patience?: number;
}

/**
 * @throws CommandError `DAEMON_UNREACHABLE`, `TOKEN_REFUSED`, `ANSWER_INVALID`, or the daemon's own refusal with its code
 */
export async function ask<T>(stateFolder: string, question: Question<T>): Promise<T> {
  const endpoint = readEndpoint(stateFolder);
  const { status, text } = await exchange(endpoint, question).catch((error: unknown) => {
    if (error instanceof CommandError) throw error;
    throw unreachable(
      `no daemon answers at ${addressText(endpoint.address)} (${reasonText(error)}), though one left its address in ${stateFolder}`,
      question.method === 'GET'
        ? 'see its log, and start it again if it has ended'
        : 'see its log and start it again if it has ended; what was asked for may have been done all the same',
    );
  });
  if (status >= 400) throw refusal(status, text, stateFolder);
  return parse(question.answer, text);
}

function readEndpoint(stateFolder: string): Endpoint {
  const path = join(stateFolder, ENDPOINT_FILE);
  let text: string;
  try {
    if (statSync(path).size > ENDPOINT_FILE_SIZE_MAX) throw new RangeError('it is too long');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw noEndpoint(path, error);
  }
  try {
    return endpointSchema.parse(JSON.parse(text));
  } catch {
    throw unreachable(`${path} is not what a daemon writes there`, REPLACE_ENDPOINT);
  }
}

function noEndpoint(path: string, error: unknown): CommandError {
  const code = errorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return unreachable(
      `no daemon runs with this state folder: there is no ${path}`,
      'start it with "blockferry serve --config FILE", or name its state folder by --state DIR or BLOCKFERRY_STATE',
    );
  }
  const remedy =
    code === 'EACCES' || code === 'EPERM'
      ? 'run this command as the user that the daemon runs as'
      : REPLACE_ENDPOINT;
  return unreachable(`the daemon's address cannot be read from ${path} (${reasonText(error)})`, remedy);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function exchange<T>(endpoint: Endpoint, { method, path, body, patience }: Question<T>): Promise<Answer> {
  const content = body === undefined ? undefined : JSON.stringify(body);
  const { address } = endpoint;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...('socket' in address
          ? { socketPath: address.socket }
          : { host: address.host, port: address.port }),
        method,
        path,
        agent: false,
        headers: {
          authorization: `Bearer ${endpoint.token}`,
          ...(content === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
        },
        signal: AbortSignal.timeout(patience ?? ANSWER_TIME_MAX[method]),
      },
      (incoming) => {
        collect(incoming).then((text) => resolve({ status: incoming.statusCode ?? 0, text }), reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(content);
  });
}

async function collect(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_SIZE_MAX) throw notUnderstood(`it has more than ${ANSWER_SIZE_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refusal(status: number, text: string, stateFolder: string): CommandError {
  const { code, message, remedy } = parse(apiErrorSchema, text);
  if (status === 401) {
    return new CommandError(
      ExitCode.unreachable,
      code,
      `the daemon refuses the token in ${join(stateFolder, ENDPOINT_FILE)}: it is of another run`,
      'run this again; if that does not help, another daemon uses the same address: give each its own under api',
    );
  }
  if (code === 'CONFIG_INVALID') return new CommandError(ExitCode.invalid, code, message, remedy);
  if (code === 'GROUP_UNKNOWN') return new CommandError(ExitCode.groupUnknown, code, message, remedy);
  return new CommandError(status === 409 ? ExitCode.declined : ExitCode.failure, code, message, remedy);
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw notUnderstood('it is not JSON');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw notUnderstood(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function notUnderstood(why: string): CommandError {
  return new CommandError(
    ExitCode.invalid,
    'ANSWER_INVALID',
    `the daemon's answer is not understood: ${why}`,
    'use the blockferry command of the same version as the daemon',
  );
}

function unreachable(message: string, remedy: string): CommandError {
  return new CommandError(ExitCode.unreachable, 'DAEMON_UNREACHABLE', message, remedy);
}

function addressText(address: EndpointAddress): string {
  if ('socket' in address) return address.socket;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function reasonText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const known: Record<string, string> = {
    ECONNREFUSED: 'connection refused',
    ENOENT: 'its socket is gone',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    ECONNRESET: 'connection closed',
    ABORT_ERR: 'no answer in time',
  };
  return known[errorCode(error)] ?? error.message;
}
