/** What happens in one run: how the pair is set up, and a list of things that are done to it, each at its time. */
import type { HostAction } from './pair/host.ts';
import { makeSchedule } from './schedules.ts';
import type { Week } from '../../src/transfer/schedule/schedule.ts';
import { Dice } from './platform/dice.ts';
import type { Mix, Step } from './steps.ts';
import { droppingSyncs, restoration, rot, troubles } from './troubles.ts';

/** How a pair is set up. */
export interface Settings {
  readonly seed: string;
  /** Bytes of each volume. */
  readonly volumes: readonly number[];
  /** Whether the source's volumes are there before, with something in them; otherwise they are made. */
  readonly filled: boolean;
  /** `compare`: the destination has old copies of what is there before. */
  readonly initialCopy: 'send' | 'compare';
  readonly connections: number;
  readonly segmentSize: number;
  readonly segmentAge: number;
  readonly sourceQuota: number;
  readonly destinationQuota: number;
  readonly whenFull: 'refuse-writes' | 'change-map';
  /** Milliseconds between the points that are brought over; undefined: every write goes over in order. */
  readonly every: number | undefined;
  readonly keyed: boolean;
  /** Whether the destination's file system shares blocks. */
  readonly clones: boolean;
  /** Whether the source keeps snapshots too, and its file system shares blocks; undefined: it keeps none. */
  readonly own: { readonly clones: boolean } | undefined;
  /** What the destination keeps of applied segments. */
  readonly retain: { readonly time: number; readonly size: number } | undefined;
  readonly parallel: number;
  readonly compression: number;
  readonly dropOverwritten: boolean;
  readonly programTrouble: number;
  /** Of the link; undefined: it is always open. */
  readonly week: Week | undefined;
  /** The wall clocks when it begins, milliseconds since 1970. */
  readonly wallStart: number;
  /** Milliseconds after which nothing more is done to the pair. */
  readonly length: number;
}

export interface Scenario extends Settings {
  readonly steps: readonly Step[];
}

const SECTOR = 512;
const KIB = 1024;
const RAW_MARGIN = 1280 * KIB;

export const PROGRAM_NAMES = ['backup', 'check'] as const;

/** Of seeds that begin with this the source replicates on an interval. */
export const INTERVAL_SEED = 'i';

export function makeScenario(seed: string): Scenario {
  const dice = new Dice(`${seed}/scenario`);
  const volumes = Array.from({ length: dice.between(1, 3) }, () => dice.pick([64, 100, 192, 256]) * KIB);
  const connections = volumes.length + dice.below(3);
  const length = dice.between(1500, 9000);
  const keyed = dice.chance(0.7);
  const segmentSize = dice.pick([4, 16, 48]) * KIB;
  const whenFull = dice.pick(['refuse-writes', 'change-map'] as const);
  const calm = dice.chance(0.1);
  const some = (most: number): number => (calm || dice.chance(0.4) ? 0 : dice.below(most + 1));
  const mix: Mix = {
    deaths: some(4),
    ioErrors: some(3),
    rooms: some(2),
    clocks: some(3),
    weathers: some(3),
    attacks: keyed ? some(5) : 0,
  };
  const usual: Step[] = [
    ...hostSteps(dice.fork('hosts'), { volumes, connections, length }),
    ...markerSteps(dice.fork('markers'), length),
    ...troubles(dice.fork('troubles'), mix, length),
    ...droppingSyncs(dice.fork('dropping syncs'), length),
    ...initializeSteps(dice.fork('initialize'), length),
    ...compareSteps(dice.fork('compare'), length),
    ...verifySteps(dice.fork('compared'), length),
    ...resizeSteps(dice.fork('resize'), { volumes, connections, length }),
    ...ownSteps(dice.fork('own steps'), length),
    ...moveSteps(dice.fork('moved'), length),
  ];
  const every = seed.startsWith(INTERVAL_SEED) ? dice.fork('interval').between(500, 3000) : undefined;
  const setBack = every === undefined ? restoration(dice.fork('set back'), length) : [];
  const rotten = every === undefined && setBack.length === 0;
  const steps = [...usual, ...setBack, ...(rotten ? rot(dice.fork('rot'), usual, length) : [])];
  return {
    seed,
    volumes,
    filled: dice.chance(0.7),
    initialCopy: every === undefined && dice.fork('initial copy').chance(0.25) ? 'compare' : 'send',
    connections,
    segmentSize,
    segmentAge: dice.pick([100, 300, 1000]),
    sourceQuota: dice.chance(whenFull === 'change-map' ? 0.5 : 0.2)
      ? 2 * (RAW_MARGIN + segmentSize) +
        // A copy needs room for a region of 64 KiB at least; what a configuration may say has more.
        dice.between(40, 200) * KIB * (whenFull === 'change-map' ? 4 : 1)
      : 64 * 1024 * KIB,
    destinationQuota: dice.chance(0.15) ? dice.between(60, 300) * KIB : 64 * 1024 * KIB,
    whenFull,
    every,
    keyed,
    clones: dice.chance(0.3),
    own: every === undefined ? ownSnapshots(dice.fork('own')) : undefined,
    retain: retained(dice.fork('retain')),
    parallel: dice.between(1, 4),
    compression: dice.below(2),
    dropOverwritten: dice.chance(0.5),
    programTrouble: dice.pick([0, 0.3, 0.8]),
    wallStart: dice.pick(WALL_STARTS) - dice.below(8000),
    ...scheduled(dice.fork('schedule')),
    length,
    steps: steps.filter(({ at }) => at < length).sort((a, b) => a.at - b.at),
  };
}

