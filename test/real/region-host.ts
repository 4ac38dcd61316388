/** A host with a region of its own: it writes, trims and flushes, comes back after every cut, and first reads what is there. */
import type { Random } from '../../src/platform/random.ts';
import { seededRandom } from '../support/random.ts';
import { pause } from '../support/site-pair.ts';
import { NbdError, NbdClient } from '../../src/nbd/client.ts';
import { SECTOR, WriteHistory } from './write-history.ts';

const ENOSPC = 28;
const READ_PIECE = 1024 * 1024;
/** A few writes are longer than what is promised to be there whole or not at all. */
const SECTORS_MAX = 192;

export interface RegionHostOptions {
  readonly number: number;
  readonly socket: string;
  readonly volume: string;
  /** Bytes. */
  readonly start: number;
  readonly length: number;
  readonly seed: string;
  /** Milliseconds between requests at most. */
  readonly paceMax: number;
  /** A flush was answered. */
  readonly onFlushed?: () => void;
}

export class RegionHost {
  readonly options: RegionHostOptions;
  readonly history: WriteHistory;
  readonly #random: Random;
  #stopping = false;
  #abandoned = false;
  #ended: Promise<void> | undefined;
  flushes = 0;
  /** Connections made; each begins with a look at the whole region. */
  connections = 0;
  /** Requests refused because there was no room. */
  refusals = 0;
  /** What was not as it must be. */
  readonly wrong: string[] = [];

  constructor(options: RegionHostOptions) {
    this.options = options;
    this.history = new WriteHistory(options.number, options.length);
    this.#random = seededRandom(`${options.seed} host ${options.number}`);
  }

  start(): void {
    this.#stopping = false;
    this.#ended = this.#run();
  }

  /** The last thing that it does is a flush. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
  }

  /** It comes back no more. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** What of `content`, a whole volume, is this host's. */
  regionOf(content: Buffer): Buffer {
    return content.subarray(this.options.start, this.options.start + this.options.length);
  }

  async #run(): Promise<void> {
    let done = false;
    while (!done && !this.#abandoned && this.wrong.length === 0) {
      let client: NbdClient | undefined;
      try {
        client = await NbdClient.open({ path: this.options.socket }, this.options.volume);
        done = await this.#session(client);
      } catch (error) {
        if (error instanceof NbdError) this.wrong.push(`host ${this.options.number}: ${error.message}`);
        await pause(20);
      } finally {
        client?.close();
      }
    }
  }

  /** True when it was told to stop and all is flushed. */
  async #session(client: NbdClient): Promise<boolean> {
    const { start, length, paceMax, onFlushed } = this.options;
    this.connections += 1;
    const content = Buffer.alloc(length);
    for (let at = 0; at < length; at += READ_PIECE) {
      (await client.read(start + at, Math.min(READ_PIECE, length - at))).copy(content, at);
    }
    // Whoever kills a process leaves what it wrote to the operating system: every answered write is there (I1).
    const wrong = this.history.recover(content, 'answered');
    if (wrong !== undefined) {
      this.wrong.push(wrong);
      return true;
    }
    for (;;) {
      const stop = this.#stopping;
      if (!stop) await this.#change(client);
      if (stop || this.#random.fraction() < 0.1) {
        await client.flush();
        this.history.flushed();
        this.flushes += 1;
        onFlushed?.();
      }
      if (stop) return true;
      await pause(this.#random.fraction() * paceMax);
    }
  }

  async #change(client: NbdClient): Promise<void> {
    const { start, length } = this.options;
    const sectors = 1 + Math.floor(this.#random.fraction() ** 4 * SECTORS_MAX);
    const first = Math.floor(this.#random.fraction() * (length / SECTOR - sectors));
    const at = start + first * SECTOR;
    if (this.#random.fraction() < 0.05) {
      this.history.zero(first, sectors);
      await this.#untilTaken(() => client.trim(at, sectors * SECTOR));
    } else {
      const data = this.history.write(first, sectors);
      await this.#untilTaken(() => client.write(at, data));
    }
    this.history.answered();
  }

  /** A host that is told that there is no room tries the same again: nothing else may be lost by it. */
  async #untilTaken(request: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await request();
        return;
      } catch (error) {
        if (!(error instanceof NbdError) || error.errno !== ENOSPC) throw error;
        this.refusals += 1;
        await pause(50);
      }
    }
  }
}
