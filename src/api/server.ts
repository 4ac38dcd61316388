/** The daemon's API: HTTP on a unix socket or a loopback port, for its CLI on the same machine. */
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify';
import type { ApiConfig } from '../config/config.ts';
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { nodeFiles } from '../platform/node/files.ts';
import { nodeRandom } from '../platform/node/random.ts';
import {
  CONNECTIONS_MAX,
  REQUEST_BODY_SIZE_MAX,
  REQUEST_HEADER_SIZE_MAX,
  REQUEST_TIME_MAX,
} from './contract/limits.ts';
import type { DaemonControl } from './control.ts';
import { removeEndpointFile, writeEndpointFile } from './endpoint-file.ts';
import { listen } from './listen.ts';
import { answerTo, RequestRefused } from './refusals.ts';
import { addRehearsalRoutes } from './rehearsal-routes.ts';
import { addRoutes } from './routes.ts';
import { addRoleRoutes } from './role-routes.ts';
import { addSeedRoutes } from './seed-routes.ts';
import { addVerificationRoutes } from './verification-routes.ts';
import { bearerMatches, TOKEN_SIZE } from './token.ts';

/** Milliseconds that a request under way has to finish when the API closes. */
const CLOSE_TIME_MAX = 2000;

export interface ApiOptions {
  readonly address: ApiConfig;
  /** Gets the endpoint file. */
  readonly stateFolder: string;
  readonly control: DaemonControl;
  readonly log: Log;
}

export interface Api {
  /** Takes no more requests, lets those under way finish for two seconds, and removes the endpoint file. */
  close(): Promise<void>;
}

/** @throws OperatorError `API_ADDRESS_IN_USE`, `API_ADDRESS_INVALID` */
export async function startApi({ address, stateFolder, control, log }: ApiOptions): Promise<Api> {
  const token = nodeRandom.bytes(TOKEN_SIZE).toString('hex');
  const app = createApp(token, log);
  addRoutes(app, control);
  addVerificationRoutes(app, control);
  addSeedRoutes(app, control);
  addRoleRoutes(app, control);
  addRehearsalRoutes(app, control);
  // Not app.listen(): the socket's rights must hold from the first moment.
  await app.ready();
  app.server.maxConnections = CONNECTIONS_MAX;
  const { address: listensAt, release } = await listen(app.server, address);
  const endpoint = { address: listensAt, token };
  try {
    writeEndpointFile(nodeFiles, stateFolder, endpoint);
  } catch (error) {
    await app.close();
    release();
    throw error;
  }
  log.info('the API is open', 'socket' in endpoint.address ? endpoint.address : { ...endpoint.address });

  return {
    async close() {
      removeEndpointFile(nodeFiles, stateFolder, endpoint);
      const impatience = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIME_MAX);
      await app.close();
      clearTimeout(impatience);
      release();
    },
  };
}

function tokenRefused(): RequestRefused {
  return new RequestRefused(
    401,
    'TOKEN_REFUSED',
    'the request carries no token, or not that of this run of the daemon',
    'take the token from api.json in the state folder',
  );
}

export function createApp(token: string, log: Log): FastifyInstance {
  const app = fastify({
    bodyLimit: REQUEST_BODY_SIZE_MAX,
    requestTimeout: REQUEST_TIME_MAX,
    exposeHeadRoutes: false,
    http: { maxHeaderSize: REQUEST_HEADER_SIZE_MAX },
    // An address that cannot be decoded comes to no hook and no handler.
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = answerTo(error);
      // Its type knows of no answer that every route could give.
      (reply as unknown as FastifyReply).code(status).send(body);
    },
  });
  // Before the body is read, and for addresses that do not exist too.
  app.addHook('onRequest', (request, _reply, done) => {
    done(bearerMatches(request.headers.authorization, token) ? undefined : tokenRefused());
  });
  app.setNotFoundHandler((request) => {
    throw new RequestRefused(
      404,
      'ADDRESS_UNKNOWN',
      `there is nothing at ${request.method} ${request.url}`,
      '',
    );
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, body } = answerTo(error);
    if (status >= 500) log.error('a request failed', { url: request.url, error: describeError(error) });
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    reply.code(status).send(body);
  });
  return app;
}
