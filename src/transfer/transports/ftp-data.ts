/** What an FTP data connection is fed with. */
import { Readable, type Writable } from 'node:stream';
import { TransportError } from '../transport.ts';

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

/** Resolves when the bytes are the system's, and their memory may be used again. */
export function written(socket: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}
