/** What is appended to a chunk file: written, then on its way to the medium, then durable, and in the index (I7). */
import type { OpenFile } from '../platform/files.ts';
import { encodeMark, type RunBuilder } from './chunk-format.ts';
import type { ChunkKey, IndexedPiece, WantedGranules } from './chunk-index.ts';
import { both, either, NO_GRANULES, type Granules } from './granules.ts';

type Pieces = Map<ChunkKey, IndexedPiece[]>;

export class ChunkAppend {
  readonly file: OpenFile;
  readonly #seed: number;
  readonly #onDurable: (key: ChunkKey, piece: IndexedPiece) => void;
  #end: number;
  /** What lies behind that and is on its way to the medium. */
  #begun: { readonly end: number; readonly pieces: Pieces; readonly wait: () => void } | undefined;
  #writtenEnd: number;
  /** What was written behind all that. */
  #written: Pieces = new Map();

  /** `seed`: of the file's runs. */
  constructor(
    file: OpenFile,
    at: { readonly end: number; readonly seed: number },
    onDurable: (key: ChunkKey, piece: IndexedPiece) => void,
  ) {
    this.file = file;
    this.#end = this.#writtenEnd = at.end;
    this.#seed = at.seed;
    this.#onDurable = onDurable;
  }

  /** What counts: everything below is durable, and in the index. */
  get end(): number {
    return this.#end;
  }

  /** Where the next run belongs. */
  get writtenEnd(): number {
    return this.#writtenEnd;
  }

  /** What of a chunk is not in the index yet. */
  granules(key: ChunkKey): Granules {
    return either(granulesOf(this.#begun?.pieces.get(key)), granulesOf(this.#written.get(key)));
  }

  /** Of how many pieces that is. */
  pieceCount(key: ChunkKey): number {
    return (this.#begun?.pieces.get(key)?.length ?? 0) + (this.#written.get(key)?.length ?? 0);
  }

  /** Whether something of this is not in the index yet. */
  hasSome(wanted: WantedGranules): boolean {
    for (const [key, granules] of wanted) if (both(granules, this.granules(key)) !== NO_GRANULES) return true;
    return false;
  }

  /** A piece of the run that is written next. */
  add(key: ChunkKey, piece: IndexedPiece): void {
    const others = this.#written.get(key);
    if (others === undefined) this.#written.set(key, [piece]);
    else others.push(piece);
  }

  write(builder: RunBuilder): void {
    const run = builder.finish(this.#writtenEnd, this.#end, this.#seed);
    this.file.write(run, this.#writtenEnd);
    this.#writtenEnd += run.length;
  }

  /** What was written is on its way to the medium; what was so before is durable on return. @throws as `settle` */
  hasten(): void {
    this.#settleBegun();
    if (this.#writtenEnd === this.#end) return;
    this.#begun = { end: this.#writtenEnd, pieces: this.#written, wait: this.file.beginSync() };
    this.#written = new Map();
  }

  /** What was written is durable on return. When it throws none of it is there. @throws the operating system's errors */
  settle(): void {
    this.hasten();
    this.#settleBegun();
  }

  /** After a failure: gives the room back. Should this fail too, what lies there is overwritten by the next run. */
  cut(): void {
    this.#forgetBegun();
    this.#writtenEnd = this.#end;
    this.#written.clear();
    try {
      this.file.truncate(this.#end);
    } catch {
      // The error that brought us here is the one to tell.
    }
  }

  close(): void {
    this.#forgetBegun();
    this.file.close();
  }

  #settleBegun(): void {
    const begun = this.#begun;
    if (begun === undefined) return;
    this.#begun = undefined;
    try {
      begun.wait();
    } catch (error) {
      this.cut();
      throw error;
    }
    // Nobody is about to read it: what is written next gets its memory, in place of new.
    this.file.forgetCached(this.#end, begun.end - this.#end);
    this.#end = begun.end;
    for (const [key, pieces] of begun.pieces) for (const piece of pieces) this.#onDurable(key, piece);
    this.#mark();
  }

  /** It does not count, whatever becomes of it. */
  #forgetBegun(): void {
    const begun = this.#begun;
    this.#begun = undefined;
    try {
      begun?.wait();
    } catch {
      // Nobody relied on it.
    }
  }

  /** Lets a later start tell damage from a torn end. Only a hint: it is not waited for, nor missed. */
  #mark(): void {
    try {
      this.file.write(encodeMark(this.#writtenEnd, this.#end, this.#seed), this.#writtenEnd);
    } catch {
      // The next append meets the same trouble, if it lasts, and tells.
    }
  }
}

function granulesOf(pieces: readonly IndexedPiece[] | undefined): Granules {
  let granules = NO_GRANULES;
  if (pieces !== undefined) for (const piece of pieces) granules = either(granules, piece.granules);
  return granules;
}
