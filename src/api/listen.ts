/** Where the API listens: a unix socket that only the daemon's user can open, or a loopback port. */
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import type { ApiConfig } from '../config/config.ts';
import { SOCKET_PATH_MAX } from '../config/limits.ts';
import { errorCode, OperatorError } from '../platform/errors.ts';
import { nodeFiles } from '../platform/node/files.ts';
import { listenOnLocalSocket } from '../platform/node/local-socket.ts';
import type { EndpointAddress } from './contract/endpoint.ts';

export interface Listening {
  /** As clients must name it. */
  readonly address: EndpointAddress;
  /** To be called once the server is closed: the address is free for another daemon. */
  readonly release: () => void;
}

/** @throws OperatorError `API_ADDRESS_IN_USE`, `API_ADDRESS_INVALID` */
export async function listen(server: Server, address: ApiConfig): Promise<Listening> {
  if (address.kind === 'socket') {
    const release = await listenOnSocket(server, address.path);
    return { address: { socket: address.path }, release };
  }
  await listeningOnPort(server, address);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return { address: { host: address.host, port }, release: () => undefined };
}

async function listenOnSocket(server: Server, path: string): Promise<() => void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new OperatorError(
      'API_ADDRESS_INVALID',
      `the API's socket ${path} has a path of ${Buffer.byteLength(path)} bytes; ${SOCKET_PATH_MAX} are possible`,
      { remedy: 'set api.socket to a shorter path' },
    );
  }
  nodeFiles.makeDirectory(dirname(path));
  const socket = await listenOnLocalSocket(server, path);
  switch (socket.kind) {
    case 'listening':
      return socket.close;
    case 'in-use':
      throw inUse(path);
    case 'not-a-socket':
      throw new OperatorError(
        'API_ADDRESS_INVALID',
        `${path}, where the API's socket should be, is not a socket`,
        { remedy: 'set api.socket to another path, or move that file away' },
      );
  }
}

function listeningOnPort(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      server.off('listening', done);
      reject(errorCode(error) === 'EADDRINUSE' ? inUse(host) : error);
    };
    const done = (): void => {
      server.off('error', failed);
      resolve();
    };
    server.once('error', failed);
    server.once('listening', done);
    server.listen(port, host);
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
