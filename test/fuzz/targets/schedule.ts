/** A link's week: whatever its windows and time zone, there is a limit at every moment and a next change that is one. */
import assert from 'node:assert/strict';
import { CLOSED, sameLimit, UNLIMITED, type Limit } from '../../../src/transfer/schedule/limit.ts';
import { Schedule, type Day, type Window } from '../../../src/transfer/schedule/schedule.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB } from './expect.ts';

const ZONES = [
  'Europe/Zurich',
  'UTC',
  'America/New_York',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Asia/Kathmandu',
];
const HOUR = 3_600_000;
/** Windows are of seven bytes: days, from, to, and a limit in two. */
const WINDOW_SIZE = 7;

/** An input: zone, limit outside, hours since 1970 in four bytes, windows. */
export function scheduleTarget(): FuzzTarget {
  const seed = (zone: number, hours: number, ...windows: readonly number[][]): Buffer => {
    const head = Buffer.from([zone, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(hours, 2);
    return Buffer.concat([head, ...windows.map((window) => Buffer.from(window))]);
  };
  return {
    // On the days when daylight saving begins and ends.
    seeds: [
      seed(0, 498_673, [31, 4, 56, 1, 104, 2, 10], [127, 0, 120, 0, 180, 0, 0]),
      seed(2, 503_900, [127, 5, 100, 0, 60, 3, 200]),
      seed(3, 500_000),
      seed(4, 368_145, [64, 0, 0, 5, 160, 1, 1]),
    ],
    lengthMax: 128,
    memory: () => 16 * MIB,
    timeLimit: 2000,
    run,
  };
}

function run(input: Buffer): void {
  if (input.length < 6) return;
  const windows: Window[] = [];
  for (let at = 6; at + WINDOW_SIZE <= input.length; at += WINDOW_SIZE) windows.push(window(input, at));
  const schedule = new Schedule({
    timeZone: ZONES[(input[0] ?? 0) % ZONES.length] ?? 'UTC',
    windows,
    outside: limit(input[1] ?? 0, 7),
  });
  const time = (input.readUInt32BE(2) % 1_000_000) * HOUR + (input[1] ?? 0) * 997;
  const now = schedule.limitAt(time);
  const change = schedule.nextChange(time);
  if (change !== undefined) {
    assert.ok(change > time);
    assert.ok(sameLimit(schedule.limitAt(change - 1), now), 'nothing changed before');
    assert.ok(!sameLimit(schedule.limitAt(change), now), 'a change');
  }
  const opening = schedule.nextOpening(time);
  if (opening !== undefined) {
    assert.ok(opening >= time && schedule.limitAt(opening).kind !== 'closed');
    if (opening > time) assert.equal(schedule.limitAt(opening - 1).kind, 'closed');
  } else assert.equal(now.kind, 'closed');
  assert.notEqual(schedule.timeText(time), '');
}

function window(input: Buffer, at: number): Window {
  const days = ([0, 1, 2, 3, 4, 5, 6] as const).filter(
    (day): day is Day => (((input[at] ?? 0) >> day) & 1) === 1,
  );
  const [from, to] = [input.readUInt16BE(at + 1) % 1440, input.readUInt16BE(at + 3) % 1441];
  return { days, from, to, limit: limit(input[at + 5] ?? 0, input[at + 6] ?? 0) };
}

function limit(kind: number, value: number): Limit {
  switch (kind % 4) {
    case 0:
      return CLOSED;
    case 1:
      return UNLIMITED;
    case 2:
      return { kind: 'rate', bytesPerSecond: 1 + value };
    default:
      return { kind: 'delay', milliseconds: value };
  }
}
