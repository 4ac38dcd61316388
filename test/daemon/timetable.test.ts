import assert from 'node:assert/strict';
import { Timetable } from '../../src/daemon/timetable.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Log } from '../../src/platform/log.ts';
import { CronTimes } from '../../src/recovery/cron-times.ts';
import { quiet } from '../recovery/replica.ts';
import { SimulatedClock } from '../transfer/simulated-clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Every hour, on the hour. Its wall clock can be set. */
function hourly(log: Log = quiet, act: () => Promise<unknown> = () => Promise.resolve()) {
  const clock = new SimulatedClock();
  let set = 0;
  const done: string[] = [];
  const wall: Clock = {
    now: () => clock.now() + set,
    monotonic: () => clock.monotonic(),
    after: (delay, then) => clock.after(delay, then),
  };
  const entry = {
    what: 'it',
    times: new CronTimes('0 * * * *', 'UTC'),
    act: () => {
      done.push(new Date(wall.now()).toISOString().slice(11, 16));
      return act();
    },
  };
  return {
    clock,
    done,
    table: new Timetable(wall, log, [entry]),
    setClock: (by: number): void => void (set += by),
  };
}

describe('a timetable', () => {
  // The simulated clock begins at 22:13:20.
  it('does what is due at its time, each time once', async () => {
    const { clock, done, table } = hourly();
    table.start();
    await clock.pass(3 * HOUR);
    assert.deepEqual(done, ['23:00', '00:00', '01:00']);
    table.stop();
    await clock.pass(3 * HOUR);
    assert.equal(done.length, 3);
  });

  it('does once what a clock that is set forward leapt over', async () => {
    const { clock, done, table, setClock } = hourly();
    table.start();
    await clock.pass(MINUTE);
    setClock(5 * HOUR);
    await clock.pass(2 * HOUR);
    assert.deepEqual(done, ['03:14', '04:00', '05:00']);
    table.stop();
  });

  it('goes by a clock that is set back as soon as it sees it', async () => {
    const { clock, done, table, setClock } = hourly();
    table.start();
    await clock.pass(HOUR);
    setClock(-3 * HOUR);
    await clock.pass(2 * HOUR);
    assert.deepEqual(done, ['23:00', '21:00', '22:00']);
    table.stop();
  });

  it('says what failed, and goes on', async () => {
    const warned: string[] = [];
    const log = { ...quiet, warn: (message: string): void => void warned.push(message) };
    const { clock, done, table } = hourly(log, () => Promise.reject(new Error('not now')));
    table.start();
    await clock.pass(2 * HOUR);
    assert.deepEqual(warned, ['it at its time: not now', 'it at its time: not now']);
    assert.equal(done.length, 2);
    table.stop();
  });
});
