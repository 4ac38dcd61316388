/** The least NBD client that can read, write, trim and flush: the demo's host, and the tests'. One request at a time. */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { Command, NBDMAGIC, Option, OPTION_MAGIC, REQUEST_MAGIC, REQUEST_SIZE } from './protocol.ts';

/** The server answered with an error; the connection goes on. */
export class NbdError extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`NBD error ${errno}`);
    this.errno = errno;
  }
}

export class NbdClient {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #count = 0;
  #wanted: { readonly count: number; readonly resolve: () => void } | undefined;
  #ended: Error | undefined;
  #reject: ((error: Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#count += bytes.length;
      if (this.#wanted !== undefined && this.#count >= this.#wanted.count) this.#wanted.resolve();
    });
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the NBD server hung up')));
  }

  /** Chooses an export the oldest way (NBD_OPT_EXPORT_NAME). */
  static async open(address: NetConnectOpts, exportName: string): Promise<NbdClient> {
    const client = new NbdClient(connect(address));
    const greeting = await client.#take(18);
    if (!greeting.subarray(0, 16).equals(NBDMAGIC)) throw new Error('this is no NBD server');
    const name = Buffer.from(exportName, 'utf8');
    const option = Buffer.alloc(20);
    option.writeUInt32BE(3, 0);
    OPTION_MAGIC.copy(option, 4);
    option.writeUInt32BE(Option.exportName, 12);
    option.writeUInt32BE(name.length, 16);
    client.#socket.write(Buffer.concat([option, name]));
    await client.#take(10);
    return client;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    await this.#request(Command.read, offset, length);
    return this.#take(length);
  }

  write(offset: number, data: Buffer): Promise<void> {
    return this.#request(Command.write, offset, data.length, data);
  }

  trim(offset: number, length: number): Promise<void> {
    return this.#request(Command.trim, offset, length);
  }

  flush(): Promise<void> {
    return this.#request(Command.flush, 0, 0);
  }

  close(): void {
    this.#socket.write(header(Command.disconnect, 0, 0));
    this.#socket.destroySoon();
  }

  /** @throws NbdError when the server refused it; Error when the connection is gone */
  async #request(type: number, offset: number, length: number, data?: Buffer): Promise<void> {
    this.#socket.write(header(type, offset, length));
    if (data !== undefined) this.#socket.write(data);
    const errno = (await this.#take(16)).readUInt32BE(4);
    if (errno !== 0) throw new NbdError(errno);
  }

  async #take(count: number): Promise<Buffer> {
    if (this.#count < count) {
      await new Promise<void>((resolve, reject) => {
        if (this.#ended !== undefined) reject(this.#ended);
        this.#wanted = { count, resolve };
        this.#reject = reject;
      });
    }
    this.#wanted = undefined;
    const all = Buffer.concat(this.#received);
    this.#received = [all.subarray(count)];
    this.#count -= count;
    return all.subarray(0, count);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#reject?.(this.#ended);
  }
}

function header(type: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(REQUEST_SIZE);
  bytes.writeUInt32BE(REQUEST_MAGIC, 0);
  bytes.writeUInt16BE(type, 6);
  bytes.writeBigUInt64BE(BigInt(offset), 16);
  bytes.writeUInt32BE(length, 24);
  return bytes;
}
