/** Failovers and switchovers of a database, one line each, and what they come to. */
import {
  RoundTrips,
  type Failover,
  type RoundTripOptions,
  type Takeover,
} from '../../test/real/recovery/round-trips.ts';
import { verdict } from '../verdicts.ts';

export interface DatabaseShow extends RoundTripOptions {
  readonly failovers: number;
  readonly switchovers: number;
}

/** @throws Error with the first thing that is not as it must be */
export async function showDatabase({ failovers, switchovers, ...options }: DatabaseShow): Promise<void> {
  const trips = new RoundTrips(options);
  const [failed, back, switched]: [Failover[], Takeover[], Takeover[]] = [[], [], []];
  try {
    await trips.start();
    for (let i = 1; i <= failovers; i += 1) {
      const one = await trips.failover(i % 2 === 0 ? 'cut off' : 'killed');
      failed.push(one);
      say(
        `failover ${i} of ${failovers}, ${one.disaster}`,
        one,
        `, ${one.behindSeconds.toFixed(1)} s behind`,
      );
      await trips.rejoin();
      back.push(await trips.switchover());
      say(`  and back by a switchover`, back.at(-1));
      await trips.compare();
    }
    for (let i = 1; i <= switchovers; i += 1) {
      switched.push(await trips.switchover());
      say(`switchover ${i} of ${switchovers}`, switched.at(-1));
      await trips.compare();
    }
  } finally {
    await trips.end();
  }
  conclude(
    'failovers',
    failed,
    failovers,
    'before the time that its failover names, and all of these are there',
  );
  conclude(
    'round trips',
    back,
    failovers,
    'before the way back, and all of these are there; both sides identical after each',
  );
  conclude(
    'switchovers',
    switched,
    switchovers,
    'before, and all of these are there; both sides identical after each',
  );
}

function say(what: string, one: Takeover | undefined, more = ''): void {
  if (one === undefined) return;
  const { confirmed, due, lost, seconds, serving } = one;
  const counts = `${confirmed} transactions confirmed, ${due} of them must be there and are, ${lost} others lost`;
  process.stdout.write(
    `${what}${more}: the ${serving} serves, PostgreSQL after ${seconds.toFixed(1)} s, ${counts}\n`,
  );
}

function conclude(what: string, done: readonly Takeover[], count: number, proven: string): void {
  if (count === 0) return;
  const sum = (of: (one: Takeover) => number): number => done.reduce((total, one) => total + of(one), 0);
  const seconds = done.map((one) => one.seconds).sort((a, b) => a - b);
  const [median, most] = [seconds[Math.floor(seconds.length / 2)] ?? 0, seconds.at(-1) ?? 0];
  const counts = `${sum(({ confirmed }) => confirmed)} transactions confirmed, ${sum(({ due }) => due)} of them ${proven}`;
  const times = `PostgreSQL after ${median.toFixed(1)} s (median; at most ${most.toFixed(1)} s)`;
  verdict(done.length === count, `${done.length} ${what}: ${counts}; ${times}`);
}
