/**
 * Watches what one site has on its disk, and what its hosts are served: as the source it adds to the history of the epoch
 * that it raised, as a destination its volumes are what the history that it follows says.
 */
import type { HostVolume } from '../../../src/nbd/front-end.ts';
import type { ServedOracle } from '../pair/world.ts';
import type { Machine } from '../platform/machine.ts';
import type { SiteName } from '../steps.ts';
import { Kind, Model, parseRecords, type ModelRecord } from '../oracle/model.ts';
import { differenceOf } from '../oracle/replica.ts';
import { isSecondCopy, newestCopy } from '../oracle/two-copies.ts';
import { Violation } from '../oracle/violation.ts';
import { handsOverTo, isNewer, isOfHost, type EpochName, type History } from './histories.ts';
import type { FollowedState, NotedRole, NotedTakeover } from './noted.ts';
import type { RolesOracle } from './oracle.ts';
import { Returns } from './returns.ts';

const RAW_HEADER = 64;
/** Milliseconds that it takes at most until hosts are let go, in a program that goes on: threads answer late, never overtaken. */
const GRACE = 1000;

/** What is noted before a part is. */
const BEFORE: Partial<Record<NotedRole['kind'], NotedRole['kind']>> = {
  following: 'deposed',
  destination: 'following',
};

export interface SideOptions {
  readonly site: SiteName;
  readonly machine: Machine;
  readonly folder: string;
  readonly volumes: readonly string[];
  /** Where this site hears of the other one's takeover. */
  readonly hears: () => EpochName | undefined;
  /** Hosts may come. */
  readonly isServing: () => boolean;
  readonly roles: RolesOracle;
}

export class Side implements ServedOracle {
  readonly isJournalRotten = false;
  readonly site: SiteName;
  readonly machine: Machine;
  readonly #options: SideOptions;
  readonly #roles: RolesOracle;
  readonly returns: Returns;
  /** Of the epoch that this site raised last. */
  #history: History | undefined;
  #role: { readonly noted: NotedRole | undefined; readonly since: number };
  #state: FollowedState = { applied: 0, consistent: false };
  #begunAt = 0;
  #disturbedUntil = -Infinity;
  /** Of another side that serves, as its word lay there when the program began. */
  #word: EpochName | undefined;
  /** What the program has read of it, and when. */
  #heard: { readonly epoch: EpochName; readonly at: number } | undefined;
  #isStarting = false;
  /** Whole records of the newest append that failed. */
  #failed: ModelRecord[] = [];

