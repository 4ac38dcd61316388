/** The operator of two sites: gives the word, restarts what says it must be, and in the end answers whoever asks. */
import type {
  FailoverAnswer,
  FailoverRequest,
  RejoinAnswer,
  RollbackAnswer,
  SwitchoverAnswer,
} from '../../../src/api/contract/roles.ts';
import type { RoledGroup } from '../../../src/daemon/roles/roled-group.ts';
import type { RunningGroup } from '../../../src/daemon/running-group.ts';
import { describeError, errorCode } from '../../../src/platform/errors.ts';
import type { WantedPoint } from '../../../src/recovery/choose-point.ts';
import type { Site } from '../pair/site.ts';
import type { Loop } from '../platform/loop.ts';
import type { SiteName } from '../steps.ts';
import type { RolesOracle, Verb } from './oracle.ts';
import type { Returns } from './returns.ts';
import type { PointStep, RoleStep, TurnStep } from './scenario.ts';

/** Milliseconds between two looks. */
const LOOK_EVERY = 500;

/** Why a turn is refused, and not done later either. */
const REFUSED = [
  'NOT_DEPOSED',
  'GROUP_NOT_SETTLED',
  'FAILOVER_REFUSED',
  'POINT_NOT_FOUND',
  'SNAPSHOT_NOT_FOUND',
  'SNAPSHOT_AMBIGUOUS',
  'VOLUME_NOT_AT_POINT',
  'NOT_SERVING',
  'NO_SNAPSHOTS_HERE',
];

export interface RolesOperatorOptions {
  readonly loop: Loop;
  readonly oracle: RolesOracle;
  readonly returns: (site: SiteName) => Returns;
  readonly note: (text: string) => void;
}

/** What it is told of a turn that is done, or begun. */
type Told = FailoverAnswer | SwitchoverAnswer | RejoinAnswer | RollbackAnswer;

export class RolesOperator {
  readonly #sites: Readonly<Record<SiteName, Site<RoledGroup>>>;
  readonly #options: RolesOperatorOptions;
  #isCalm = false;

  constructor(sites: Readonly<Record<SiteName, Site<RoledGroup>>>, options: RolesOperatorOptions) {
    this.#sites = sites;
    this.#options = options;
  }

  operate(): void {
    this.#options.loop.after(LOOK_EVERY, () => {
      for (const site of ['source', 'destination'] as const) void this.#look(site);
      this.operate();
    });
  }

  /** Whoever asks is answered from now on. */
  calm(): void {
    this.#isCalm = true;
  }

  turn({ site, verb, to }: TurnStep): void {
    const { group } = this.#sites[site];
    if (group === undefined) return;
    const { oracle, returns, note } = this.#options;
    const word: Verb = verb === 'restore' ? 'failover' : verb;
    oracle.asks(site, word);
    ask(group, verb, to).then(
      (answer) => {
        note(`${site}: ${verb} ${JSON.stringify(answer)}`);
        const keptAs = keptBy(answer);
        if (keptAs !== undefined) oracle.must(() => returns(site).answered(keptAs));
      },
      (error: unknown) => {
        note(`${site}: no ${verb}: ${describeError(error)}`);
        if (REFUSED.includes(errorCode(error))) oracle.takesBack(site, word);
      },
    );
  }

  /** Where it cannot be made now, it is not. */
  snapshot({ site, name, marker }: Extract<RoleStep, { readonly kind: 'snapshot' }>): void {
    const { group } = this.#sites[site];
    if (group === undefined) return;
    const { note } = this.#options;
    const make = async ({ running }: RoledGroup): Promise<unknown> =>
      marker ? running.placeMarker({ kind: 'snapshot', name }) : running.createSnapshot(name);
    make(group).then(
      () => note(`${site}: ${name} is made`),
      (error: unknown) => note(`${site}: no ${name}: ${describeError(error)}`),
    );
  }

  async #look(site: SiteName): Promise<void> {
    const { group, program } = this.#sites[site];
    if (group === undefined || program === undefined) return;
    let mustRestart: boolean;
    try {
      const status = await group.status();
      mustRestart = status.role === 'source' && status.mode === 'stopped';
      if (this.#isCalm && status.waits.some(({ code }) => code === 'deposed'))
        this.turn({ kind: 'turn', site, verb: 'rejoin' });
    } catch (error) {
      // A thread that has ended answers nothing any more.
      mustRestart = errorCode(error) === 'THREAD_ENDED';
    }
    if (!mustRestart || !program.alive) return;
    this.#options.note(`the operator restarts the ${site}`);
    program.kill(false);
  }
}

async function ask(group: RoledGroup, verb: TurnStep['verb'], to: PointStep | undefined): Promise<Told> {
  if (verb === 'switchover' || verb === 'rejoin') return group[verb](false);
  const point = to && (await chosen(group.running, to));
  if (verb === 'rollback') return group.rollback({ dryRun: false, point: point! });
  const request: FailoverRequest = { dryRun: false, handBack: verb === 'restore' };
  return group.failover(point === undefined ? request : { ...request, point });
}

/** The snapshot that is to keep what the volumes held. */
function keptBy(answer: Told): string | undefined {
  if ('point' in answer) return answer.keptAs;
  return 'rollback' in answer ? answer.rollback?.keptAs : undefined;
}

async function chosen(group: RunningGroup, { by, where }: PointStep): Promise<WantedPoint> {
  const { snapshots, applied } = await group.points();
  if (by === 'snapshot') {
    // Of a history that was left, what was kept aside: what the others were is not told here.
    const known = snapshots.filter(({ apart, name }) => apart !== true || name.startsWith('diverged-'));
    const found = known[Math.floor(where * known.length)];
    return { kind: 'snapshot', called: found?.id ?? 'none' };
  }
  const present = snapshots.filter(({ apart }) => apart !== true);
  const between = (from: number, to: number): number => from + Math.floor(where * (to - from + 1));
  const oldest = present[0] ?? applied;
  return by === 'lsn'
    ? { kind: 'lsn', lsn: between(oldest.lsn, applied.lsn) }
    : { kind: 'time', time: between(oldest.time, applied.time) };
}
