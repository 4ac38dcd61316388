/** FTP's data connections: what they are fed with, and who hears of their errors. */
import { Readable, Writable } from 'node:stream';
import type { Client, FTPContext, FTPResponse } from 'basic-ftp';
import { TransportError } from '../transport.ts';

/** Bytes that may wait to be taken. */
const RECEIVE_AHEAD = 1 << 20;

/**
 * The source that basic-ftp is given. It has no bytes itself: they are written to the data connection by `send`, which begins
 * when basic-ftp first asks, and the source ends when that is done. Handed on as a stream's chunks the bytes could not be
 * read into memory that is used again.
 */
export class DataSender {
  readonly stream: Readable;
  /** Where `send` ended. */
  position = 0;
  /** Why it failed, where that lies on this side. */
  failure: TransportError | undefined;

  constructor(send: () => Promise<number>) {
    let begun = false;
    this.stream = new Readable({
      read: () => {
        if (begun) return;
        begun = true;
        void this.#run(send);
      },
      // A failed data connection destroys its source with that error, on which basic-ftp would close the control connection.
      destroy: (_error, done) => done(null),
    });
  }

  async #run(send: () => Promise<number>): Promise<void> {
    try {
      this.position = await send();
      this.stream.push(null);
    } catch (error) {
      if (error instanceof TransportError) this.failure = error;
      this.stream.destroy();
    }
  }
}

/**
 * Where basic-ftp is given what arrives. Pieces of some KiB come in; they are gathered while the ones before are taken, and
 * the server is held up while they are.
 */
export class DataReceiver {
  readonly stream: Writable;
  /** Why `take` failed, where that lies on this side. */
  failure: TransportError | undefined;
  #taking: Promise<void> = Promise.resolve();

  constructor(take: (bytes: Buffer) => Promise<void>) {
    this.stream = new Writable({
      highWaterMark: RECEIVE_AHEAD,
      writev: (pieces, done) => {
        const bytes = pieces.map(({ chunk }) => chunk as Buffer);
        this.#taking = take(Buffer.concat(bytes)).then(
          () => done(),
          (error: unknown) => {
            if (error instanceof TransportError) this.failure ??= error;
            done(error instanceof Error ? error : new Error(String(error)));
          },
        );
      },
    });
  }

  /** Resolves when nothing is taken any more, whatever became of the connection. */
  settled(): Promise<void> {
    return this.#taking;
  }
}

/** Resolves when the bytes are the system's, and their memory may be used again. */
export function written(socket: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

/**
 * basic-ftp closes the control connection as soon as a data connection fails, and with it goes the reply that says why: that
 * the disk is full, or that there is no such file. So a data connection's errors are left to the transfer alone.
 */
export function keepControlConnection(client: Client): void {
  let prepare = client.prepareTransfer;
  const watched = async (context: FTPContext): Promise<FTPResponse> => {
    const response = await prepare(context);
    // The first call replaces itself by whichever way of opening a data connection worked.
    if (client.prepareTransfer !== watched) prepare = client.prepareTransfer;
    client.prepareTransfer = watched;
    const socket = context.dataSocket;
    const onClose = socket?.listeners('close').at(-1);
    socket?.removeAllListeners('error').on('error', () => undefined);
    if (onClose !== undefined) socket?.removeListener('close', onClose as () => void);
    return response;
  };
  client.prepareTransfer = watched;
}
