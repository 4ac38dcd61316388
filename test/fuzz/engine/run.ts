/** Fuzzes one target in a thread of its own, which may hang or run out of memory. */
import { Worker } from 'node:worker_threads';
import type { Finding } from './finding.ts';
import { INPUT_LENGTH, INPUT_MAX, STARTED, type Job, type Message, type Outcome } from './job.ts';

/** Milliseconds that one execution may last before it counts as one that never ends; far above any busy machine. */
const HANG_LIMIT = 20_000;
/** The same before the first execution: modules are loaded, and perhaps a certificate is made. */
const LOAD_LIMIT = 120_000;
const LOOK_INTERVAL = 250;
/** MiB of heap of the thread. */
const HEAP_MAX = 512;

export type FuzzOptions = Pick<Job, 'targets' | 'name' | 'executions' | 'seed' | 'guided'> & {
  readonly saveCorpus?: boolean;
  readonly hangLimit?: number;
  readonly onFinding?: (finding: Finding) => void;
};

export interface Report {
  readonly name: string;
  /** Undefined when a hang or the lack of memory ended the run. */
  readonly outcome: Outcome | undefined;
  readonly findings: readonly Finding[];
}

/** @throws whatever keeps the target from being loaded */
export function fuzz(options: FuzzOptions): Promise<Report> {
  const { hangLimit = HANG_LIMIT, onFinding, ...wanted } = options;
  const job: Job = {
    saveCorpus: false,
    ...wanted,
    progress: new Int32Array(new SharedArrayBuffer(8)),
    input: new Uint8Array(new SharedArrayBuffer(INPUT_MAX)),
  };
  const findings: Finding[] = [];
  let outcome: Outcome | undefined;
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX },
  });
  const found = (finding: Finding): void => {
    findings.push(finding);
    onFinding?.(finding);
  };
  return new Promise((resolve, reject) => {
    const watch = watchProgress(job, hangLimit, (message) => {
      found({ target: job.name, kind: 'hang', signature: 'hang', message, input: currentInput(job) });
      void worker.terminate();
    });
    worker.on('message', (message: Message) => {
      if (message.kind === 'done') outcome = message.outcome;
      // A Buffer arrives as the bytes it is made of.
      else found({ ...message.finding, input: Buffer.from(message.finding.input) });
    });
    worker.on('error', (error: Error & { readonly code?: string }) => {
      if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') reject(error);
      else {
        const { message } = error;
        found({
          target: job.name,
          kind: 'out-of-memory',
          signature: 'out-of-memory',
          message,
          input: currentInput(job),
        });
      }
    });
    worker.on('exit', () => {
      clearInterval(watch);
      resolve({ name: job.name, outcome, findings });
    });
  });
}

function watchProgress(job: Job, hangLimit: number, onHang: (message: string) => void): NodeJS.Timeout {
  let seen = 0;
  let since = performance.now();
  const watch = setInterval(() => {
    const started = Atomics.load(job.progress, STARTED);
    if (started !== seen) [seen, since] = [started, performance.now()];
    const limit = started === 0 ? LOAD_LIMIT : hangLimit;
    if (performance.now() - since < limit) return;
    clearInterval(watch);
    onHang(`execution ${started} has not ended within ${limit / 1000} s`);
  }, LOOK_INTERVAL);
  return watch;
}

function currentInput(job: Job): Buffer {
  return Buffer.from(job.input.subarray(0, Atomics.load(job.progress, INPUT_LENGTH)));
}
