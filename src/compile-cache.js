// Imported before anything in TypeScript, so that not even the type stripper has to be loaded: a third off the start of
// `status`. The cache is kept inside the package: who can write there can change the program anyway, which is not so of
// Node's own choice, a folder of a known name under /tmp. Where it cannot be written it is done without.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

// Young objects keep the 2 MiB that every thread begins with: V8 would let them take 48 in the main thread, and most of them are
// garbage; bulk data is in buffers. Said first: what was cached under other flags is compiled again.
setFlagsFromString('--semi-space-growth-factor=1');
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/blockferry'));
