import type { Files, OpenFile } from '../platform/files.ts';

interface Span {
  readonly start: number;
  readonly end: number;
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

  /** Puts spans, counted from `position`, into `into`, one behind the other; false when they are nothing but holes. */
  read(
    number: number,
    { position, spans }: { readonly position: number; readonly spans: readonly Span[] },
    into: Buffer,
  ): boolean {
    let source = this.#opened.get(number);
    if (source === undefined) {
      source = new VolumeSource(this.#files.open(this.#pathOf(number), 'read'));
      this.#opened.set(number, source);
    }
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

  close(): void {
    for (const source of this.#opened.values()) source.close();
  }
}

class VolumeSource {
  readonly #file: OpenFile;
  /** The newest answer about where data is, and where it was asked for. */
  #asked = Infinity;
  #data: { readonly start: number; readonly end: number } | undefined;

  constructor(file: OpenFile) {
    this.#file = file;
  }

  /** False when there is nothing but a hole, and `into` is left as it is. */
  read(position: number, into: Buffer): boolean {
    if (this.#isHole(position, into.length)) return false;
    const count = this.#file.read(into, position);
    into.fill(0, count);
    return true;
  }

  close(): void {
    this.#file.close();
  }

  #isHole(position: number, length: number): boolean {
    if (position < this.#asked || (this.#data !== undefined && position >= this.#data.end)) {
      this.#asked = position;
      this.#data = this.#file.nextData(position);
    }
    return this.#data === undefined || this.#data.start >= position + length;
  }
}
