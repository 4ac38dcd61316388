/** The troubles of a run, drawn at random. */
import { FAIR, type Weather } from './pair/server.ts';
import type { Dice } from './platform/dice.ts';
import type { CallKind } from './platform/machine.ts';
import type { Mix, RotPlace, SiteName, Step } from './steps.ts';

const KIB = 1024;

const CALLS: readonly CallKind[] = [
  'open',
  'read',
  'write',
  'sync',
  'resize',
  'punch',
  'stat',
  'list',
  'rename',
  'remove',
  'sync-directory',
  'clone',
];
/** Calls that a full disk can fail. */
const NEEDS_ROOM: ReadonlySet<CallKind> = new Set<CallKind>([
  'open',
  'write',
  'sync',
  'resize',
  'rename',
  'clone',
]);
const MOUNTS = ['buffer', 'volumes', 'snapshots'];

export function troubles(dice: Dice, mix: Mix, length: number): Step[] {
  const steps: Step[] = [];
  const add = (count: number, make: () => Step): void => {
    for (let i = 0; i < count; i += 1) steps.push(make());
  };
  const at = (): number => dice.fraction() * length;
  const site = (): SiteName => dice.pick(['source', 'destination']);
  for (let i = 0; i < mix.deaths; i += 1) steps.push(...deaths(dice, at(), site()));
  add(mix.ioErrors, () => {
    const call = dice.pick(CALLS);
    return {
      at: at(),
      kind: 'io-error',
      site: site(),
      call,
      code: NEEDS_ROOM.has(call) && dice.chance(0.5) ? 'ENOSPC' : 'EIO',
      skip: dice.below(12),
      count: dice.chance(0.7) ? 1 : dice.between(2, 12),
    };
  });
  add(mix.rooms, () => ({
    at: at(),
    kind: 'room',
    site: site(),
    mount: dice.pick(MOUNTS),
    bytes: dice.chance(0.5) ? 0 : dice.below(128 * KIB),
    time: dice.between(300, 4000),
  }));
  add(mix.clocks, () => ({
    at: at(),
    kind: 'clock',
    site: site(),
    by: dice.pick([-3_600_000, 3_600_000, -86_400_000, 40_000_000_000, -1500, 700]),
  }));
  add(mix.weathers, () =>
    dice.chance(0.2)
      ? { at: at(), kind: 'freeze', time: dice.between(200, 20_000) }
      : { at: at(), kind: 'weather', weather: weather(dice), time: dice.between(300, 4000) },
  );
  add(mix.attacks, () => ({
    at: at(),
    kind: 'attack',
    attack: dice.pick([
      'swap',
      'replay',
      'cut',
      'forge-segment',
      'flip',
      'forge-status',
      'replay-status',
      'remove',
    ]),
  }));
  return steps;
}

export function droppingSyncs(dice: Dice, length: number): Step[] {
  if (!dice.chance(0.15)) return [];
  return Array.from({ length: dice.between(1, 3) }, () => ({
    at: dice.fraction() * length,
    kind: 'io-error',
    site: dice.pick(['source', 'destination'] as const),
    call: 'sync',
    code: 'EIO',
    skip: dice.below(8),
    count: 1,
    drops: true,
  }));
}

/** A machine that is restored from an image of some seconds ago, and goes on. */
export function restoration(dice: Dice, length: number): Step[] {
  if (!dice.chance(0.06)) return [];
  const at = dice.fraction() * length * 0.8;
  const later = at + dice.pick([100, 1000, 4000]) * (0.5 + dice.fraction() / 2);
  return [
    { at, kind: 'image' },
    { at: Math.min(later, length * 0.9), kind: 'set-back' },
  ];
}

/** A raw segment that rots before a restart ends the journal there, as a crash may: nothing tells the two from each other. */
export function rot(dice: Dice, others: readonly Step[], length: number): Step[] {
  if (!dice.chance(0.1)) return [];
  const canRestart = others.some(
    (step) =>
      step.kind === 'io-error' ||
      step.kind === 'move' ||
      ((step.kind === 'death' || step.kind === 'restart') && step.site === 'source'),
  );
  const places: readonly RotPlace[] = [
    'sealed',
    'received',
    'state',
    ...(canRestart ? [] : ['raw' as const]),
  ];
  return Array.from({ length: dice.between(1, 5) }, () => ({
    at: dice.fraction() * length,
    kind: 'rot',
    place: dice.pick(places),
  }));
}

/** Now and then another before the program is on its feet again. */
function deaths(dice: Dice, at: number, site: SiteName): Step[] {
  if (dice.chance(0.15)) return [{ at, kind: 'restart', site }];
  const calls = dice.chance(0.2) ? 0 : dice.between(1, 120);
  const first = {
    at,
    kind: 'death',
    site,
    calls,
    before: dice.chance(0.5),
    power: dice.chance(0.6),
  } as const;
  if (dice.chance(0.6)) return [first];
  const again = {
    ...first,
    at: at + dice.between(100, 600),
    calls: dice.between(1, 150),
    power: dice.chance(0.7),
  };
  return [first, again];
}

function weather(dice: Dice): Weather {
  const rate = (most: number): number => (dice.chance(0.6) ? 0 : dice.fraction() * most);
  return {
    ...FAIR,
    latency: dice.pick([1, 20, 200]),
    speed: dice.pick([10, 100, 2000]),
    cut: rate(0.4),
    lateAnswer: rate(0.5),
    loss: rate(0.5),
    truncation: rate(0.5),
    corruption: rate(0.5),
    duplication: rate(0.5),
    nameFirst: rate(0.7),
    delay: rate(0.7),
    stale: rate(0.7),
    full: rate(0.2),
  };
}
