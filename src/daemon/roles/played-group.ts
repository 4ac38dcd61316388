/**
 * The part that a group has on this side, as it is noted, and what plays it: it is started in that, and again in whichever is noted when
 * a change of parts fails half way. What turns one part into another is the subclass's.
 */
import type { DestinationGroupStatus, SourceStatus } from '../../api/contract/status.ts';
import type { SourceGroupConfig } from '../../config/config.ts';
import { followingConfig, servingConfig } from '../../config/reverse.ts';
import type { EpochIdentity } from '../../journal/ids.ts';
import { readRole, writeRole, type Role, type Takeover } from '../../journal/role-file.ts';
import { sleep } from '../../platform/clock.ts';
import { describeError, OperatorError } from '../../platform/errors.ts';
import { findGroup, movedByHand } from '../buffer/buffer-place.ts';
import type { RunningGroup } from '../running-group.ts';
import type { RunningSource } from '../source/running-source.ts';
import { toldWait } from '../told-wait.ts';
import type { Parted } from './giving-way.ts';
import {
  startDestinationPart,
  startSourcePart,
  type GroupConfig,
  type Part,
  type RoledGroupOptions,
} from './part.ts';
import { clearRollback } from './rollback-file.ts';
import { finishTurn } from './turns.ts';
import { atLast, RETRY, type Patience } from './waiting.ts';

export abstract class PlayedGroup {
  readonly name: string;
  protected readonly options: RoledGroupOptions;
  protected config: GroupConfig;
  /** The folder that its configuration names; it may be on its way there. */
  #asked: string;
  /** It stays in its folder: the other side knows it in more than one part. */
  #stays: boolean;
  protected role: Role;
  protected part: Part | undefined;
  /** As it was said last, for as long as it turns. */
  #last: SourceStatus | DestinationGroupStatus | undefined;
  #turningSince = 0;
  protected readonly stopping = new AbortController();
  protected readonly patience: Patience;
  /** One turn at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(config: GroupConfig, options: RoledGroupOptions) {
    this.name = config.name;
    const { files } = options.world.platform;
    const { live } = findGroup(files, config.name, config.folder);
    const role = readRole(files, live);
    [this.#asked, this.#stays] = [config.folder, role !== undefined];
    this.config = this.#stays ? { ...config, folder: live } : config;
    this.options = options;
    this.role = role ?? { kind: config.role };
    this.patience = { clock: options.world.platform.clock, stop: this.stopping.signal };
  }

  /** What is asked of the group in the part that it has now. @throws OperatorError `GROUP_TURNING` */
  get running(): RunningGroup {
    if (this.part !== undefined) return this.part.group;
    throw new OperatorError('GROUP_TURNING', `group ${this.name} is changing its part`, {
      remedy: 'ask again in a moment; the log says if something stands in its way',
      retryable: true,
    });
  }

  /** @throws OperatorError as `startSource` and `startDestination` do */
  start(): Promise<void> {
    // What is heard meanwhile is acted on when it has started.
    return this.inTurn(() => this.#start());
  }

  async #start(): Promise<void> {
    const { files } = this.options.world.platform;
    this.role = finishTurn(files, this.config, this.role, this.hasDepot);
    clearRollback(files, this.config.folder, this.role);
    if (this.role.kind === 'destination') await this.#startDestination();
    else await this.#startSource();
  }

