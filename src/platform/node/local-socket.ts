/** Listening on a unix socket that only this user can open, one program at a time; on Windows on a named pipe. */
import { chmodSync, lstatSync, mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { errorCode } from '../errors.ts';
import { lockFile } from './lock.ts';

/** Milliseconds for whoever may still listen on a socket to take a connection. */
const PROBE_TIME_MAX = 2000;

/** `in-use`: somebody listens there, or is about to. `not-a-socket`: something else is there, and stays. */
export type LocalSocket =
  { readonly kind: 'listening'; readonly close: () => void } | { readonly kind: 'in-use' | 'not-a-socket' };

/**
 * The socket is made in a folder that nobody else can enter and then gets its name, so that it is never there with wider
 * rights (a umask is no way: it is the process's, and its threads make files of their own). `PATH.d/s` must therefore
 * fit into a socket's address. `PATH.lock` stays locked until `close`, which is to be called after the server was
 * closed: of two programs that start at one time one gets the socket, and the socket file that it finds under the lock
 * is left over from a crash when nobody answers on it.
 * @throws the file system's and the network's errors
 */
export async function listenOnLocalSocket(server: Server, path: string): Promise<LocalSocket> {
  if (process.platform === 'win32') return listenOnPipe(server, path);
  const lock = lockFile(`${path}.lock`);
  if (lock === undefined) return { kind: 'in-use' };
  try {
    const obstacle = await obstacleAt(path);
    if (obstacle !== undefined) {
      lock.release();
      return { kind: obstacle };
    }
    await listenPrivately(server, path);
  } catch (error) {
    lock.release();
    throw error;
  }
  let listens = true;
  const close = (): void => {
    // The second time another program may have it.
    if (listens) rmSync(path, { force: true });
    listens = false;
    lock.release();
  };
  return { kind: 'listening', close };
}

async function obstacleAt(path: string): Promise<'in-use' | 'not-a-socket' | undefined> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (!found.isSocket()) return 'not-a-socket';
  return (await answers(path)) ? 'in-use' : undefined;
}

async function listenPrivately(server: Server, path: string): Promise<void> {
  const folder = `${path}.d`;
  const made = join(folder, 's');
  // Of a start that was killed. What is not ours keeps the folder, and the next line fails.
  rmSync(made, { force: true });
  if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) rmdirSync(folder);
  mkdirSync(folder, { mode: 0o700 });
  try {
    await listening(server, made);
    chmodSync(made, 0o600);
    renameSync(made, path);
  } catch (error) {
    if (server.listening) server.close();
    rmSync(made, { force: true });
    throw error;
  } finally {
    rmdirSync(folder);
  }
}

/** The system itself gives a pipe's name to one program only. */
async function listenOnPipe(server: Server, path: string): Promise<LocalSocket> {
  try {
    await listening(server, path);
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') return { kind: 'in-use' };
    throw error;
  }
  return { kind: 'listening', close: () => undefined };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      server.off('listening', done);
      reject(error);
    };
    const done = (): void => {
      server.off('error', failed);
      resolve();
    };
    server.once('error', failed);
    server.once('listening', done);
    server.listen(path);
  });
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
