import { connect, createServer, type Server, type Socket } from 'node:net';
import { frameHeader, FrameReader } from '../../src/smb/wire/frames.ts';

/** What is done with a message on its way: what goes on instead. `send` may be called later too. */
export type OnMessage = (message: Buffer, send: (message: Buffer) => void) => void;

/** Somebody between client and server, who sees each message and may change, hold back, repeat or invent some. */
export class Tap {
  onRequest: OnMessage = (message, send) => send(message);
  onAnswer: OnMessage = (message, send) => send(message);
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(serverPort: number) {
    this.#server = createServer((client) => {
      const server = connect(serverPort, '127.0.0.1');
      this.#pass(client, server, (message, send) => this.onRequest(message, send));
      this.#pass(server, client, (message, send) => this.onAnswer(message, send));
    });
  }

  static async start(serverPort: number): Promise<Tap> {
    const tap = new Tap(serverPort);
    await new Promise<void>((resolve) => tap.#server.listen(0, '127.0.0.1', resolve));
    return tap;
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #pass(from: Socket, to: Socket, onMessage: OnMessage): void {
    const reader = new FrameReader(1 << 24);
    this.#sockets.add(from);
    from.on('data', (chunk) => {
      for (const message of reader.push(chunk)) {
        // A copy: what is held back would share its memory with what comes later.
        onMessage(Buffer.from(message), (sent) => to.write(Buffer.concat([frameHeader(sent.length), sent])));
      }
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
