/** What happens in one run of two sites that change their parts. */
import type { HostAction } from '../pair/host.ts';
import { FAIR } from '../pair/server.ts';
import type { Trouble } from '../pair/troubles.ts';
import { Dice } from '../platform/dice.ts';
import { hostAction, type Settings } from '../scenario.ts';
import type { Mix, SiteName, Step } from '../steps.ts';
import { droppingSyncs, troubles } from '../troubles.ts';
import type { Verb } from './oracle.ts';

export type RoleStep =
  | (Trouble & { readonly at: number })
  | Extract<Step, { readonly kind: 'restart' }>
  | ({ readonly at: number } & (
      | {
          readonly kind: 'host';
          readonly site: SiteName;
          readonly connection: number;
          readonly action: HostAction;
        }
      | TurnStep
      /** The operator has a recovery point made: by a marker where hosts are served, or on demand. */
      | {
          readonly kind: 'snapshot';
          readonly site: SiteName;
          readonly name: string;
          readonly marker: boolean;
        }
    ));

export interface TurnStep {
  readonly kind: 'turn';
  readonly site: SiteName;
  /** `restore`: a failover, after which the other side serves again. */
  readonly verb: Verb | 'restore';
  readonly to?: PointStep;
}

/** One of the snapshots that there are, or a place between the oldest and the newest: `where`, from 0 to 1. */
export interface PointStep {
  readonly by: 'snapshot' | 'lsn' | 'time';
  readonly where: number;
}

export interface RoleScenario extends Settings {
  readonly steps: readonly RoleStep[];
}

const KIB = 1024;

export function makeRoleScenario(seed: string): RoleScenario {
  const dice = new Dice(`${seed}/roles`);
  const volumes = Array.from({ length: dice.between(1, 2) }, () => dice.pick([64, 100, 192]) * KIB);
  const connections = volumes.length + dice.below(2);
  const length = dice.between(8_000, 60_000);
  const goesBack = dice.fork('goes back').chance(0.5);
  const calm = dice.chance(0.15);
  const some = (most: number): number => (calm || dice.chance(0.4) ? 0 : dice.below(most + 1));
  const mix: Mix = {
    deaths: some(5),
    ioErrors: some(3),
    rooms: some(2),
    clocks: some(2),
    weathers: some(3),
    attacks: 0,
  };
  const steps: RoleStep[] = [
    ...hostSteps(dice.fork('hosts'), { volumes, connections, length }),
    ...(goesBack ? returns(dice.fork('returns'), length) : turns(dice.fork('turns'), length)),
    ...troubles(dice.fork('troubles'), mix, length).filter(isForRoles),
    ...(calm ? [] : droppingSyncs(dice.fork('dropping syncs'), length).filter(isForRoles)),
  ];
  return {
    ...plainSettings,
    seed,
    volumes,
    filled: dice.chance(0.7),
    connections,
    segmentSize: dice.pick([4, 16, 48]) * KIB,
    segmentAge: dice.pick([100, 300, 1000]),
    keyed: dice.chance(0.5),
    clones: dice.chance(0.3),
    own: dice.chance(0.4) ? { clones: dice.chance(0.4) } : undefined,
    retain: dice.chance(0.4) ? { time: 10_000, size: 200 * KIB } : undefined,
    parallel: dice.between(1, 3),
    compression: dice.below(2),
    dropOverwritten: dice.chance(0.5),
    length,
    steps: steps.filter(({ at }) => at < length).sort((a, b) => a.at - b.at),
  };
}

export const plainSettings = {
  initialCopy: 'send',
  sourceQuota: 64 * 1024 * KIB,
  destinationQuota: 64 * 1024 * KIB,
  whenFull: 'change-map',
  every: undefined,
  programTrouble: 0,
  week: undefined,
  wallStart: Date.UTC(2026, 10, 21),
} as const satisfies Partial<Settings>;

