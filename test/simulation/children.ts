/** Runs seeds in child processes, as many at once as there are to be jobs. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SeedsReport } from './seeds.ts';

const CHILD = fileURLToPath(new URL('./seeds.ts', import.meta.url));

/** What one child compiled, the next need not. Apart from the product's own: some of it is broken on purpose. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/simulation', import.meta.url));

const PRELOAD = new URL('./planted/preload.ts', import.meta.url).href;

export interface SeedsOptions {
  readonly from: number;
  readonly seeds: number;
  readonly jobs: number;
  /** Number of a deliberate break in what is under test: `planted/plants.ts`. */
  readonly plant?: number;
  /** The numbers are not seeds but those of crash points. */
  readonly crashPoints?: boolean;
  /** Of sources that replicate on an interval. */
  readonly intervals?: boolean;
  /** Of sites that change their parts. */
  readonly roles?: boolean;
  /** All end with the first seed that fails in any of them. */
  readonly first?: boolean;
  readonly onReport?: (report: SeedsReport) => void;
}

export interface SeedsSummary extends Omit<SeedsReport, 'failed'> {
  readonly failed: readonly NonNullable<SeedsReport['failed']>[];
  /** Of real time. */
  readonly seconds: number;
}

export async function runSeeds(options: SeedsOptions): Promise<SeedsSummary> {
  const begun = performance.now();
  const jobs = Math.min(options.jobs, options.seeds);
  const found = new AbortController();
  const children = await Promise.all(
    Array.from({ length: jobs }, (_, job) => runChild(options, { job, jobs, found })),
  );
  const sum = (key: Exclude<keyof SeedsReport, 'failed'>): number =>
    children.reduce((total, { last }) => total + last[key], 0);
  return {
    seeds: sum('seeds'),
    records: sum('records'),
    snapshots: sum('snapshots'),
    markerRuns: sum('markerRuns'),
    calls: sum('calls'),
    time: sum('time'),
    failed: children.flatMap(({ failed }) => failed),
    seconds: (performance.now() - begun) / 1000,
  };
}

const NOTHING: SeedsReport = { seeds: 0, records: 0, snapshots: 0, markerRuns: 0, calls: 0, time: 0 };

/** Job 0 of 2 runs the first, the third, the fifth… */
async function runChild(
  { from, seeds, plant, first, crashPoints, intervals, roles, onReport }: SeedsOptions,
  { job, jobs, found }: { readonly job: number; readonly jobs: number; readonly found: AbortController },
): Promise<{ last: SeedsReport; failed: NonNullable<SeedsReport['failed']>[] }> {
  const count = Math.ceil((seeds - job) / jobs);
  const args = ['--from', String(from + job), '--seeds', String(count), '--stride', String(jobs)];
  const child = spawn(
    process.execPath,
    [
      ...(plant === undefined ? [] : ['--import', PRELOAD]),
      // Most of what a run makes is dead when it ends: a large nursery saves moving it about.
      '--max-semi-space-size=64',
      CHILD,
      ...args,
      ...(first === true ? ['--first'] : []),
      ...(intervals === true ? ['--intervals'] : []),
      ...(roles === true ? ['--roles'] : []),
      ...(crashPoints === true ? ['--crash-points'] : []),
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: COMPILED,
        ...(plant === undefined ? {} : { SIMULATION_PLANT: String(plant) }),
      },
    },
  );
  let last: SeedsReport | undefined;
  const failed: NonNullable<SeedsReport['failed']>[] = [];
  const ended = new Promise<number | string | null>((resolve) =>
    child.on('exit', (code, signal) => resolve(signal ?? code)),
  );
  const end = (): void => void child.kill();
  found.signal.addEventListener('abort', end);
  for await (const line of createInterface({ input: child.stdout })) {
    last = JSON.parse(line) as SeedsReport;
    if (last.failed !== undefined) {
      failed.push(last.failed);
      if (first === true) found.abort();
    }
    onReport?.(last);
  }
  const code = await ended;
  if ((code !== 0 || last === undefined) && !found.signal.aborted)
    throw new Error(`a child of the simulation ended with ${String(code)}`);
  return { last: last ?? NOTHING, failed };
}
