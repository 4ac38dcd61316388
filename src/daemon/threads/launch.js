// As ../../launch.js does: without the compile cache each thread would load the type stripper, and strip everything again.
import '../../compile-cache.js';
import { workerData } from 'node:worker_threads';

await import(`./${workerData}-thread.ts`);
