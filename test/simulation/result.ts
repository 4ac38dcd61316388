import type { Violation } from './oracle/violation.ts';
import type { SiteName } from './steps.ts';

export interface RunResult {
  readonly violation: Violation | undefined;
  /** Milliseconds of simulated time. */
  readonly time: number;
  readonly steps: number;
  /** Platform calls made at each site. */
  readonly calls: Readonly<Record<SiteName, number>>;
  readonly log: readonly string[];
  /** What was done and seen, counted: a run that does nothing proves nothing. */
  readonly records: number;
  readonly snapshots: number;
  readonly markerRuns: number;
}