function ownSnapshots(dice: Dice): Settings['own'] {
  return dice.chance(0.5) ? { clones: dice.chance(0.3) } : undefined;
}

function retained(dice: Dice): Settings['retain'] {
  if (dice.chance(0.5)) return undefined;
  return { time: dice.pick([1000, 4000, 60_000]), size: dice.pick([32, 200, 4096]) * KIB };
}

function scheduled(dice: Dice): { readonly week: Week | undefined; readonly wallStart?: number } {
  return dice.chance(0.12) ? makeSchedule(dice) : { week: undefined };
}

/** Just before midnight, a leap day, the end of a year, and both changes of daylight saving in Europe in 2026. */
const WALL_STARTS = [
  Date.UTC(2026, 10, 21),
  Date.UTC(2028, 1, 29),
  Date.UTC(2027, 0, 1),
  Date.UTC(2026, 2, 29, 1),
  Date.UTC(2026, 9, 25, 1),
];

function hostSteps(
  dice: Dice,
  { volumes, connections, length }: { volumes: readonly number[]; connections: number; length: number },
): Step[] {
  const count = dice.between(20, 140);
  return Array.from({ length: count }, () => {
    const connection = dice.below(connections);
    const size = volumes[connection % volumes.length]!;
    return { at: dice.fraction() * length, kind: 'host', connection, action: hostAction(dice, size) };
  });
}

export function hostAction(dice: Dice, size: number): HostAction {
  const most = dice.chance(0.05) ? size : dice.pick([SECTOR, 4 * KIB, 16 * KIB]);
  const length = SECTOR * dice.between(1, Math.floor(most / SECTOR));
  // Often the same places, so that writes overlap.
  const offset =
    SECTOR *
    dice.below((dice.chance(0.5) ? Math.min(size, length + 16 * KIB) : size) / SECTOR - length / SECTOR + 1);
  const fua = dice.chance(0.15);
  const throwOf = dice.fraction();
  if (throwOf < 0.6)
    return {
      kind: 'write',
      offset,
      length,
      fua,
      fill: dice.pick(['stamp', 'stamp', 'stamp', 'zeros', 'sparse']),
    };
  if (throwOf < 0.75) return { kind: 'flush' };
  if (throwOf < 0.8) return { kind: 'trim', offset, length, fua };
  if (throwOf < 0.86) return { kind: 'zero', offset, length, fua };
  if (throwOf < 0.94) return { kind: 'read', offset, length };
  if (throwOf < 0.97) return { kind: 'extents', offset, length };
  return { kind: 'leave', midway: dice.chance(0.6) };
}

