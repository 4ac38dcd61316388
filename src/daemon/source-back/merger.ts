/** Merges a run of sealed files in a source's journal folder, a step at a time; one run at once. */
import { join } from 'node:path';
import { coalesce, type CoalesceOutcome } from '../../journal/coalesce.ts';
import { JOURNAL_FOLDER, PART_SUFFIX, sealedName } from '../../journal/names.ts';
import type { SegmentOptions } from '../../journal/segment/writer.ts';
import { assert } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { SealedFile } from './sealed-file.ts';

/** A run that was read, and whether it is worth it. `merged`: so many of its first segments. */
export type MergeStep =
  { readonly kind: 'more' | 'useless' } | { readonly kind: 'ready'; readonly merged: number };

/** Ends with `.part`: a crash leaves nothing of it. */
const TARGET = `merged${PART_SUFFIX}`;

export class Merger {
  readonly #files: Files;
  readonly #journal: string;
  readonly #options: SegmentOptions;
  #run: readonly SealedFile[] = [];
  #steps: Generator<undefined, CoalesceOutcome> | undefined;
  #ready: Extract<CoalesceOutcome, { kind: 'ready' }> | undefined;

  constructor(files: Files, folder: string, options: SegmentOptions) {
    this.#files = files;
    this.#journal = join(folder, JOURNAL_FOLDER);
    this.#options = options;
  }

  begin(run: readonly SealedFile[]): void {
    this.drop();
    this.#run = run;
    const sources = run.map(({ path }) => path);
    this.#steps = coalesce(this.#files, { ...this.#options, sources, target: this.#target });
  }

  /** Whether it is one of those that are being merged. */
  reads({ path }: Pick<SealedFile, 'path'>): boolean {
    return this.#run.some((file) => file.path === path);
  }

  /** @throws SegmentRefused and the file system's errors; nothing is left behind */
  step(): MergeStep {
    assert(this.#steps !== undefined, 'no merge was begun');
    try {
      const step = this.#steps.next();
      if (step.done !== true) return { kind: 'more' };
      if (step.value.kind === 'useless') return { kind: 'useless' };
      this.#ready = step.value;
      return { kind: 'ready', merged: step.value.merged };
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  /** @throws the file system's errors; nothing has changed then */
  commit(): SealedFile {
    assert(this.#ready !== undefined, 'nothing is ready to be committed');
    const { merged, bytes } = this.#ready;
    const run = this.#run.slice(0, merged);
    const [first, last] = [run[0], run.at(-1)];
    assert(first !== undefined && last !== undefined, 'an empty run');
    const range = { ...last.range, first: first.range.first };
    const name = sealedName(range);
    const path = join(this.#journal, name);
    this.#files.rename(this.#target, path);
    try {
      this.#files.syncDirectory(this.#journal);
      this.#files.remove(first.path);
    } catch (error) {
      // As long as all of them are there, they count.
      this.#files.rename(path, this.#target);
      throw error;
    }
    for (const file of run.slice(1)) this.#remove(file.path);
    this.#end();
    const all = run.reduce((sum, file) => sum + (file.merged ?? 1), 0);
    return { name, path, range, bytes, end: last.end, merged: all };
  }

  /** Of a merge that is under way, or ready and not wanted any more. */
  drop(): void {
    if (this.#steps === undefined) return;
    this.#steps.return({ kind: 'useless' });
    this.#end();
    this.#files.remove(this.#target);
  }

  /** What cannot be removed now takes room until the next start, which finds that it is covered. */
  #remove(path: string): void {
    try {
      this.#files.remove(path);
    } catch {
      // Nothing reads it any more.
    }
  }

  get #target(): string {
    return join(this.#journal, TARGET);
  }

  #end(): void {
    this.#run = [];
    this.#steps = undefined;
    this.#ready = undefined;
  }
}
