import type { Transport } from '../../src/transfer/transport.ts';
import { LocalFiles, never, type TransportBench } from './transport-bench.ts';

/** What one run of the suite tests: a bench, started before its first test and stopped behind its last. */
export class Subject<Bench extends TransportBench = TransportBench> {
  readonly local = new LocalFiles();
  readonly #start: () => Promise<Bench>;
  #running: { readonly bench: Bench; readonly transport: Transport } | undefined;

  constructor(start: () => Promise<Bench>) {
    this.#start = start;
  }

  get bench(): Bench {
    return this.#required().bench;
  }

  get transport(): Transport {
    return this.#required().transport;
  }

  async start(): Promise<void> {
    const bench = await this.#start();
    this.#running = { bench, transport: bench.open() };
  }

  async stop(): Promise<void> {
    await this.#running?.transport.close();
    await this.#running?.bench.stop();
    this.local.remove();
  }

  put(content: Buffer, name: string): Promise<void> {
    return this.transport.put(this.local.make(content), name, { signal: never });
  }

  #required(): { readonly bench: Bench; readonly transport: Transport } {
    if (this.#running === undefined) throw new Error('the bench is not started');
    return this.#running;
  }
}
