import type { NetConnectOpts } from 'node:net';
import { NbdClient } from '../../src/nbd/client.ts';
import { seededRandom } from './random.ts';

const SECTOR = 512;

export interface Region {
  /** Bytes. */
  readonly start: number;
  readonly length: number;
}

/**
 * A host with a region of its own that remembers every write, so that any later content of the region can be matched with
 * the moment that it shows: the number of this host's writes that are in it.
 */
export class LoggedHost {
  readonly region: Region;
  readonly #random;
  readonly #lengthMax: number;
  /** Per write: first sector and sectors. */
  readonly #log: { readonly first: number; readonly sectors: number }[] = [];
  answered = 0;

  constructor(number: number, region: Region, lengthMax: number) {
    this.region = region;
    this.#lengthMax = lengthMax;
    this.#random = seededRandom(`logged host ${number}`);
  }

  get writes(): number {
    return this.#log.length;
  }

  /** The moments that a marker may show which was placed after `before` writes were answered, and is placed by now. */
  window(before: number): { readonly from: number; readonly to: number } {
    return { from: before, to: this.#log.length };
  }

  async run(
    address: NetConnectOpts,
    exportName: string,
    count: number,
    flushEvery: number,
  ): Promise<boolean> {
    const client = await NbdClient.open(address, exportName);
    const noise = this.#random.bytes(this.#lengthMax);
    const buffer = Buffer.alloc(this.#lengthMax);
    const regionSectors = this.region.length / SECTOR;
    for (let i = 1; i <= count; i += 1) {
      const sectors = 1 + Math.floor(this.#random.fraction() * (this.#lengthMax / SECTOR));
      const first = Math.floor(this.#random.fraction() * (regionSectors - sectors));
      noise.copy(buffer, 0, 0, sectors * SECTOR);
      for (let s = 0; s < sectors; s += 1) buffer.writeUInt32LE(i, s * SECTOR);
      this.#log.push({ first, sectors });
      await client.write(this.region.start + first * SECTOR, buffer.subarray(0, sectors * SECTOR));
      this.answered = i;
      if (i % flushEvery === 0) await client.flush();
    }
    await client.flush();
    client.close();
    return true;
  }

  /**
   * The number of writes after which the region had this content, if there is one in the window. Of the write that was
   * under way then, and not yet answered, a first part may be there too: a long write is journalled as it arrives.
   */
  momentOf(content: Buffer, window: { readonly from: number; readonly to: number }): number | undefined {
    const expected = new Uint32Array(this.region.length / SECTOR);
    for (let i = 0; i < window.from; i += 1) this.#apply(expected, i);
    for (let moment = window.from; ; moment += 1) {
      if (this.#matches(content, expected, moment)) return moment;
      if (moment === window.to) return undefined;
      this.#apply(expected, moment);
    }
  }

  #matches(content: Buffer, expected: Uint32Array, moment: number): boolean {
    const next = this.#log[moment];
    let part = 0;
    while (
      next !== undefined &&
      part < next.sectors &&
      this.#stamp(content, next.first + part) === moment + 1
    )
      part += 1;
    return expected.every((sequence, sector) => {
      const inPart = next !== undefined && sector >= next.first && sector < next.first + part;
      return inPart || this.#stamp(content, sector) === sequence;
    });
  }

  #stamp(content: Buffer, sector: number): number {
    return content.readUInt32LE(sector * SECTOR);
  }

  #apply(expected: Uint32Array, index: number): void {
    const write = this.#log[index];
    if (write !== undefined) expected.fill(index + 1, write.first, write.first + write.sectors);
  }
}
