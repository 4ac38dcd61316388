/**
 * Hosts whose writes can be told afterwards: every sector written carries the connection's number and a sequence number.
 * Each connection has a region of its own, so what a sector may hold after a crash is known exactly.
 */
import type { NetConnectOpts } from 'node:net';
import { NbdClient } from '../../src/nbd/client.ts';
import { seededRandom } from './random.ts';

const SECTOR = 512;

export class StampedHost {
  readonly #number: number;
  readonly #start: number;
  readonly #sectors: number;
  readonly #random;
  readonly #lengthMax: number;
  /** Per sector: the newest sequence sent, and the newest that was flushed. */
  readonly sent: Uint32Array;
  readonly flushed: Uint32Array;
  #sequence = 0;
  writes = 0;

  constructor(
    number: number,
    region: { readonly start: number; readonly length: number },
    lengthMax = 64 * 1024,
  ) {
    this.#number = number;
    this.#start = region.start;
    this.#sectors = region.length / SECTOR;
    this.#lengthMax = lengthMax;
    this.#random = seededRandom(`host ${number}`);
    this.sent = new Uint32Array(this.#sectors);
    this.flushed = new Uint32Array(this.#sectors);
  }

  /** Writes until `count` or until the connection breaks, with a flush every few writes. True when it got to its end. */
  async run(address: NetConnectOpts, exportName: string, count: number, flushEvery = 20): Promise<boolean> {
    let client;
    try {
      client = await NbdClient.open(address, exportName);
      for (let i = 1; i <= count; i += 1) {
        await this.#write(client);
        if (i % flushEvery === 0 || i === count) await this.#flush(client);
      }
      client.close();
      return true;
    } catch {
      client?.close();
      return false;
    }
  }

  /**
   * Checks a volume's content: every sector of the region holds this host's stamp, no older than what was flushed and no
   * newer than what was sent; what is there is what it goes on from. Returns what is wrong, in words.
   */
  check(volume: Buffer): string[] {
    const wrong: string[] = [];
    for (let sector = 0; sector < this.#sectors; sector += 1) {
      const at = this.#start + sector * SECTOR;
      const sequence = volume.readUInt32LE(at);
      const owner = volume.readUInt32LE(at + 4);
      const [low, high] = [this.flushed[sector] ?? 0, this.sent[sector] ?? 0];
      const whole =
        sequence === 0 || (owner === this.#number && volume.readUInt32LE(at + SECTOR - 4) === sequence);
      if (sequence < low || sequence > high || !whole) {
        wrong.push(
          `host ${this.#number} sector ${sector}: holds ${sequence} of ${owner}, flushed ${low}, sent ${high}`,
        );
      }
      // A write that was never flushed may be there or not; from now on it is what it is.
      this.sent[sector] = sequence;
      this.flushed[sector] = sequence;
    }
    return wrong;
  }

  async #write(client: NbdClient): Promise<void> {
    const sectors = 1 + Math.floor(this.#random.fraction() ** 3 * (this.#lengthMax / SECTOR - 1));
    const first = Math.floor(this.#random.fraction() * (this.#sectors - sectors));
    this.#sequence += 1;
    const data = Buffer.alloc(sectors * SECTOR, this.#sequence & 0xff);
    for (let i = 0; i < sectors; i += 1) {
      data.writeUInt32LE(this.#sequence, i * SECTOR);
      data.writeUInt32LE(this.#number, i * SECTOR + 4);
      data.writeUInt32LE(this.#sequence, i * SECTOR + SECTOR - 4);
      this.sent[first + i] = this.#sequence;
    }
    await client.write(this.#start + first * SECTOR, data);
    this.writes += 1;
  }

  async #flush(client: NbdClient): Promise<void> {
    const sent = this.sent.slice();
    await client.flush();
    this.flushed.set(sent);
  }
}
