// As ../../launch.js does: without the compile cache each thread would load the type stripper, and strip everything again.
import '../../compile-cache.js';
import { flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';

await import(`./${workerData}-thread.ts`);
// Now, and not at the thread's end: so the next thread has it, and the next start, however this one ends.
flushCompileCache();
