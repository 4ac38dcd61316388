/** Where the API listens: a unix socket that only the daemon's user can open, or a loopback port. */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import type { ApiConfig } from '../config/config.ts';
import { errorCode, OperatorError } from '../platform/errors.ts';
import { nodeFiles } from '../platform/node/files.ts';
import type { EndpointAddress } from './contract/endpoint.ts';

/** Bytes of a unix socket's path: `sun_path` has 108 with the final zero. */
const SOCKET_PATH_MAX = 107;
/** Milliseconds for whoever may still listen on a socket to take a connection. */
const PROBE_TIME_MAX = 2000;

/**
 * @returns the address as clients must name it
 * @throws OperatorError `API_ADDRESS_IN_USE`, `API_ADDRESS_INVALID`
 */
export async function listen(server: Server, address: ApiConfig): Promise<EndpointAddress> {
  if (address.kind === 'socket') {
    await listenOnSocket(server, address.path);
    return { socket: address.path };
  }
  await listening(server, address.host, () => server.listen(address.port, address.host));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return { host: address.host, port };
}

async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new OperatorError(
      'API_ADDRESS_INVALID',
      `the API's socket ${path} has a path of ${Buffer.byteLength(path)} bytes; ${SOCKET_PATH_MAX} are possible`,
      { remedy: 'set api.socket to a shorter path' },
    );
  }
  nodeFiles.makeDirectory(dirname(path));
  await removeStale(path);
  await listening(server, path, () => {
    // listen() binds at once for a primary process, so the socket is never there with wider rights.
    const mask = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(mask);
    }
  });
}

/** A daemon that was killed leaves its socket behind: nobody answers on it, so it goes. Anything else stays. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new OperatorError(
      'API_ADDRESS_INVALID',
      `${path}, where the API's socket should be, is not a socket`,
      {
        remedy: 'set api.socket to another path, or move that file away',
      },
    );
  }
  if (await answers(path)) throw inUse(path);
  unlinkSync(path);
}

/** Only a refused connection says that nobody listens; a busy or forbidden socket is somebody's. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const finish = (result: boolean): void => {
      probe.destroy();
      resolve(result);
    };
    probe.setTimeout(PROBE_TIME_MAX, () => finish(true));
    probe.once('connect', () => finish(true));
    probe.once('error', (error) => finish(!['ECONNREFUSED', 'ENOENT'].includes(errorCode(error))));
  });
}

function listening(server: Server, where: string, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      server.off('listening', done);
      reject(errorCode(error) === 'EADDRINUSE' ? inUse(where) : error);
    };
    const done = (): void => {
      server.off('error', failed);
      resolve();
    };
    server.once('error', failed);
    server.once('listening', done);
    start();
  });
}

function inUse(where: string): OperatorError {
  return new OperatorError(
    'API_ADDRESS_IN_USE',
    `another program, most likely another daemon, listens on ${where}`,
    {
      remedy: 'stop it, or give this one an address of its own under api',
    },
  );
}