  constructor(options: SideOptions) {
    const { site, machine, folder, roles } = options;
    [this.site, this.machine, this.#options, this.#roles] = [site, machine, options, roles];
    this.#role = { noted: undefined, since: 0 };
    this.returns = new Returns({
      ...{ site, roles, isServing: options.isServing },
      content: () => machine.disk.find(`${folder}/rollback.json`)?.content(),
      history: () => this.#history,
    });
    machine.watcher = {
      wrote: (path, position, bytes) => {
        if (path.startsWith(`${folder}/journal/`)) this.#journalWrote(path, position, bytes);
        else if (path.startsWith(`${folder}/`) && isSecondCopy(this.#contentOf(path), position))
          this.#fileChanged(path);
      },
      failedToWrite: (path, position, bytes) => {
        if (path.startsWith(`${folder}/journal/`) && position >= RAW_HEADER)
          this.#failed = parseRecords(bytes);
      },
      renamed: (_, to) => this.#fileChanged(to),
      removing: (path) => {
        if (path === `${folder}/rollback.json`)
          this.#roles.must(() => this.returns.ends(this.isSource || this.role?.kind === 'deposed'));
      },
    };
  }

  get model(): Model {
    return this.#history?.model ?? new Model([]);
  }

  get history(): History | undefined {
    return this.#history;
  }

  /** Undefined: what the configuration says. */
  get role(): NotedRole | undefined {
    return this.#role.noted;
  }

  get state(): FollowedState {
    return this.#state;
  }

  /** Of its own volumes, as a source. */
  get checkpoint(): number {
    const file = newestCopy(this.#contentOf(`${this.#options.folder}/checkpoint.json`));
    return (file as { readonly applied: number } | undefined)?.applied ?? 0;
  }

  get isSource(): boolean {
    const kind = this.role?.kind ?? (this.site === 'source' ? 'source' : 'destination');
    return kind === 'source';
  }

  contents(): Buffer[] {
    return this.#options.volumes.map((path) => this.#contentOf(path));
  }

  fail(violation: Violation): void {
    this.#roles.fail(violation);
  }

  promised(lsn: number): void {
    if (this.#history !== undefined) this.#history.promised = Math.max(this.#history.promised, lsn);
  }

  /** A program begins: what was not on the medium may be gone. */
  begins(): void {
    const { folder } = this.#options;
    this.#role = { noted: this.#isRoleHalf() ? this.#role.noted : this.#noted(), since: -Infinity };
    this.#begunAt = this.machine.loop.now;
    if (!this.#hasNoted()) this.#heard = undefined;
    this.#word = this.#options.hears();
    this.returns.begins();
    const before = this.#state;
    this.#state = (newestCopy(this.#contentOf(`${folder}/destination-state.json`)) as
      FollowedState | undefined) ?? {
      applied: 0,
      consistent: false,
    };
    // Half noted, nothing is written over it either.
    this.returns.moved(before, this.#state, () => this.contents());
  }

  /** Something failed on this machine, or may until then. */
  disturbs(until: number): void {
    this.#disturbedUntil = Math.max(this.#disturbedUntil, until);
  }

  /** Whether what was heard was heard long before, and nothing kept it from being noted: it is never forgotten. */
  #hasNoted(): boolean {
    if (this.#heard === undefined) return false;
    return this.#disturbedUntil < this.#heard.at && this.machine.loop.now - this.#heard.at > GRACE;
  }

  /** The program reads that another side serves in this epoch. */
  hears(epoch: EpochName): void {
    if (epoch.number > (this.#heard?.epoch.number ?? 0)) this.#heard = { epoch, at: this.machine.loop.now };
  }

  /** The group becomes a source, with or without hosts. */
  sourceStarts(): void {
    this.#isStarting = true;
    const group = newestCopy(this.#contentOf(`${this.#options.folder}/group.json`)) as {
      readonly epoch: EpochName;
    };
    const before = this.#history;
    this.#roles.must(() => (this.#history = this.#roles.histories.servedIn(group.epoch, this.site)));
    if (this.#history !== before) this.#failed = [];
  }

  /** I11: hosts are, of a program that could have heard of a newer epoch when it began. */
  letsIn(): void {
    this.#roles.must(() => this.returns.letsIn());
    const [history, word] = [this.#history, this.#word];
    if (history === undefined || !isNewer(word, history) || !this.#roles.undisturbedSince(this.#begunAt))
      return;
    const what = `the ${this.site} lets hosts in, in epoch ${history.epoch.number}`;
    this.fail(new Violation('I11-unheard', `${what}, and could have heard of ${word!.number}`));
  }

  /** What hosts read after a restart is what the journal says, to the byte. */
  sourceServes(volumes: readonly HostVolume[]): void {
    const contents = volumes.map((volume, index) => {
      const content = Buffer.alloc(volume.size);
      try {
        volume.read(0, content);
        return content;
      } catch {
        // A fault that was asked for; the next read tells.
        return this.model.current[index]!;
      }
    });
    const why = differenceOf(contents, this.model.current);
    if (why !== undefined)
      this.fail(new Violation('I2-recovered', `the ${this.site} as hosts see it: ${why}`));
  }

  sourceTakesOver(): void {
    this.fail(new Violation('crash', 'no buffer moves here'));
  }

  #fileChanged(path: string): void {
    const { folder } = this.#options;
    if (path.startsWith(`${folder}/journal/`) && path.endsWith('.open')) this.#isStarting = false;
    if (path === `${folder}/rollback.json`) this.#roles.must(() => this.returns.wrote());
    if (path === `${folder}/role.json`) this.#roles.must(() => this.#roleChanged(this.#noted()));
    if (path === `${folder}/destination-state.json`)
      this.#stateMoved(newestCopy(this.#contentOf(path)) as FollowedState);
    if (path === `${folder}/status/destination.json`) this.#roles.published(this.site, this.#contentOf(path));
  }

  /** What was half noted is noted whole by the program that reads it. */
  #isRoleHalf(): boolean {
    const content = this.#contentOf(`${this.#options.folder}/role.json`);
    return content.length > 0 && !isSecondCopy(content, 0);
  }

  #noted(): NotedRole | undefined {
    const file = newestCopy(this.#contentOf(`${this.#options.folder}/role.json`));
    return (file as { readonly role: NotedRole } | undefined)?.role;
  }

  #roleChanged(noted: NotedRole | undefined): void {
    const before = this.#role.noted;
    if (noted === undefined || JSON.stringify(noted) === JSON.stringify(before)) return;
    this.#role = { noted, since: this.machine.loop.now };
    this.#roles.note(`${this.site} is noted as ${noted.kind}`);
    if (noted.kind === 'taking-over') this.#takesOver(noted.takeover!);
    if (noted.kind === 'going-on') this.#goesOn(noted.takeover!);
    if (noted.kind === 'following') this.#gaveWay(noted.by!);
    const mustBe = BEFORE[noted.kind];
    if (mustBe !== undefined && before?.kind !== mustBe)
      throw new Violation('I6-role', `the ${this.site} is ${noted.kind}, and was not noted as ${mustBe}`);
  }

  /** All volumes are at the one record behind which the epoch begins, durably (I3, I11). */
  #takesOver({ epoch, fork }: NotedTakeover): void {
    const { histories } = this.#roles;
    if (histories.of(epoch.id) !== undefined) return;
    const parent = histories.of(fork.epoch.id);
    if (parent === undefined)
      throw new Violation('I11-fork', `the ${this.site} takes over from an unknown epoch`);
    const history = histories.fork(parent, fork.lsn, epoch, this.site);
    const why = differenceOf(this.contents(), history.model.current);
    if (why !== undefined)
      throw new Violation('I3-fork', `the ${this.site} takes over at ${fork.lsn}: ${why}`);
    for (const path of this.#options.volumes)
      if (this.machine.disk.findDurable(path)?.isSynced !== true)
        throw new Violation('I6-fork', `the ${this.site} takes over, and ${path} is not durable`);
    this.#roles.tookOver(this.site, parent, history);
  }

  /** A side that was deposed has all that its hosts wrote, and goes on with it, at an operator's word. */
  #goesOn({ epoch }: NotedTakeover): void {
    const { histories } = this.#roles;
    const before = this.#history;
    if (before === undefined) throw new Violation('I11-fork', `the ${this.site} goes on and never served`);
    if (histories.of(epoch.id) === undefined) this.#roles.wentOn(this.site, histories.goOn(before, epoch));
  }

  /** I10: only with an operator's word, where anything is lost by it. */
  #gaveWay(by: NotedTakeover): void {
    const history = this.#history;
    if (history === undefined) throw new Violation('I10-role', `the ${this.site} gives way and never served`);
    this.#roles.gaveWay({ site: this.site, history, fork: by.fork.lsn });
  }

  /** At a recovery point the volumes are what the history that is followed says; what is written behind it may be there in part. */
  #stateMoved(state: FollowedState): void {
    const before = this.#state;
    this.#state = state;
    const isSame = state.epoch?.id === before.epoch?.id;
    if (isSame && state.divergence !== undefined && before.divergence === undefined)
      this.#roles.must(() => this.#roles.beginsAnew(this.site));
    this.returns.moved(before, state, () => this.contents());
    if (!state.consistent || state.epoch === undefined || this.isSource) return;
    if (before.consistent && before.applied === state.applied) return;
    const history = this.#roles.histories.of(state.epoch.id);
    if (history === undefined) return;
    const { model } = history;
    const wanted = model
      .cursor()
      .at(state.applied)
      .map((bytes) => Buffer.from(bytes));
    const contents = this.contents();
    for (const { kind, volume, offset, length } of model.records(state.applied + 1, model.last))
      if (kind === Kind.write || kind === Kind.zero)
        contents[volume]!.copy(wanted[volume]!, offset, offset, offset + length);
    const why = differenceOf(contents, wanted);
    if (why !== undefined || state.applied > model.last)
      this.fail(
        new Violation(
          'I3-checkpoint',
          `the ${this.site} at ${state.applied}: ${why ?? 'there is no such record'}`,
        ),
      );
  }

  #journalWrote(path: string, position: number, written: Uint8Array): void {
    if (!path.endsWith('.raw') && !path.endsWith('.open')) return;
    const bytes = Buffer.from(written);
    // What was recovered is written again as it is.
    if (position === 0 && bytes.length > RAW_HEADER) return;
    this.#roles.must(() => {
      if (position === 0)
        this.#journalBegins(Number(bytes.readBigUInt64BE(32)), bytes.toString('hex', 16, 32));
      if (position < RAW_HEADER) return;
      this.#failed = [];
      for (const record of parseRecords(bytes)) this.#append(record);
    });
  }

  #append(record: ModelRecord): void {
    const { model } = this;
    if (record.lsn !== model.last + 1)
      throw new Violation('I3-lsn', `at the ${this.site} record ${record.lsn} follows record ${model.last}`);
    // What brings the volumes back is written as hosts write.
    if (isOfHost(record) && !this.returns.isPending) this.#accepted();
    model.append(record);
    if (record.kind !== Kind.handover) return;
    const id = handsOverTo(record);
    this.#history!.handedOver = id;
    if (id !== undefined) this.#history!.handovers.add(id);
  }

  /** I11 */
  #accepted(): void {
    const history = this.#history!;
    if (history.handedOver !== undefined)
      throw new Violation(
        'I11-handover',
        `the ${this.site} takes a write behind the last record of its epoch`,
      );
    // Half noted that it hands over, it serves on until it is stopped: what counts is the last record.
    const isHandingOver = this.role?.kind === 'handing-over' && this.#role.since > this.#begunAt;
    if (!this.isSource && !isHandingOver && this.#role.since + GRACE < this.machine.loop.now)
      throw new Violation(
        'I11-role',
        `the ${this.site} takes a write, and is noted as ${this.role?.kind ?? 'destination'}`,
      );
    const [{ now }, heard] = [this.machine.loop, this.#heard];
    if (isNewer(heard?.epoch, history) && now - heard!.at > GRACE)
      throw new Violation(
        'I11-heard',
        `the ${this.site} takes a write in epoch ${history.epoch.number}, long after it heard of ${heard!.epoch.number}`,
      );
  }

  /** A new journal file begins at `first`: what lies behind it in the history is gone. */
  #journalBegins(first: number, id: string): void {
    const history = this.#history;
    if (history?.epoch.id !== id)
      throw new Violation(
        'I11-journal',
        `a journal file of the ${this.site} is of another epoch than its group`,
      );
    const { model, promised, forks } = history;
    const last = first - 1;
    // A host was told that its write failed: whether it is there after a crash is not said.
    for (const record of this.#failed.splice(0))
      if (this.#isStarting && record.lsn === model.last + 1 && record.lsn <= last) model.append(record);
    if (last > model.last || (last < model.last && !this.#isStarting))
      throw new Violation(
        'I3-journal',
        `a journal file begins at ${first}; the last record is ${model.last}`,
      );
    if (last < promised)
      throw new Violation(
        'I1-lost',
        `${promised} records were promised; after a crash the journal ends at ${last}`,
      );
    const rested = Math.max(history.fork, ...forks);
    if (last < rested)
      throw new Violation('I2-ahead', `an epoch begins at ${rested}; after a crash its source has ${last}`);
    model.cutAfter(last);
    history.handedOver = history.handsOverAt(last);
  }

  #contentOf(path: string): Buffer {
    return this.machine.disk.find(path)?.content() ?? Buffer.alloc(0);
  }
}
