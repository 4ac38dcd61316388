/** The inputs that did something new, and which of them are worth mutating. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Feature } from './coverage.ts';
import type { Prng } from './prng.ts';

/** Bytes of a target's inputs that are kept in the repository. */
const KEPT_MAX = 32 * 1024;

interface Entry {
  readonly input: Buffer;
  readonly features: readonly Feature[];
  /** Features of which it is the shortest input that there is. */
  best: number;
}

export class Corpus {
  readonly #entries: Entry[] = [];
  readonly #shortest = new Map<Feature, Entry>();
  #favoured: readonly Entry[] | undefined;

  get size(): number {
    return this.#entries.length;
  }

  add(input: Buffer, features: readonly Feature[]): void {
    const entry: Entry = { input: Buffer.from(input), features, best: 0 };
    this.#entries.push(entry);
    for (const feature of features) {
      const shortest = this.#shortest.get(feature);
      if (shortest !== undefined && shortest.input.length <= input.length) continue;
      if (shortest !== undefined) shortest.best -= 1;
      this.#shortest.set(feature, entry);
      entry.best += 1;
    }
    this.#favoured = undefined;
  }

  /** Mostly one of those without which a feature, or its shortest input, would be missing. */
  pick(prng: Prng): Buffer {
    this.#favoured ??= this.#entries.filter((entry) => entry.best > 0);
    const list = this.#favoured.length > 0 && !prng.oneIn(8) ? this.#favoured : this.#entries;
    // Every other time one of the newest, which least has been made of yet.
    const newest = prng.oneIn(2) ? Math.max(0, list.length - 16) : 0;
    return list[newest + prng.below(list.length - newest)]?.input ?? Buffer.alloc(0);
  }

  /** As few and as short inputs as together have every feature: greedily, the one with most that are missing first. */
  minimal(): Buffer[] {
    const missing = new Set(this.#shortest.keys());
    const left = [...this.#entries].sort((a, b) => a.input.length - b.input.length);
    const chosen: Buffer[] = [];
    while (missing.size > 0) {
      let best: { readonly entry: Entry; readonly worth: number } | undefined;
      for (const entry of left) {
        const found = entry.features.reduce((sum, feature) => sum + (missing.has(feature) ? 1 : 0), 0);
        const worth = found / (64 + entry.input.length);
        if (worth > (best?.worth ?? 0)) best = { entry, worth };
      }
      if (best === undefined) break;
      for (const feature of best.entry.features) missing.delete(feature);
      chosen.push(best.entry.input);
    }
    return chosen;
  }
}

/** `corpus`: what leads the fuzzer deep; `regressions`: what was a finding once. */
export type Shelf = 'corpus' | 'regressions';

const pathOf = (shelf: Shelf, target: string): string =>
  fileURLToPath(new URL(`../${shelf}/${target}.b64`, import.meta.url));

/** One input a line, in base64; behind `#` is for people. */
export function readInputs(shelf: Shelf, target: string): Buffer[] {
  const path = pathOf(shelf, target);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [text = ''] = line.split('#');
    return line.trim() === '' || line.startsWith('#') ? [] : [Buffer.from(text.trim(), 'base64')];
  });
}

/** The most worthwhile of them, which come first, up to {@link KEPT_MAX}. */
export function writeCorpus(target: string, inputs: readonly Buffer[]): void {
  const lines = new Set<string>();
  let bytes = 0;
  for (const input of inputs) {
    bytes += input.length;
    if (bytes > KEPT_MAX) break;
    if (input.length > 0) lines.add(input.toString('base64'));
  }
  const path = pathOf('corpus', target);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${[...lines].sort().join('\n')}\n`);
}
