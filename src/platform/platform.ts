import type { Clock } from './clock.ts';
import type { Files } from './files.ts';
import type { Processes } from './processes.ts';
import type { Random } from './random.ts';

/** The outside world. A whole pair of sites runs on a simulated one as it does on Node's. */
export interface Platform {
  readonly clock: Clock;
  readonly files: Files;
  readonly random: Random;
  readonly processes: Processes;
}
