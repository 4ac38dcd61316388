/**
 * What must hold of two sites that change their parts (I10, I11): in an epoch the hosts of one side alone write; what a
 * switchover hands over has everything, and what a failover takes over is all volumes at one record; what the side that gives
 * way has behind that is kept, byte for byte, and given up only at somebody's word.
 */
import type { SnapshotStore, SnapshotVolume } from '../../../src/recovery/snapshot-store.ts';
import { contentOf } from '../oracle/content-of.ts';
import type { Model } from '../oracle/model.ts';
import { differenceOf } from '../oracle/replica.ts';
import { Violation } from '../oracle/violation.ts';
import type { Loop } from '../platform/loop.ts';
import type { SiteName } from '../steps.ts';
import { Histories, type History, type Loss } from './histories.ts';

export type Verb = 'failover' | 'switchover' | 'rejoin' | 'rollback';

export interface RolesOracleOptions {
  readonly loop: Loop;
  readonly initial: readonly Buffer[];
  readonly note: (text: string) => void;
  /** A site's status file was written. */
  readonly published: (site: SiteName, bytes: Buffer) => void;
}

export class RolesOracle {
  readonly histories: Histories;
  readonly #options: RolesOracleOptions;
  /** How often: one may be asked for before the one before is done. */
  readonly #asked = new Map<string, number>();
  #violation: Violation | undefined;
  #disturbedUntil = 0;

  constructor(options: RolesOracleOptions) {
    this.#options = options;
    this.histories = new Histories(options.initial);
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  fail(violation: Violation): void {
    this.#violation ??= violation;
    this.#options.loop.fail(violation);
  }

  /** What an operator was told, held against what is there. */
  must(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.fail(error);
    }
  }

  note(text: string): void {
    this.#options.note(text);
  }

  published(site: SiteName, bytes: Buffer): void {
    this.#options.published(site, bytes);
  }

  /** The operator gave the word. */
  asks(site: SiteName, verb: Verb): void {
    const key = `${site} ${verb}`;
    this.#asked.set(key, (this.#asked.get(key) ?? 0) + 1);
  }

  /** And it is not done yet. */
  wants(site: SiteName, verb: Verb): boolean {
    return this.#asked.has(`${site} ${verb}`);
  }

  /** One of them was refused, or is noted. */
  takesBack(site: SiteName, verb: Verb): void {
    const key = `${site} ${verb}`;
    const left = (this.#asked.get(key) ?? 0) - 1;
    if (left > 0) this.#asked.set(key, left);
    else this.#asked.delete(key);
  }

  /** Something may keep one side from hearing the other, until then. */
  disturbs(until: number): void {
    this.#disturbedUntil = Math.max(this.#disturbedUntil, until);
  }

  undisturbedSince(time: number): boolean {
    return this.#disturbedUntil < time;
  }

  /** @throws Violation */
  tookOver(site: SiteName, parent: History, history: History): void {
    const { number, id } = history.epoch;
    this.note(`epoch ${number} begins at ${history.fork}`);
    if (parent.handovers.has(id)) {
      if (parent.handsOverAt(history.fork) !== id)
        throw new Violation(
          'I11-called-off',
          `the ${site} takes over by a handover that was called off before`,
        );
      // Called off too late, the operator has both sides serve.
      const lost = parent.handedOver === id ? parent.writtenBehind(history.fork) : [];
      if (lost.length > 0)
        throw new Violation('I11-switchover', `a switchover leaves ${lost.length} writes behind`);
    } else if (!this.#asked.delete(`${site} failover`))
      throw new Violation('I10-word', `the ${site} takes over, which nobody asked for`);
  }

  /** @throws Violation */
  wentOn(site: SiteName, history: History): void {
    this.note(`epoch ${history.epoch.number} goes on behind ${history.fork}`);
    if (!this.#asked.delete(`${site} failover`))
      throw new Violation('I10-word', `the ${site} goes on, which nobody asked for`);
  }

  /** @throws Violation */
  gaveWay(loss: Loss): void {
    const { losses } = this.histories;
    const { site, history, fork } = loss;
    const isKnown = losses.some((known) => known.history === history);
    if (isKnown || history.writtenBehind(fork).length === 0) return;
    if (!this.#asked.delete(`${site} rejoin`))
      throw new Violation('I10-word', `the ${site} gives up what is behind ${fork}, which nobody asked for`);
    losses.push(loss);
  }

  /** In the epoch that it follows a side keeps aside what it holds once; or again, where the operator has it begin anew. @throws Violation */
  beginsAnew(site: SiteName): void {
    if (!this.#asked.delete(`${site} rejoin`))
      throw new Violation('I10-again', `the ${site} is to keep again what it has kept`);
  }

  /** I10: what a side gave up, when all is over. @throws Violation */
  checkArchives(site: SiteName, store: SnapshotStore, volumes: readonly SnapshotVolume[]): void {
    const apart = store.list().filter((snapshot) => snapshot.apart === true);
    for (const { history, fork } of this.histories.losses.filter((loss) => loss.site === site)) {
      const name = `diverged-${history.epoch.number}-`;
      const kept = apart.find((snapshot) => snapshot.name.startsWith(name) && snapshot.lsn > fork);
      const what = `what the ${site} had behind ${fork} of epoch ${history.epoch.number}`;
      if (kept === undefined || history.writtenBehind(kept.lsn).length > 0)
        throw new Violation('I10-archive', `${what} is not kept`);
      const why = differenceOf(contentOf(store, kept.id, volumes), history.model.current);
      if (why !== undefined) throw new Violation('I10-archive', `${what} is not kept as it was: ${why}`);
    }
  }

  /** What is left of recovery points is what was written up to there (I3, I7). @throws Violation */
  checkSnapshots(
    site: SiteName,
    model: Model,
    [store, volumes]: readonly [SnapshotStore, readonly SnapshotVolume[]],
  ): void {
    const cursor = model.cursor();
    for (const { id, name, lsn, apart } of store.list()) {
      if (apart === true) continue;
      const what = `snapshot ${name} of the ${site}, at ${lsn},`;
      if (lsn > model.last) throw new Violation('I3-snapshot', `${what} is of no history that is left`);
      const why = differenceOf(contentOf(store, id, volumes), cursor.at(lsn));
      if (why !== undefined) throw new Violation('I3-snapshot', `${what} is not as it was: ${why}`);
    }
  }

  /** Both sites hold what was written, once one of them serves. @throws Violation */
  checkBoth(serving: SiteVolumes & { readonly model: Model }, following: SiteVolumes): void {
    for (const side of [serving, following]) {
      const why = differenceOf(side.contents(), serving.model.current);
      if (why !== undefined) throw new Violation('final', `the ${side.site} in the end: ${why}`);
    }
  }
}

interface SiteVolumes {
  readonly site: SiteName;
  contents(): readonly Buffer[];
}
