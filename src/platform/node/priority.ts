/** What works behind the hosts' requests gives way to them where both want a core. */
import { stat } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Of 0 to 19: a third of the weight that threads at 0 have (sched(7), "The nice value"). */
const BEHIND = 5;

/** This thread alone: only Linux has a nice value for each (setpriority(2), "C library/kernel differences"). */
export function giveWayToHosts(): void {
  // Who has it lower already may not raise it without being root, and need not.
  if (process.platform !== 'linux' || getPriority(0) >= BEHIND) return;
  // libuv's threads sync for hosts, too, and get the value of the thread that first has work for them: of this one as it still is.
  stat('/', () => undefined);
  setPriority(0, BEHIND);
}