function markerSteps(dice: Dice, length: number): Step[] {
  return Array.from({ length: dice.below(7) }, (_, number) => {
    const type = dice.chance(0.6) ? 'snapshot' : 'custom';
    const name = type === 'snapshot' ? `snap-${number}` : dice.pick([...PROGRAM_NAMES, 'unknown']);
    return { at: dice.fraction() * length, kind: 'marker', type, name };
  });
}

/** Volumes that grow, with writes into what is new; and a buffer that is made larger and smaller. */
function resizeSteps(
  dice: Dice,
  { volumes, connections, length }: { volumes: readonly number[]; connections: number; length: number },
): Step[] {
  if (!dice.chance(0.35)) return [];
  const sizes = [...volumes];
  const steps: Step[] = [];
  for (let at = dice.fraction() * length; at < length; at += dice.between(200, 4000)) {
    const volume = dice.below(volumes.length);
    const size = sizes[volume]! + dice.pick([SECTOR, 4 * KIB, 60 * KIB, 130 * KIB]);
    steps.push({ at, kind: 'resize', volume, size });
    for (let i = 0; i < 4; i += 1) {
      const connection =
        volume + volumes.length * dice.below(Math.ceil((connections - volume) / volumes.length));
      const offset = size - SECTOR * dice.between(1, 100);
      const action = {
        kind: 'write',
        offset: Math.max(0, offset),
        length: SECTOR,
        fua: i === 0,
        fill: 'stamp',
      } as const;
      steps.push({ at: at + dice.fraction() * 400, kind: 'host', connection, action });
    }
    sizes[volume] = size;
  }
  if (dice.chance(0.3)) {
    const bytes = 2 * (RAW_MARGIN + 48 * KIB) + dice.between(160, 800) * KIB;
    steps.push({ at: dice.fraction() * length, kind: 'quota', bytes });
    steps.push({ at: dice.fraction() * length, kind: 'quota', bytes: 64 * 1024 * KIB });
  }
  return steps;
}

/** The source's buffer goes to another folder, and perhaps back, before it is there. */
function moveSteps(dice: Dice, length: number): Step[] {
  if (!dice.chance(0.15)) return [];
  const room: Step = {
    at: dice.fraction() * length,
    kind: 'room',
    site: 'source',
    mount: 'other',
    bytes: dice.between(0, 3000) * KIB,
    time: dice.between(300, 4000),
  };
  return [
    ...(dice.chance(0.3) ? [room] : []),
    ...Array.from({ length: dice.between(1, 4) }, () => ({
      at: dice.fraction() * length,
      kind: 'move' as const,
    })),
  ];
}

function initializeSteps(dice: Dice, length: number): Step[] {
  return dice.chance(0.15) ? [{ at: dice.fraction() * length, kind: 'initialize', compare: false }] : [];
}

/** Also while all is brought over for the first time, and while it is compared. */
function compareSteps(dice: Dice, length: number): Step[] {
  if (!dice.chance(0.2)) return [];
  return Array.from({ length: dice.between(1, 3) }, () => ({
    at: dice.fraction() * length,
    kind: 'initialize',
    compare: true,
  }));
}

/** Without an effect on a source that keeps none. */
function ownSteps(dice: Dice, length: number): Step[] {
  return Array.from({ length: dice.below(6) }, () => ({
    at: dice.fraction() * length,
    kind: 'own',
    action: dice.chance(0.6) ? 'create' : 'delete',
  }));
}

/** In few scenarios: also where there is much else to do. */
function verifySteps(dice: Dice, length: number): Step[] {
  if (!dice.chance(0.2)) return [];
  return Array.from({ length: dice.between(2, 12) }, () => ({
    at: dice.fraction() * length,
    kind: 'verify',
  }));
}
