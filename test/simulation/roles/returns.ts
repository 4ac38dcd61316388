/**
 * Watches how a site's volumes are brought back to a recovery point, which is noted in `rollback.json` as long: at somebody's
 * word alone, what they held is kept first, nobody is served meanwhile, and in the end all of them are what they were at
 * exactly that record (I10).
 */
import type { SnapshotStore, SnapshotVolume } from '../../../src/recovery/snapshot-store.ts';
import { contentOf } from '../oracle/content-of.ts';
import { differenceOf } from '../oracle/replica.ts';
import { Violation } from '../oracle/violation.ts';
import type { SiteName } from '../steps.ts';
import type { History } from './histories.ts';
import type { FollowedState } from './noted.ts';
import type { RolesOracle } from './oracle.ts';

/** As in `rollback.json` (daemon/roles/rollback-file.ts). */
interface NotedReturn {
  readonly point: { readonly id: string; readonly name: string; readonly lsn: number };
  readonly kept: { readonly id: string; readonly name: string };
  readonly begun: boolean;
  readonly done: { readonly id: string };
}

export interface ReturnsOptions {
  readonly site: SiteName;
  readonly roles: RolesOracle;
  /** What the note holds now, if it is there. */
  readonly content: () => Buffer | undefined;
  /** In which this site serves. */
  readonly history: () => History | undefined;
  readonly isServing: () => boolean;
}

/** What the volumes held before they were brought back, or copied over anew, which is no record's state, maybe. */
interface Discarded {
  readonly kept: NotedReturn['kept'];
  readonly content: readonly Buffer[];
}

export class Returns {
  readonly #options: ReturnsOptions;
  readonly #discarded = new Map<string, Discarded>();
  /** Those for which there was somebody's word. */
  readonly #wanted = new Set<string>();
  /** Names of the snapshots that keep what is given up. */
  readonly #named = new Set<string>();
  #seen: NotedReturn | undefined;
  /** Noted durably: somebody was told that it is to be done. */
  #promised: string | undefined;
  /** Done, and hosts were not served since. */
  #ended: string | undefined;
  readonly #over = new Set<string>();
  /** Names of snapshots that went so that hosts need not wait (I8). */
  readonly #givenUp = new Set<string>();

  constructor(options: ReturnsOptions) {
    this.#options = options;
  }

  /** One is under way. */
  get isPending(): boolean {
    return this.#noted() !== undefined;
  }