  async status(): Promise<SourceStatus | DestinationGroupStatus> {
    const part = this.part;
    if (part === undefined && this.#last !== undefined) {
      const message = 'this side changes its part in the group';
      return { ...this.#last, waits: [toldWait({ code: 'turning', message, since: this.#turningSince })] };
    }
    this.#last = await this.running.status();
    return this.#last;
  }

  wake(): void {
    this.part?.group.wake();
  }

  /** @throws OperatorError `RESTART_NEEDED`; as a source's `prepare` */
  prepare(config: GroupConfig): void {
    if (config.folder === this.#asked) return;
    const part = this.part;
    if (part?.kind !== 'source' || this.#stays) throw movedByHand(this.name);
    part.group.prepare(this.#servingBy(config));
  }

  configure(given: GroupConfig): void {
    this.#asked = given.folder;
    const config = this.#stays ? { ...given, folder: this.config.folder } : given;
    this.config = config;
    this.part?.group.configure(
      this.part.kind === 'source' ? this.serving : followingConfig(config, this.options.here).group,
    );
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.#turn.catch(() => undefined);
    await this.end();
  }

  protected get serving(): SourceGroupConfig {
    return this.#servingBy(this.config);
  }

  #servingBy(config: GroupConfig): SourceGroupConfig {
    const { kind } = this.role;
    const isFirst =
      kind === 'lost' ||
      (kind === 'source' || kind === 'handing-over' ? this.role.takeover === undefined : false);
    const serving = servingConfig(config, this.options.here, !isFirst);
    // The other side takes over behind every write: an interval counts once that is called off.
    return kind === 'handing-over' ? { ...serving, replicateEvery: undefined } : serving;
  }

  protected get hasDepot(): boolean {
    return this.config.role === 'destination';
  }

  protected note(role: Role): void {
    writeRole(this.options.world.platform.files, this.config.folder, role);
    this.role = role;
  }

  /** Nobody is served meanwhile. */
  protected noteAtLast(role: Role): Promise<void> {
    const onError = (text: string): void =>
      this.options.log.error(`group ${this.name} cannot note its part: ${text}`);
    return atLast(() => this.note(role), { ...this.patience, onError });
  }

  async #startSource(): Promise<void> {
    const role = this.role;
    const { group } = (this.part = await startSourcePart(
      {
        ...{ config: this.serving, role, hasDepot: this.hasDepot },
        onDeposed: (by) => void this.inTurn(() => this.deposed(by)),
        onLost: () => void this.inTurn(() => this.lost()),
        onAgreed: () => {
          if (this.role.kind === 'lost') void this.inTurn(() => this.found());
        },
      },
      this.options,
    ));
    if (role.kind === 'handing-over') await this.handOver(group, role.epoch);
    if (role.kind === 'source' && role.handsBack === true) void this.handBack(group);
    if (role.kind === 'lost') void this.inTurn(() => this.lost());
    if (role.kind !== 'deposed' && role.kind !== 'following') return;
    // Not its kind: what is noted when the word is given is another one.
    const { by, takeover } = role;
    void this.inTurn(() => this.giveWay({ by, takeover }));
  }

  async #startDestination(): Promise<void> {
    const following = followingConfig(this.config, this.options.here);
    const onHandover = (epoch: EpochIdentity): unknown => this.inTurn(() => this.handedOver(epoch));
    this.part = await startDestinationPart(following, this.options, onHandover);
  }

  protected async end(): Promise<void> {
    const part = this.part;
    this.part = undefined;
    this.#turningSince = this.options.world.platform.clock.now();
    if (part?.kind === 'destination') await part.fetcher?.stop();
    await part?.group.stop();
  }

  /** What fails half way leaves the group in the part that is noted, and that goes on. */
  protected async orAsBefore<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      this.options.log.error(`group ${this.name} does not change its part now: ${describeError(error)}`);
      await sleep(this.options.world.platform.clock, RETRY, this.stopping.signal);
      await this.again();
      throw error;
    }
  }

  /** In the part that is noted, be it half: a crash would go on with that. Again until it starts. */
  protected async again(): Promise<void> {
    const { files } = this.options.world.platform;
    await this.end().catch((error: unknown) => this.options.log.warn(describeError(error)));
    while (!this.stopping.signal.aborted) {
      try {
        this.role = readRole(files, this.config.folder) ?? { kind: this.config.role };
        await this.#start();
        return;
      } catch (error) {
        this.options.log.error(`group ${this.name} cannot change its part: ${describeError(error)}`);
        await sleep(this.options.world.platform.clock, RETRY, this.stopping.signal);
      }
    }
  }

  /** What is noted of its part is noted in the folder in which it is, and stays. */
  async #stay(): Promise<void> {
    const part = this.part;
    if (part?.kind !== 'source') return;
    const folder = await part.group.stay();
    [this.#stays, this.config] = [true, { ...this.config, folder }];
  }

  protected inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => this.#stay()).then(act);
    this.#turn = turn.catch((error: unknown) => this.options.log.debug(describeError(error)));
    return turn;
  }

  /** The other side took over; hosts were let go. */
  protected abstract deposed(by: Takeover): Promise<void>;

  /** Its destination holds what an earlier source of the group wrote; hosts were let go, or never let in. */
  protected abstract lost(): Promise<void>;

  /** It does not any more. */
  protected abstract found(): Promise<void>;

  /** It starts as one that gives way. */
  protected abstract giveWay(parted: Parted): Promise<void>;

  /** It starts as one that serves until the other side follows. */
  protected abstract handBack(group: RunningSource): Promise<void>;

  /** The last record of the epoch is put. */
  protected abstract handOver(group: RunningSource, epoch: EpochIdentity): Promise<void>;

  /** The destination has the last record of the epoch. */
  protected abstract handedOver(epoch: EpochIdentity): Promise<void>;
}
