/**
 * A failover, a rejoin and a switchover back, and another run with a rollback and a failover to a point: in each of them a side
 * dies while it changes its part, at every one of its calls into the platform.
 */
import { FAIR } from '../pair/server.ts';
import type { SiteName } from '../steps.ts';
import { plainSettings, type RoleScenario, type RoleStep } from './scenario.ts';

const KIB = 1024;
const FAILOVER = 1500;
const REJOIN = 4000;
const SWITCHOVER = 9500;

const write = (at: number, site: SiteName, connection: number, offset: number): RoleStep => ({
  at,
  kind: 'host',
  site,
  connection,
  action: { kind: 'write', offset: offset * KIB, length: 3 * KIB, fua: offset % 2 === 0, fill: 'stamp' },
});

/** Both sides serve from the failover on until the line is there again. */
export const turning: RoleScenario = {
  ...plainSettings,
  seed: 'turning',
  volumes: [64 * KIB, 64 * KIB],
  filled: false,
  connections: 2,
  segmentSize: 8 * KIB,
  segmentAge: 60,
  keyed: true,
  clones: false,
  own: undefined,
  retain: { time: 600, size: 64 * KIB },
  parallel: 2,
  compression: 1,
  dropOverwritten: true,
  length: 13_000,
  steps: [
    write(400, 'source', 0, 0),
    write(500, 'source', 1, 40),
    { at: 1000, kind: 'weather', weather: { ...FAIR, cut: 1 }, time: 1500 },
    write(1200, 'source', 0, 2),
    write(1300, 'source', 1, 43),
    { at: FAILOVER, kind: 'turn', site: 'destination', verb: 'failover' },
    write(1800, 'source', 0, 4),
    write(2200, 'destination', 0, 6),
    write(2300, 'destination', 1, 44),
    { at: REJOIN, kind: 'turn', site: 'source', verb: 'rejoin' },
    write(6000, 'destination', 1, 50),
    write(9000, 'destination', 0, 8),
    { at: SWITCHOVER, kind: 'turn', site: 'destination', verb: 'switchover' },
    write(12_500, 'source', 0, 10),
  ],
};

const ROLLBACK = 2500;
const FAILOVER_TO = 6500;

/** Back to a snapshot where hosts are served; then the other side takes over, as it was in between two of its own. */
export const returning: RoleScenario = {
  ...turning,
  seed: 'returning',
  own: { clones: false },
  // So that the point lies between two snapshots.
  retain: { time: 60_000, size: 4096 * KIB },
  dropOverwritten: false,
  length: 13_000,
  steps: [
    write(400, 'source', 0, 0),
    write(500, 'source', 1, 40),
    { at: 900, kind: 'snapshot', site: 'source', name: 'noon', marker: true },
    write(1200, 'source', 0, 2),
    write(1700, 'source', 1, 43),
    { at: ROLLBACK, kind: 'turn', site: 'source', verb: 'rollback', to: { by: 'snapshot', where: 0 } },
    write(4500, 'source', 0, 4),
    write(4900, 'source', 1, 46),
    { at: 6000, kind: 'weather', weather: { ...FAIR, cut: 1 }, time: 1500 },
    { at: FAILOVER_TO, kind: 'turn', site: 'destination', verb: 'failover', to: { by: 'lsn', where: 0.88 } },
    write(6600, 'source', 0, 6),
    write(8000, 'destination', 0, 8),
    { at: 9500, kind: 'turn', site: 'source', verb: 'rejoin' },
    write(11_000, 'destination', 1, 50),
  ],
};

/** A handover that is left out, as the disk is full; the side that hands over dies before there is room. */
export const leftOut: RoleScenario = {
  ...turning,
  seed: 'left out',
  length: 8000,
  steps: [
    // By then it is freed, and its file not kept to be written over any more.
    write(50, 'source', 0, 0),
    { at: 2000, kind: 'turn', site: 'source', verb: 'switchover' },
    // Once its part is noted.
    { at: 2002, kind: 'room', site: 'source', mount: 'buffer', bytes: 0, time: 4000 },
    { at: 3000, kind: 'death', site: 'source', calls: 0, before: true, power: false },
  ],
};

/**
 * A switchover is called off while the destination cannot apply its last record, and the word of that is left out, as the disk
 * is full: a copy is all that tells of it.
 */
export const calledOff: RoleScenario = {
  ...turning,
  seed: 'called off',
  length: 14_000,
  steps: [
    write(400, 'source', 0, 0),
    { at: 1500, kind: 'room', site: 'destination', mount: 'volumes', bytes: 0, time: 8000 },
    // Where the destination's image file has a hole.
    write(1700, 'source', 0, 40),
    { at: 2000, kind: 'turn', site: 'source', verb: 'switchover' },
    // Once no freed file is kept to be written over.
    { at: 3400, kind: 'room', site: 'source', mount: 'buffer', bytes: 0, time: 3000 },
    { at: 3500, kind: 'turn', site: 'source', verb: 'failover' },
    write(12_000, 'source', 1, 2),
  ],
};

/** Who changes its part from when on, and within how many of its calls. */
const TURNS = [
  { scenario: turning, at: FAILOVER, site: 'destination', calls: 210 },
  { scenario: turning, at: REJOIN, site: 'source', calls: 400 },
  { scenario: turning, at: SWITCHOVER, site: 'destination', calls: 190 },
  { scenario: turning, at: SWITCHOVER, site: 'source', calls: 290 },
  { scenario: returning, at: ROLLBACK, site: 'source', calls: 340 },
  { scenario: returning, at: FAILOVER_TO, site: 'destination', calls: 450 },
] as const;

const PLACES = TURNS.flatMap((turn) =>
  Array.from({ length: turn.calls }, (_, call) =>
    [false, true].map((power) => ({ turn, call, power })),
  ).flat(),
);
export const TURNING_POINTS = PLACES.length;
/** Prime to their number: the first few are from all over. */
const SCATTER = 1381;

/** The `number`th of them, from 0 on. */
export function turningPoint(number: number): RoleScenario {
  const { turn, call, power } = PLACES[(number * SCATTER) % PLACES.length]!;
  const { scenario, at, site } = turn;
  const death: RoleStep = { at, kind: 'death', site, calls: 1 + call, before: true, power };
  return { ...scenario, seed: `${scenario.seed} ${number}`, steps: [death, ...scenario.steps] };
}