  /** A program begins: what was not on the medium may be gone. */
  begins(): void {
    const { site, roles } = this.#options;
    const noted = this.#noted();
    const before = this.#seen;
    if (noted === undefined && before !== undefined && before.done.id === this.#promised)
      roles.fail(new Violation('I10-forgotten', `the ${site} does not go on to ${before.point.name}`));
    if (noted !== undefined && this.#over.has(noted.done.id))
      roles.fail(new Violation('I10-again', `the ${site} goes back to ${noted.point.name} a second time`));
    this.#seen = noted;
  }

  /** What the volumes held is kept, and nothing is written over it yet. */
  moved(
    { divergence, resync }: FollowedState,
    state: FollowedState,
    contents: () => readonly Buffer[],
  ): void {
    if (divergence === undefined || resync === undefined || state.divergence !== undefined) return;
    const { epoch, lsn } = divergence;
    const kept = { id: resync.id, name: `diverged-${epoch.number}-${lsn}` };
    // Of another epoch it is what its history says.
    if (epoch.id === state.epoch?.id && !this.#discarded.has(kept.id))
      this.#discarded.set(kept.id, { kept, content: contents() });
  }

  /** The note was written. @throws Violation */
  wrote(): void {
    const { site, roles, history, isServing } = this.#options;
    const noted = this.#noted();
    if (noted === undefined) return;
    const { point, kept, begun, done } = noted;
    if (!this.#wanted.has(done.id) && !roles.wants(site, 'rollback') && !roles.wants(site, 'failover'))
      throw new Violation('I10-word', `the ${site} goes back to ${point.name}, which nobody asked for`);
    if (!this.#wanted.has(done.id)) roles.takesBack(site, 'rollback');
    this.#wanted.add(done.id);
    if (isServing())
      throw new Violation('I10-served', `the ${site} is to go back to ${point.name}, and serves hosts`);
    roles.note(`${site} ${begun ? 'goes' : 'is to go'} back to ${point.lsn}, ${point.name}`);
    this.#named.add(kept.name);
    this.#seen = noted;
    if (!begun || this.#discarded.has(kept.id)) return;
    const content = history()!.model.current.map((bytes) => Buffer.from(bytes));
    this.#discarded.set(kept.id, { kept, content });
  }

  /** The note is about to be removed. `isSource`: not because this site follows the other one. @throws Violation */
  ends(isSource: boolean): void {
    const { site, roles, history } = this.#options;
    const noted = this.#noted();
    this.#seen = undefined;
    if (noted === undefined || !isSource) return;
    const { point, begun, done } = noted;
    roles.note(`${site} is back at ${point.lsn}`);
    const wanted = this.#contentAt(point);
    if (!begun || wanted === undefined)
      throw new Violation('I10-return', `the ${site} ends on its way back to ${point.name}`);
    const why = differenceOf(history()!.model.current, wanted);
    if (why !== undefined)
      throw new Violation('I10-return', `the ${site} is back at ${point.name}, ${point.lsn}: ${why}`);
    this.#ended = done.id;
  }

  /** Hosts are. @throws Violation */
  letsIn(): void {
    const noted = this.#noted();
    if (noted !== undefined)
      throw new Violation(
        'I10-served',
        `the ${this.#options.site} lets hosts in on its way back to ${noted.point.name}`,
      );
    if (this.#ended !== undefined) this.#over.add(this.#ended);
  }

  /** Somebody was told that it is to be done, and what is kept. @throws Violation */
  answered(keptAs: string): void {
    if (!this.#named.has(keptAs))
      throw new Violation('I10-forgotten', `the ${this.#options.site} keeps nothing as ${keptAs}`);
    if (this.#seen?.kept.name === keptAs) this.#promised = this.#seen.done.id;
  }

  /** The site logged this. */
  said(message: string): void {
    const name = /^snapshot (.+) at LSN \d+ is deleted so that hosts need not wait/.exec(message)?.[1];
    if (name !== undefined) this.#givenUp.add(name);
  }

  /** When all is over. @throws Violation */
  check(store: SnapshotStore, volumes: readonly SnapshotVolume[]): void {
    for (const { kept, content } of this.#discarded.values()) {
      const what = `what the ${this.#options.site} gave up as ${kept.name}`;
      if (!store.list().some(({ id }) => id === kept.id)) {
        if (this.#givenUp.has(kept.name)) continue;
        throw new Violation('I10-kept', `${what} is not kept`);
      }
      const why = differenceOf(contentOf(store, kept.id, volumes), content);
      if (why !== undefined) throw new Violation('I10-kept', `${what} is not kept as it was: ${why}`);
    }
  }

  #contentAt(point: NotedReturn['point']): readonly Buffer[] | undefined {
    const discarded = this.#discarded.get(point.id);
    if (discarded !== undefined) return discarded.content;
    const { model } = this.#left(point) ?? this.#options.history()!;
    return model.last < point.lsn ? undefined : model.cursor().at(point.lsn);
  }

  /** The history that what was kept when this side gave way is of. */
  #left({ name }: NotedReturn['point']): History | undefined {
    const { site, roles } = this.#options;
    const number = /^diverged-(\d+)-/.exec(name)?.[1];
    return roles.histories.losses.find(
      (loss) => loss.site === site && String(loss.history.epoch.number) === number,
    )?.history;
  }

  #noted(): NotedReturn | undefined {
    const content = this.#options.content();
    return content && (JSON.parse(content.toString('utf8')) as { rollback: NotedReturn }).rollback;
  }
}
