// Imported before anything in TypeScript, so that not even the type stripper has to be loaded: a third off the start of
// `status`. The cache is kept inside the package: who can write there can change the program anyway, which is not so of
// Node's own choice, a folder of a known name under /tmp. Where it cannot be written it is done without.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/blockferry'));
