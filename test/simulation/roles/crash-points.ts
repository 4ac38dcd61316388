/** A failover, a rejoin and a switchover back, in which each side dies while it changes its part: at one call after the other. */
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

/** Who changes its part from when on, and at one in how many of its calls it dies. */
const TURNS = [
  { at: FAILOVER, site: 'destination', stride: 21 },
  { at: REJOIN, site: 'source', stride: 40 },
  { at: SWITCHOVER, site: 'destination', stride: 19 },
  { at: SWITCHOVER, site: 'source', stride: 29 },
] as const;
/** At each turn, alone and with the power. */
const EACH = 10;
export const TURNING_POINTS = TURNS.length * 2 * EACH;

/** The `number`th of them, from 0 on. */
export function turningPoint(number: number): RoleScenario {
  const { at, site, stride } = TURNS[number % TURNS.length]!;
  const rest = Math.floor(number / TURNS.length);
  const calls = 1 + stride * Math.floor(rest / 2);
  const death: RoleStep = { at, kind: 'death', site, calls, before: true, power: rest % 2 === 1 };
  return { ...turning, seed: `${turning.seed} ${number}`, steps: [death, ...turning.steps] };
}
