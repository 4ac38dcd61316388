/** A short run in which, one after the other, every call of either site into its platform is the last before it dies. */
import { FAIR } from './pair/server.ts';
import type { Scenario } from './scenario.ts';
import type { SiteName, Step } from './steps.ts';

const KIB = 1024;

const write = (at: number, connection: number, offset: number, fua = false): Step => ({
  at,
  kind: 'host',
  connection,
  action: { kind: 'write', offset: offset * KIB, length: 3 * KIB, fua, fill: 'stamp' },
});

/**
 * Attach, initial copy, overlapping writes over both snapshot and custom markers, trims and flushes; a volume that grows; then a full disk under
 * the source's buffer, so that changes are marked, and what is marked is brought over.
 */
const SHORT: Scenario = {
  seed: 'crash points',
  volumes: [64 * KIB, 64 * KIB],
  filled: false,
  initialCopy: 'send',
  connections: 2,
  segmentSize: 8 * KIB,
  segmentAge: 60,
  sourceQuota: 64 * 1024 * KIB,
  destinationQuota: 64 * 1024 * KIB,
  whenFull: 'change-map',
  every: undefined,
  keyed: true,
  clones: false,
  own: { clones: false },
  retain: { time: 600, size: 64 * KIB },
  parallel: 2,
  compression: 1,
  dropOverwritten: true,
  programTrouble: 0,
  week: undefined,
  wallStart: Date.UTC(2026, 10, 21),
  length: 2000,
  steps: [
    write(300, 0, 0),
    write(310, 1, 40, true),
    write(620, 0, 1),
    { at: 625, kind: 'host', connection: 0, action: { kind: 'flush' } },
    { at: 640, kind: 'marker', type: 'snapshot', name: 'first' },
    write(700, 0, 2),
    write(701, 1, 41),
    {
      at: 720,
      kind: 'host',
      connection: 1,
      action: { kind: 'trim', offset: 40 * KIB, length: 8 * KIB, fua: true },
    },
    { at: 760, kind: 'marker', type: 'custom', name: 'backup' },
    write(820, 0, 3, true),
    { at: 860, kind: 'marker', type: 'snapshot', name: 'second' },
    { at: 880, kind: 'verify' },
    write(900, 1, 42),
    write(901, 0, 4),
    { at: 905, kind: 'host', connection: 0, action: { kind: 'flush' } },
    { at: 960, kind: 'resize', volume: 0, size: 96 * KIB },
    write(1060, 0, 80, true),
    { at: 1100, kind: 'room', site: 'source', mount: 'buffer', bytes: 0, time: 300 },
    write(1110, 0, 5, true),
    write(1310, 1, 43, true),
    write(1500, 0, 6),
    { at: 1700, kind: 'verify' },
  ],
};

/** Ways to die at each call: either site, alone or with the power. */
const WAYS = 4;

/** The `number`th of them, from 0 on. */
export function crashPoint(number: number): Scenario {
  if (number >= MOVE_POINTS) return movePoint(number - MOVE_POINTS);
  const site: SiteName = number % 2 === 0 ? 'source' : 'destination';
  const power = Math.floor(number / 2) % 2 === 1;
  const calls = Math.floor(number / WAYS) + 1;
  // Before the call: to die after it is to die before the next.
  const death: Step = { at: 0, kind: 'death', site, calls, before: true, power };
  return { ...SHORT, seed: `${SHORT.seed} ${number}`, steps: [death, ...SHORT.steps] };
}

export const undisturbed: Scenario = SHORT;

const MOVE_AT = 500;
/** Numbers of points from here on are those of a buffer that moves. */
export const MOVE_POINTS = 1_000_000;

/** A buffer that moves to another folder under its hosts' writes, with replication files in it that wait for a slow line. */
export const moving: Scenario = {
  ...SHORT,
  seed: 'moved',
  length: 1500,
  steps: [
    write(300, 0, 0),
    write(310, 1, 40, true),
    write(400, 0, 1),
    {
      at: 450,
      kind: 'weather',
      weather: { ...FAIR, latency: 200 },
      time: 500,
    },
    write(480, 1, 44),
    { at: MOVE_AT, kind: 'move' },
    ...Array.from({ length: 12 }, (_, i) => write(510 + 40 * i, i % 2, (i % 2) * 40 + i, i % 4 === 3)),
    { at: 900, kind: 'marker', type: 'snapshot', name: 'moved' },
  ],
};

/** As many as there are while it moves. */
export const MOVE_POINTS_COUNT = 60;

/** The source dies, alone or with the power. */
function movePoint(number: number): Scenario {
  // At one in fourteen.
  const calls = 14 * Math.floor(number / 2) + 1;
  const death: Step = {
    at: MOVE_AT,
    kind: 'death',
    site: 'source',
    calls,
    before: true,
    power: number % 2 === 1,
  };
  return { ...moving, seed: `${moving.seed} ${number}`, steps: [death, ...moving.steps] };
}

/** For so many calls of the busier site. */
export function crashPoints(calls: number): number {
  return WAYS * calls;
}
