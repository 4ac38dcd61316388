/**
 * Buffers live outside the JavaScript heap, and V8 lets 64 MiB of dead ones gather in every thread before it looks. Threads
 * that move bulk data look themselves, where a minor collection costs about a millisecond.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of buffers in this thread, dead or alive, above which it is worth looking. */
const WORTH_LOOKING = 8 * 1024 * 1024;

/** Milliseconds between looks in a thread that is fed by sockets. */
const LOOK_EVERY = 50;

/** Bytes of buffers that no thread here has alive at once for long, but for a full index of what is undestaged. */
const WORTH_A_MAJOR = 40 * 1024 * 1024;

type Collect = (options: { readonly type: 'minor' | 'major' }) => void;
let collect: Collect | undefined;
/** What was still there after the last look is alive, most of it. */
let alive = 0;

/** For threads whose buffers come from sockets and files, not from calls. */
export function collectDeadBuffersRegularly(): void {
  setInterval(collectDeadBuffers, LOOK_EVERY).unref();
}

export function collectDeadBuffers(): void {
  if (process.memoryUsage().arrayBuffers - alive < WORTH_LOOKING) return;
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  collect({ type: 'minor' });
  // What outlived a collection or two and died since is only found by a major one.
  if (process.memoryUsage().arrayBuffers > WORTH_A_MAJOR) collect({ type: 'major' });
  alive = process.memoryUsage().arrayBuffers;
}
