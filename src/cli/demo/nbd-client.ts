/** The least NBD client that can write, flush and say goodbye; the demo's host. One request at a time. */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import {
  Command,
  NBDMAGIC,
  Option,
  OPTION_MAGIC,
  REQUEST_MAGIC,
  REQUEST_SIZE,
} from '../../capture/nbd/protocol.ts';

export class NbdClient {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #wanted:
    | {
        readonly count: number;
        readonly resolve: (bytes: Buffer) => void;
        readonly reject: (error: Error) => void;
      }
    | undefined;
  #cookie = 0n;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#deliver();
    });
    socket.on('error', (error) => this.#wanted?.reject(error));
    socket.on('close', () => this.#wanted?.reject(new Error('the NBD server hung up')));
  }

  /** Chooses an export the oldest way (NBD_OPT_EXPORT_NAME). */
  static async open(address: NetConnectOpts, exportName: string): Promise<NbdClient> {
    const client = new NbdClient(connect(address));
    const greeting = await client.#read(18);
    if (!greeting.subarray(0, 16).equals(NBDMAGIC)) throw new Error('this is no NBD server');
    const name = Buffer.from(exportName, 'utf8');
    const option = Buffer.alloc(12);
    option.writeUInt32BE(3, 0);
    OPTION_MAGIC.copy(option, 4);
    const rest = Buffer.alloc(8);
    rest.writeUInt32BE(Option.exportName, 0);
    rest.writeUInt32BE(name.length, 4);
    client.#socket.write(Buffer.concat([option, rest, name]));
    await client.#read(10);
    return client;
  }

  write(offset: number, data: Buffer): Promise<void> {
    return this.#request(Command.write, offset, data.length, data);
  }

  flush(): Promise<void> {
    return this.#request(Command.flush, 0, 0);
  }

  close(): void {
    this.#socket.end(this.#header(Command.disconnect, 0, 0));
  }

  async #request(type: number, offset: number, length: number, data?: Buffer): Promise<void> {
    this.#socket.write(this.#header(type, offset, length));
    if (data !== undefined) this.#socket.write(data);
    const reply = await this.#read(16);
    const errno = reply.readUInt32BE(4);
    if (errno !== 0) throw new Error(`NBD command ${type} failed with error ${errno}`);
  }

  #header(type: number, offset: number, length: number): Buffer {
    const header = Buffer.alloc(REQUEST_SIZE);
    header.writeUInt32BE(REQUEST_MAGIC, 0);
    header.writeUInt16BE(type, 6);
    header.writeBigUInt64BE((this.#cookie += 1n), 8);
    header.writeBigUInt64BE(BigInt(offset), 16);
    header.writeUInt32BE(length, 24);
    return header;
  }

  #read(count: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#wanted = { count, resolve, reject };
      this.#deliver();
    });
  }

  #deliver(): void {
    const wanted = this.#wanted;
    if (wanted === undefined || this.#received.length < wanted.count) return;
    this.#wanted = undefined;
    const bytes = this.#received.subarray(0, wanted.count);
    this.#received = this.#received.subarray(wanted.count);
    wanted.resolve(bytes);
  }
}
