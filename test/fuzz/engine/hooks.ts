/** Instruments modules while they are loaded (module.registerHooks); in the thread that calls it, from then on. */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Coverage } from './coverage.ts';
import { instrument } from './instrument.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * `covers`: the modules to be instrumented, by the beginnings of their paths below the repository's root.
 * Returns the words that they compare with, which grow with every module loaded.
 */
export function instrumentModules(covers: readonly string[], coverage: Coverage): readonly Buffer[] {
  const words: Buffer[] = [];
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.startsWith('file:') || loaded.source == null) return loaded;
      const path = fileURLToPath(url);
      const below = path.startsWith(ROOT) ? path.slice(ROOT.length).replaceAll('\\', '/') : '';
      if (!/\.[cm]?[jt]s$/.test(below) || !covers.some((start) => below.startsWith(start))) return loaded;
      const text =
        typeof loaded.source === 'string'
          ? loaded.source
          : Buffer.from(loaded.source as Uint8Array).toString();
      const first = coverage.total;
      const instrumented = instrument(text, path, first);
      coverage.reserve(instrumented.count);
      words.push(...instrumented.words);
      return { ...loaded, source: instrumented.text };
    },
  });
  return words;
}
