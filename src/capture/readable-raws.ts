import { assert } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';

/** Raw segments by generation, until what they hold is in the volumes: undestaged reads are served from them. */
export class ReadableRaws {
  readonly #files: Files;
  readonly #raws = new Map<number, { readonly path: string; file: OpenFile | undefined }>();

  constructor(files: Files) {
    this.#files = files;
  }

  /** `file`: undefined when it is to be opened with the first read. */
  add(generation: number, path: string, file?: OpenFile): void {
    this.#raws.set(generation, { path, file });
  }

  fileOf(generation: number): OpenFile {
    const raw = this.#raws.get(generation);
    assert(raw !== undefined, `raw segment ${generation} is indexed but forgotten`);
    raw.file ??= this.#files.open(raw.path, 'read');
    return raw.file;
  }

  forget(generation: number): void {
    this.#raws.get(generation)?.file?.close();
    this.#raws.delete(generation);
  }

  /** This generation and all before it. */
  forgetUpTo(generation: number): void {
    for (const candidate of this.#raws.keys()) if (candidate <= generation) this.forget(candidate);
  }
}
