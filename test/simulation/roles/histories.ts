/** What hosts wrote, told as a tree: one history an epoch, each of which begins at a record of the one before. */
import { Kind, FROM_VOLUME, Model, type ModelRecord } from '../oracle/model.ts';
import { Violation } from '../oracle/violation.ts';
import type { SiteName } from '../steps.ts';

export interface EpochName {
  readonly number: number;
  readonly id: string;
}

export class History {
  readonly epoch: EpochName;
  /** The only one whose hosts may write in this epoch. */
  readonly site: SiteName;
  /** The last record that is of the epoch before. */
  readonly fork: number;
  readonly model: Model;
  /** The highest LSN that a host was told is durable. */
  promised: number;
  /** The epoch that its last record hands over to, and all that were ever handed over to, some of which were called off. */
  handedOver: string | undefined;
  readonly handovers = new Set<string>();
  /** Where epochs begin that came of it: what they rest on is never lost. */
  readonly forks: number[] = [];

  constructor(epoch: EpochName, site: SiteName, fork: number, model: Model) {
    this.epoch = epoch;
    this.site = site;
    this.fork = fork;
    this.model = model;
    this.promised = fork;
  }

  /** What hosts wrote behind a record. */
  writtenBehind(lsn: number): readonly ModelRecord[] {
    return this.model.records(lsn + 1, this.model.last).filter(isOfHost);
  }

  /** The epoch that is handed over to as of this record; undefined: none. */
  handsOverAt(lsn: number): string | undefined {
    const handover = this.model.records(this.fork + 1, lsn).findLast(({ kind }) => kind === Kind.handover);
    return handover && handsOverTo(handover);
  }
}

/** Undefined: what was handed over is called off. */
export function handsOverTo({ payload }: ModelRecord): string | undefined {
  return (JSON.parse(payload.toString('utf8')) as { readonly epoch: EpochName | null }).epoch?.id;
}

export function isOfHost({ kind, flags }: ModelRecord): boolean {
  return (kind === Kind.write || kind === Kind.zero) && (flags & FROM_VOLUME) === 0;
}

export function isNewer(epoch: EpochName | undefined, { epoch: own }: History): boolean {
  return epoch !== undefined && epoch.number >= own.number && epoch.id !== own.id;
}

/** What a side that gave way had that the other one has not. */
export interface Loss {
  readonly site: SiteName;
  readonly history: History;
  readonly fork: number;
}

export class Histories {
  readonly #initial: readonly Buffer[];
  readonly #known = new Map<string, History>();
  readonly losses: Loss[] = [];

  constructor(initial: readonly Buffer[]) {
    this.#initial = initial;
  }

  get count(): number {
    return this.#known.size;
  }

  of(id: string): History | undefined {
    return this.#known.get(id);
  }

  /** What is written in an epoch, of which nobody knows where it begins, is the first of all. @throws Violation */
  servedIn(epoch: EpochName, site: SiteName): History {
    const known = this.#known.get(epoch.id);
    if (known?.site === site) return known;
    if (known !== undefined)
      throw new Violation(
        'I11-epoch',
        `the ${site} serves in epoch ${epoch.number}, which is the other side's`,
      );
    if (this.#known.size > 0)
      throw new Violation('I11-epoch', `the ${site} serves in epoch ${epoch.number}, which nobody raised`);
    return this.#add(new History(epoch, site, 0, new Model(this.#initial)));
  }

  /** An epoch begins behind a record of another one. @throws Violation */
  fork(parent: History, lsn: number, epoch: EpochName, site: SiteName): History {
    if (lsn > parent.model.last)
      throw new Violation(
        'I2-ahead',
        `epoch ${epoch.number} begins at ${lsn}; its source had ${parent.model.last}`,
      );
    const model = parent.model.fork();
    model.cutAfter(lsn);
    parent.forks.push(lsn);
    return this.#add(new History(epoch, site, lsn, model));
  }

  /** A side goes on with all that it has, in an epoch of its own. */
  goOn(parent: History, epoch: EpochName): History {
    return this.#add(new History(epoch, parent.site, parent.model.last, parent.model.fork()));
  }

  #add(history: History): History {
    this.#known.set(history.epoch.id, history);
    return history;
  }
}
