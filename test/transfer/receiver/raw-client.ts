import { connect, type Socket } from 'node:net';
import { PASSWORD, USER, until } from './fixture.ts';

/** From where, and to where. */
export interface Way {
  readonly localAddress?: string;
  readonly host?: string;
}

/** A client that says whatever it is told to. */
export class RawClient {
  socket: Socket;
  #text = '';
  #wake: () => void = () => undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.listen(socket);
  }

  static async dial(site: { port: number }, way: Way = {}): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port: site.port, ...way });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) =>
      socket.once('connect', () => resolve()).once('error', reject),
    );
    return client;
  }

  /** With the greeting read. */
  static async connect(site: { port: number }, way: Way = {}): Promise<RawClient> {
    const client = await RawClient.dial(site, way);
    const greeting = await client.reply();
    if (!greeting.startsWith('220')) throw new Error(greeting);
    return client;
  }

  static async loggedIn(site: { port: number }, options: Way = {}): Promise<RawClient> {
    const client = await RawClient.connect(site, options);
    await client.command(`USER ${USER}`);
    const answer = await client.command(`PASS ${PASSWORD}`);
    if (!answer.startsWith('230')) throw new Error(answer);
    return client;
  }

  listen(socket: Socket): void {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  write(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** The next reply, or `closed`. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:(\d{3})-[^]*?\r\n\1 |\d{3} )[^\r\n]*\r\n/.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length);
        return match[0].trimEnd();
      }
      if (this.#closed) return 'closed';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  command(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** Says PASV and connects there. */
  async data(options: Way = {}): Promise<Socket> {
    return openData(passivePort(await this.command('PASV')), options);
  }

  /** A whole upload by `verb`, with the closing reply. */
  async upload(verb: string, bytes: Buffer): Promise<string> {
    const data = await this.data();
    const answer = await this.command(verb);
    if (!answer.startsWith('150')) {
      data.destroy();
      return answer;
    }
    data.end(bytes);
    return this.reply();
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await until(() => this.#closed);
  }
}

export function passivePort(answer: string): number {
  const match = /\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)/.exec(answer);
  if (match === null) throw new Error(answer);
  return Number(match[5]) * 256 + Number(match[6]);
}

export async function openData(port: number, options: Way = {}): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, ...options });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    socket.once('connect', () => resolve());
    socket.once('close', () => resolve());
  });
  return socket;
}
