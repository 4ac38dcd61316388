/**
 * A group on this side, whichever part it has: the source or a destination, and what turns one into the other.
 *
 * I11: a part is noted durably before it is played, and hosts are served in one epoch by the side alone that raised it: what
 *      another raised since is heard of before hosts are let in, where it can be, and hosts are let go when it is heard of.
 * I10: a side that gives way keeps aside what its hosts wrote that the other has not; it waits for somebody's word first.
 */
import type {
  FailoverAnswer,
  FailoverRequest,
  RejoinAnswer,
  RollbackAnswer,
  RollbackRequest,
  SwitchoverAnswer,
} from '../../api/contract/roles.ts';
import type { EpochIdentity } from '../../journal/ids.ts';
import type { Role, Takeover } from '../../journal/role-file.ts';
import { sleep } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { RunningDestination } from '../destination/destination.ts';
import { FIRST_EPOCH, isNewer } from '../source/other-side.ts';
import type { RunningSource } from '../source/running-source.ts';
import { GivingWay, type Parted } from './giving-way.ts';
import { planAnew } from './lacking-side.ts';
import { LostSide, makePlaces } from './lost-side.ts';
import { PlayedGroup } from './played-group.ts';
import {
  notDeposed,
  notInStep,
  notRolledBackHere,
  notServing,
  notSettled,
  oneDestination,
  rollingBack,
} from './role-errors.ts';
import { planReturn, planRollback } from './rollback-plan.ts';
import { epochOf, failoverFacts, forkAt, goingOnFacts, nextEpoch, refuseFailover } from './takeover.ts';
import { beginAnew, turnToDestination } from './turns.ts';
import { isFollowed, RETRY } from './waiting.ts';

type HandingOver = Extract<Role, { kind: 'handing-over' }>;

interface Lost {
  readonly group: RunningSource;
  readonly side: LostSide;
}

export class RoledGroup extends PlayedGroup {
  #giving: GivingWay | undefined;
  /** Of the part that plays now. */
  #lost: Lost | undefined;

  /**
   * This side serves hosts from now on, with all that arrived, or brought back to a point of this side; the other side gives way
   * once it hears of it. So does a source that was deposed, with all that its hosts wrote, and one that hands over, which calls
   * that off. @throws OperatorError `FAILOVER_REFUSED`, `GROUP_NOT_SETTLED`, why there is no such point, or what keeps the volumes from it; it is a destination as before then
   */
  failover({ dryRun, point: at, handBack }: FailoverRequest): Promise<FailoverAnswer> {
    return this.inTurn(async () => {
      const part = this.part;
      if (part?.kind === 'source' && (at !== undefined || handBack))
        throw refuseFailover(this.name, 'it is the source');
      if (part?.kind === 'source' && this.#giving !== undefined)
        return this.#goOn(part.group, this.#giving, dryRun);
      if (part?.kind === 'source' && this.role.kind === 'handing-over')
        return this.#callOff(part.group, this.role, dryRun);
      if (part?.kind !== 'destination') throw refuseFailover(this.name, 'it is the source');
      const next = nextEpoch(this.options.world.platform.random, part.group.facts().state.epoch);
      const told = { clock: this.options.world.platform.clock, config: this.serving, next };
      const before = await part.group.status();
      const trial = failoverFacts(before, part.group.facts(), told);
      const back = await planReturn(part.group, at, this.options.world.platform);
      if (dryRun) await part.group.letPointGo();
      if (dryRun) return { ...trial, ...back.answer };
      return this.orAsBefore(async () => {
        await part.fetcher?.stop();
        const { facts, markers } = await part.group.settle();
        const answer = { ...failoverFacts(before, facts, told), markers: [...markers], ...back.answer };
        back.note(this.config.folder);
        await this.#takeOver(next, handBack);
        return answer;
      });
    });
  }

  /**
   * The other side serves hosts from now on, with all that was written here: nobody is served until it does. Resolves once the
   * last record is on its way. @throws OperatorError `NOT_SERVING`, `GROUP_NOT_CONSISTENT`, `SWITCHOVER_ONE`
   */
  switchover(dryRun: boolean): Promise<SwitchoverAnswer> {
    return this.inTurn(async () => {
      const part = this.part;
      if (part?.kind !== 'source' || this.role.kind !== 'source') throw notServing(this.name);
      if (part.group.isRollingBack) throw rollingBack(this.name);
      const status = await part.group.status();
      const [stream] = status.role === 'source' ? status.streams : [];
      if (status.role !== 'source' || stream === undefined || status.streams.length > 1)
        throw oneDestination(this.name);
      if (status.mode !== 'journal') throw notInStep(this.name, `in mode ${status.mode}`);
      // A handover is of use to a consistent destination alone: nobody would serve.
      if (!(await isFollowed(part.group, this.patience))) throw notInStep(this.name, 'not followed yet');
      const epoch = nextEpoch(this.options.world.platform.random, epochOf(status));
      const { destination: to, lagBytes } = stream;
      const answer = { to, hosts: status.hosts, lagBytes, epoch: epoch.number };
      if (dryRun) return answer;
      const { takeover } = this.role;
      return this.orAsBefore(async () => {
        this.note({ kind: 'handing-over', epoch, takeover });
        await this.handOver(part.group, epoch);
        return answer;
      });
    });
  }

  /**
   * This side follows the other, which took over; what its hosts wrote since is kept aside, or all that its volumes hold, where
   * it lost the group's folder, or lacks records of what it follows. @throws OperatorError `NOT_DEPOSED`, `GROUP_NOT_SETTLED`; as `LostSide.plan` does
   */
  rejoin(dryRun: boolean): Promise<RejoinAnswer> {
    return this.inTurn(async () => {
      if (this.part?.kind === 'destination') return this.#beginAnew(this.part.group, dryRun);
      if (this.role.kind === 'lost') return this.#join(dryRun);
      const giving = this.#giving;
      const answer = giving?.answer;
      if (giving === undefined) throw notDeposed(this.name);
      if (answer === undefined) throw notSettled(this.name);
      if (dryRun) return answer;
      await this.#follow(giving);
      return answer;
    });
  }

  async #join(dryRun: boolean): Promise<RejoinAnswer> {
    const { log, world } = this.options;
    const { volumes } = this.config;
    const planned = await this.#lost?.side.plan(this.config);
    if (planned === undefined) throw notDeposed(this.name);
    const { answer, joining } = planned;
    if (dryRun) return answer;
    return this.orAsBefore(async () => {
      await this.end();
      makePlaces(world.platform.files, volumes, joining.volumes);
      this.note({ kind: 'joining', ...joining });
      await this.again();
      log.warn(`group ${this.name}: this side follows the other from now on, and gets all of its volumes`);
      return answer;
    });
  }

