import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../platform/clock.ts';
import { assert } from '../../platform/errors.ts';
import { DATA_CONNECT_TIME, DATA_IDLE_TIME, DATA_LINGER_TIME } from './limits.ts';
import { Refusal, reply } from './reply.ts';
import { secure } from './secure.ts';
import type { SessionState } from './state.ts';

/** One data connection, from the transfer command to its reply. */
export class Transfer {
  readonly #session: SessionState;
  readonly #abort = new AbortController();
  #socket: Socket | undefined;

  /**
   * Waits for the client's connection to the passive port.
   * @throws Refusal 425 when there is none, 521 when data must be protected and is not
   */
  static async begin(session: SessionState): Promise<Transfer> {
    const { passive, services } = session;
    if (services.tlsRequired && !session.protectData) {
      throw new Refusal(521, 'Data connections must be TLS here: say PBSZ 0 and PROT P first');
    }
    if (passive === undefined) throw new Refusal(425, 'Say PASV or EPSV first');
    session.passive = undefined;
    const transfer = new Transfer(session);
    const socket = await passive.take(services.clock, DATA_CONNECT_TIME, transfer.signal);
    if (socket === undefined) {
      transfer.#release();
      throw new Refusal(425, 'No data connection came from your address');
    }
    session.dataConnections.add(socket);
    socket.once('close', () => session.dataConnections.delete(socket));
    transfer.#socket = socket;
    return transfer;
  }

  private constructor(session: SessionState) {
    this.#session = session;
    session.abortTransfer = this.end;
    session.control.gone.addEventListener('abort', this.end);
    if (session.control.gone.aborted || session.control.abortWaits) this.end();
  }

  /** Aborted by ABOR, by the end of the control connection, and by `end`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  readonly end = (): void => this.#abort.abort();

  /** Answers 150 and gives the connection, in TLS if it is to be. @throws Refusal 425 */
  async open(): Promise<Duplex> {
    const { control, services, protectData } = this.#session;
    const socket = this.#socket;
    assert(socket !== undefined, 'a transfer is opened once, after its connection came');
    await control.send(reply(150, 'Go on'));
    if (!protectData || services.secureContext === undefined) return socket;
    const cut = (): void => void socket.destroy();
    this.signal.addEventListener('abort', cut);
    const data = await secure(socket, services.secureContext, services.clock);
    this.signal.removeEventListener('abort', cut);
    if (data === undefined) throw new Refusal(425, 'No TLS came about on the data connection');
    this.#socket = data;
    return data;
  }

  close(refused: boolean): void {
    this.#release();
    const data = this.#socket;
    if (data === undefined) return;
    if (refused) {
      this.#session.refuseData(data);
    } else {
      data.resume();
      this.#session.closeDataWithin(data, DATA_LINGER_TIME);
    }
  }

  #release(): void {
    this.#session.control.gone.removeEventListener('abort', this.end);
    this.#session.abortTransfer = () => undefined;
  }
}

/**
 * Sends all of a listing or a file and ends the data connection.
 * @throws Refusal 426 when the client closes it first, does not read for too long, or `signal` aborts
 */
export async function sendAll(
  data: Duplex,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const cut = (): void => void data.destroy();
  options.signal.addEventListener('abort', cut, { once: true });
  let timer = options.clock.after(DATA_IDLE_TIME, cut);
  try {
    if (options.signal.aborted) cut();
    for await (const chunk of chunks) {
      await settled(data, (done) => data.write(chunk, done));
      timer.cancel();
      timer = options.clock.after(DATA_IDLE_TIME, cut);
    }
    await settled(data, (done) => data.end(done));
  } finally {
    timer.cancel();
    options.signal.removeEventListener('abort', cut);
  }
}

function settled(data: Duplex, act: (done: (error?: Error | null) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const cut = (): void => reject(new Refusal(426, 'The data connection was cut'));
    if (data.destroyed) {
      cut();
      return;
    }
    data.once('close', cut);
    act((error) => {
      data.off('close', cut);
      if (error instanceof Error) cut();
      else resolve();
    });
  });
}
