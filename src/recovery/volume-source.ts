import type { Files, OpenFile } from '../platform/files.ts';

/** Of a volume, counted from `position`. */
export interface Spans {
  readonly position: number;
  readonly spans: readonly { readonly start: number; readonly end: number }[];
}

/**
 * The volumes, each read in ascending order with its holes passed over. Opened when first read and for one batch only, so
 * that a volume that was away and came back is not read through a handle of before.
 */
export class VolumeSources {
  readonly #files: Files;
  readonly #pathOf: (number: number) => string;
  readonly #opened = new Map<number, VolumeSource>();

  constructor(files: Files, pathOf: (number: number) => string) {
    this.#files = files;
    this.#pathOf = pathOf;
  }

  /** Puts spans into `into`, one behind the other; false when they are nothing but holes. */
  read(number: number, { position, spans }: Spans, into: Buffer): boolean {
    const source = this.#source(number);
    let at = 0;
    let isData = false;
    for (const { start, end } of spans) {
      const part = into.subarray(at, at + end - start);
      if (source.read(position + start, part)) isData = true;
      else part.fill(0);
      at += part.length;
    }
    return isData;
  }

  /** The same is to be read soon: what is asked for so comes in ascending order, too. */
  startReading(number: number, { position, spans }: Spans): void {
    const source = this.#source(number);
    for (const { start, end } of spans) source.startReading(position + start, end - start);
  }

  close(): void {
    for (const source of this.#opened.values()) source.close();
  }

  #source(number: number): VolumeSource {
    let source = this.#opened.get(number);
    if (source === undefined) {
      source = new VolumeSource(this.#files.open(this.#pathOf(number), 'read'));
      this.#opened.set(number, source);
    }
    return source;
  }
}

class VolumeSource {
  readonly #file: OpenFile;
  readonly #toRead: Holes;
  readonly #toExpect: Holes;

  constructor(file: OpenFile) {
    this.#file = file;
    this.#toRead = new Holes(file);
    this.#toExpect = new Holes(file);
  }

  /** False when there is nothing but a hole, and `into` is left as it is. */
  read(position: number, into: Buffer): boolean {
    if (this.#toRead.has(position, into.length)) return false;
    const count = this.#file.read(into, position);
    into.fill(0, count);
    return true;
  }

  startReading(position: number, length: number): void {
    if (!this.#toExpect.has(position, length)) this.#file.startReading(position, length);
  }

  close(): void {
    this.#file.close();
  }
}

/** Of a file, asked for in ascending order. */
class Holes {
  readonly #file: OpenFile;
  /** The newest answer about where data is, and where it was asked for. */
  #asked = Infinity;
  #data: { readonly start: number; readonly end: number } | undefined;

  constructor(file: OpenFile) {
    this.#file = file;
  }

  /** Whether all of a range lies in one. */
  has(position: number, length: number): boolean {
    if (position < this.#asked || (this.#data !== undefined && position >= this.#data.end)) {
      this.#asked = position;
      this.#data = this.#file.nextData(position);
    }
    return this.#data === undefined || this.#data.start >= position + length;
  }
}