  async #beginAnew(group: RunningDestination, dryRun: boolean): Promise<RejoinAnswer> {
    const answer = await planAnew(this.name, group);
    if (dryRun) return answer;
    const { files, random } = this.options.world.platform;
    return this.orAsBefore(async () => {
      await this.end();
      beginAnew(files, this.config.folder, random.bytes(16).toString('hex'));
      await this.again();
      this.options.log.warn(
        `group ${this.name}: what is missing is not waited for; all that differs is asked for`,
      );
      return answer;
    });
  }

  async #goOn(
    group: RunningSource,
    { answer: found, by }: GivingWay,
    dryRun: boolean,
  ): Promise<FailoverAnswer> {
    if (found === undefined) throw notSettled(this.name);
    const epoch = nextEpoch(this.options.world.platform.random, by.epoch);
    const insteadOf = { at: by.at, lsn: by.fork.lsn, epoch: by.epoch.number };
    const answer = { ...goingOnFacts(await group.status(), this.serving, epoch), insteadOf };
    if (dryRun) return answer;
    return this.orAsBefore(async () => {
      await this.end();
      // Should the note fail and count all the same, this side is deposed no more.
      this.#giving = undefined;
      const at = Math.round(this.options.world.platform.clock.now());
      this.note({ kind: 'going-on', takeover: { epoch, fork: by.fork, at } });
      await this.again();
      this.options.log.warn(`group ${this.name}: this side serves hosts again, in epoch ${epoch.number}`);
      return answer;
    });
  }

  async #callOff(group: RunningSource, role: HandingOver, dryRun: boolean): Promise<FailoverAnswer> {
    const status = await group.status();
    const answer = { ...goingOnFacts(status, this.serving, epochOf(status)), calledOff: role.epoch.number };
    if (dryRun) return answer;
    return this.orAsBefore(async () => {
      await group.handOver({ epoch: null });
      this.note({ kind: 'source', takeover: role.takeover });
      await this.again();
      this.options.log.warn(`group ${this.name}: the switchover is called off; this side serves hosts again`);
      return answer;
    });
  }

  /**
   * The volumes are brought back to a recovery point of this side, and what they hold is kept: hosts are let go, and served
   * again once that is done. Resolves when it has begun.
   * @throws OperatorError `NOT_SERVING`, `NO_SNAPSHOTS_HERE`, `VOLUME_NOT_AT_POINT`, and why there is no such point
   */
  rollback({ point: wanted, dryRun }: RollbackRequest): Promise<RollbackAnswer> {
    return this.inTurn(async () => {
      const part = this.part;
      if (part?.kind !== 'source' || this.role.kind !== 'source') throw notRolledBackHere(this.name);
      const asked = { folder: this.config.folder, wanted, platform: this.options.world.platform };
      const release = part.group.holdSnapshots();
      try {
        const { answer, note } = await planRollback(part.group, asked);
        if (dryRun) return answer;
        return await this.orAsBefore(async () => {
          await this.end();
          note();
          await this.again();
          return answer;
        });
      } finally {
        release();
      }
    });
  }

  /** The other side is to serve: as soon as it can, and nothing is lost. */
  protected async handBack(group: RunningSource): Promise<void> {
    const { clock } = this.patience;
    const isAsked = (): boolean =>
      this.part?.group === group && this.role.kind === 'source' && this.role.handsBack === true;
    group.tell('handing-back', 'the other side is to serve hosts again: this one does until that follows');
    while (isAsked()) {
      await sleep(clock, RETRY, this.stopping.signal);
      if (this.stopping.signal.aborted) return;
      await this.switchover(false).catch((error: unknown) => this.options.log.debug(describeError(error)));
    }
  }

  protected async handOver(group: RunningSource, epoch: EpochIdentity): Promise<void> {
    await group.handOver({ epoch });
    group.tell('handing-back', undefined);
    group.tell(
      'handing-over',
      `the other side is to serve hosts, in epoch ${epoch.number}, once it has everything`,
    );
  }

  /** The destination has the last record of the epoch. */
  protected async handedOver(epoch: EpochIdentity): Promise<void> {
    const part = this.part;
    if (part?.kind !== 'destination' || part.group.facts().state.handover?.id !== epoch.id) return;
    await this.orAsBefore(async () => {
      await part.fetcher?.stop();
      const { facts } = await part.group.settle();
      // What arrived last may have called it off.
      if (facts.state.handover?.id === epoch.id) await this.#takeOver(epoch);
      else await this.again();
    });
  }

  /** The destination is settled. */
  async #takeOver(epoch: EpochIdentity, handsBack = false): Promise<void> {
    const { files, clock } = this.options.world.platform;
    const { folder } = this.config;
    await this.end();
    const takeover: Takeover = { epoch, fork: forkAt(files, folder), at: Math.round(clock.now()) };
    this.note({ kind: 'taking-over', takeover, ...(handsBack ? { handsBack } : {}) });
    await this.again();
    this.options.log.warn(`group ${this.name}: this side serves hosts from now on`, {
      epoch: epoch.number,
      lsn: takeover.fork.lsn,
    });
  }

  /** The other side took over; hosts were let go. */
  protected async deposed(by: Takeover): Promise<void> {
    // What a source heard counts for no part that began since, but for a source of an older epoch still.
    if (this.part?.kind !== 'source' || !isNewer(by.epoch, this.part.group.epoch)) return;
    // It is heard of again after a restart.
    if ('by' in this.role && this.role.by.epoch.id === by.epoch.id) return;
    const parted = { by, takeover: 'takeover' in this.role ? this.role.takeover : undefined };
    await this.noteAtLast({ kind: 'deposed', ...parted });
    await this.giveWay(parted);
  }

  /** It is said again when more is heard. */
  protected async lost(): Promise<void> {
    const part = this.part;
    // What a source heard counts for none that took over since: a group is lost in its first epoch alone.
    if (part?.kind !== 'source' || part.group.epoch.number !== FIRST_EPOCH) return;
    if (this.role.kind === 'source') await this.noteAtLast({ kind: 'lost' });
    if (this.role.kind !== 'lost') return;
    const { platform } = this.options.world;
    if (this.#lost?.group === part.group) {
      await this.#lost.side.settle();
      return;
    }
    this.#lost = { group: part.group, side: new LostSide(part.group, platform) };
    await this.#settleLost(this.#lost);
  }

  async #settleLost(lost: Lost): Promise<void> {
    // Another part may have begun meanwhile.
    if (lost.group !== this.part?.group || this.role.kind !== 'lost') return;
    if (!(await lost.side.settle())) void this.#later(() => this.#settleLost(lost));
  }

  protected async found(): Promise<void> {
    if (this.role.kind !== 'lost') return;
    await this.noteAtLast({ kind: 'source' });
    await this.again();
    this.options.log.warn(`group ${this.name}: no destination holds anything of an earlier source any more`);
  }

  protected async giveWay(parted: Parted): Promise<void> {
    const part = this.part;
    if (part?.kind !== 'source') return;
    this.#giving = new GivingWay(part.group, parted, this.options.world.platform.random);
    await this.#giveWay(this.#giving);
  }

  async #giveWay(giving: GivingWay): Promise<void> {
    // Another part may have begun meanwhile.
    if (giving !== this.#giving) return;
    if (!(await giving.settle())) void this.#later(() => this.#giveWay(giving));
    // The word was given before, or nothing is lost.
    else if (this.role.kind === 'following' || giving.answer?.keptAs === undefined)
      await this.#follow(giving);
    else this.options.log.error(giving.sentence);
  }

  /** A volume may be away for days: meanwhile others have their turns. */
  async #later(act: () => Promise<void>): Promise<void> {
    await sleep(this.patience.clock, RETRY, this.stopping.signal);
    if (!this.stopping.signal.aborted) await this.inTurn(act).catch(() => undefined);
  }

  async #follow(giving: GivingWay): Promise<void> {
    const { files } = this.options.world.platform;
    const { folder } = this.config;
    await this.noteAtLast({ kind: 'following', ...giving.parted });
    this.#giving = undefined;
    await this.orAsBefore(async () => {
      await this.end();
      turnToDestination(files, folder, giving.by, giving.deposed);
      this.role = { kind: 'destination' };
    });
    await this.again();
    this.options.log.warn(`group ${this.name}: this side follows the other from now on`);
  }
}