function isForRoles(step: Step): step is Extract<RoleStep, Trouble | { readonly kind: 'restart' }> {
  return ['restart', 'death', 'io-error', 'room', 'clock', 'weather', 'freeze'].includes(step.kind);
}

/** At either side: who is not served does nothing. */
function hostSteps(
  dice: Dice,
  { volumes, connections, length }: { volumes: readonly number[]; connections: number; length: number },
): RoleStep[] {
  return Array.from({ length: dice.between(30, 160) }, () => {
    const connection = dice.below(connections);
    const action = hostAction(dice, volumes[connection % volumes.length]!);
    const at = dice.fraction() * length;
    const where = dice.pick([['source'], ['destination'], ['source', 'destination']] as const);
    return where.map((site): RoleStep => ({ at, kind: 'host', site, connection, action }));
  }).flat();
}

const other = (site: SiteName): SiteName => (site === 'source' ? 'destination' : 'source');

/** Where they make sense as a rule, were there no trouble; and now and then where they do not. */
function turns(dice: Dice, length: number): RoleStep[] {
  const steps: RoleStep[] = [];
  let serving: SiteName = 'source';
  for (let at = dice.between(500, 6000); at < length; at += dice.between(500, 15_000)) {
    const astray = dice.chance(0.1);
    const verb = dice.pick(['failover', 'failover', 'switchover', 'switchover', 'rejoin'] as const);
    const usual = verb === 'switchover' ? serving : other(serving);
    steps.push({ at, kind: 'turn', site: astray ? other(usual) : usual, verb });
    if (verb === 'rejoin' || astray) continue;
    if (verb === 'failover') steps.push(...failoverSteps(dice, { at, loser: serving }));
    serving = other(serving);
  }
  return steps;
}

/** Recovery points are made, and gone back to: where hosts are served, and by who takes over. */
function returns(dice: Dice, length: number): RoleStep[] {
  const point = (): PointStep => ({
    by: dice.pick(['snapshot', 'snapshot', 'lsn', 'time']),
    where: dice.fraction(),
  });
  const steps: RoleStep[] = Array.from({ length: dice.between(3, 10) }, (_, number) => ({
    at: dice.fraction() * length,
    kind: 'snapshot',
    site: dice.pick(['source', 'destination']),
    name: `snap-${number}`,
    marker: dice.chance(0.7),
  }));
  let serving: SiteName = 'source';
  for (let at = dice.between(1000, 6000); at < length; at += dice.between(500, 12_000)) {
    const astray = dice.chance(0.1);
    const verb = dice.pick(['rollback', 'rollback', 'restore', 'failover', 'switchover', 'rejoin'] as const);
    const usual = verb === 'switchover' || verb === 'rollback' ? serving : other(serving);
    const isBack = verb === 'rollback' || verb === 'restore' || (verb === 'failover' && dice.chance(0.8));
    steps.push({
      ...{ at, kind: 'turn', site: astray ? other(usual) : usual, verb },
      ...(isBack ? { to: point() } : {}),
    });
    if (verb === 'restore' || verb === 'failover') steps.push(...failoverSteps(dice, { at, loser: serving }));
    if (!astray && (verb === 'failover' || verb === 'switchover')) serving = other(serving);
  }
  return steps;
}

/** The line is down for a while, so that both sides serve; somebody answers the one that gives way. */
function failoverSteps(dice: Dice, { at, loser }: { at: number; loser: SiteName }): RoleStep[] {
  const steps: RoleStep[] = [];
  if (dice.chance(0.8)) {
    const time = dice.between(500, 12_000);
    const begins = Math.max(0, at - dice.below(3000));
    steps.push({ at: begins, kind: 'weather', weather: { ...FAIR, cut: 1 }, time });
  }
  if (dice.chance(0.3))
    steps.push({ at: at - 1, kind: 'death', site: loser, calls: 0, before: true, power: dice.chance(0.5) });
  if (dice.chance(0.7))
    steps.push({ at: at + dice.between(1000, 14_000), kind: 'turn', site: loser, verb: 'rejoin' });
  return steps;
}
