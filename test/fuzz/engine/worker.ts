/** The thread that fuzzes one target; `run.ts` watches it. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { readInputs, writeCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { Fuzzer } from './fuzzer.ts';
import { INPUT_LENGTH, INPUT_MAX, STARTED, type Job, type Message } from './job.ts';
import { Meter } from './meter.ts';
import { Prng } from './prng.ts';
import type { TargetEntry } from './target.ts';

const post = (message: Message): void => parentPort?.postMessage(message);

async function work(job: Job): Promise<void> {
  const coverage = new Coverage();
  const { TARGETS } = (await import(job.targets)) as { TARGETS: readonly TargetEntry[] };
  const entry = TARGETS.find(({ name }) => name === job.name);
  if (entry === undefined) throw new RangeError(`there is no target ${job.name}`);
  let words: readonly Buffer[] = [];
  // Loaded only here: a blind run does without the compiler.
  if (job.guided) words = (await import('./hooks.ts')).instrumentModules(entry.covers, coverage);
  const target = await entry.load();
  const started = performance.now();
  const fuzzer = new Fuzzer({
    name: job.name,
    target,
    coverage,
    guided: job.guided,
    meter: new Meter(),
    prng: new Prng(job.seed),
    words,
    onInput: (input) => show(job, input),
    onFinding: (finding) => post({ kind: 'finding', finding }),
  });
  const first = [
    ...readInputs('regressions', job.name),
    ...target.seeds,
    ...readInputs('corpus', job.name),
    Buffer.alloc(0),
  ];
  await fuzzer.run(first, job.executions);
  const seconds = (performance.now() - started) / 1000;
  await target.close?.();
  const minimal = fuzzer.corpus.minimal();
  if (job.saveCorpus) writeCorpus(job.name, minimal);
  const digest = createHash('sha256');
  for (const input of minimal) digest.update(input);
  post({
    kind: 'done',
    outcome: {
      executions: fuzzer.executions,
      seconds,
      taken: coverage.taken,
      branches: coverage.total,
      corpus: minimal.length,
      digest: digest.digest('hex').slice(0, 16),
    },
  });
}

function show(job: Job, input: Buffer): void {
  const shown = input.subarray(0, INPUT_MAX);
  job.input.set(shown);
  Atomics.store(job.progress, INPUT_LENGTH, shown.length);
  Atomics.add(job.progress, STARTED, 1);
}

await work(workerData as Job);
