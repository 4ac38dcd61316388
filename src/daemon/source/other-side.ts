/** What a source does at the word of the other side: gives way to a newer epoch (I11), and brings over what it asks for. */
import type { SourceMode } from '../../api/contract/status.ts';
import type { EpochIdentity, Lsn } from '../../journal/ids.ts';
import type { Takeover } from '../../journal/role-file.ts';
import type { DestinationStatus, Resync, ServingStatus, SiteStatus } from '../../journal/status.ts';
import { sleep, type Clock } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { LocalFile } from '../../transfer/transport.ts';
import type { Rollback } from '../roles/rollback-file.ts';
import type { SourceGroup } from './source-group.ts';
import type { SourceHost } from './source-host.ts';
import type { SourceIdentity } from './source-identity.ts';

/** Milliseconds that hosts wait at a start for the other side's word. */
const PATIENCE = 5000;

/** More is being brought over than what hosts write, or is to be. */
const BRINGING: readonly (SourceMode | undefined)[] = ['initializing', 'delta', 'change-map'];

/** How a source takes part. */
export interface SourcePart {
  /** False: hosts are not served, because it hands over or was deposed. */
  readonly serves: boolean;
  /** False: it brings nothing over, because it was deposed or lost the group's folder. */
  readonly brings: boolean;
  /** The file in which it says that it took over, where the other side does not look by itself. */
  readonly announcement: LocalFile | undefined;
  /** Hosts are served once the volumes are what they were then. */
  readonly rollback: Rollback | undefined;
  /** The other side serves hosts in a newer epoch: hosts are served here no more. */
  readonly onDeposed: (by: Takeover) => void;
  /**
   * The group's folder is new here, and a destination holds what an earlier source of it wrote: nobody is served here any
   * more. Called again when that begins to serve.
   */
  readonly onLost: () => void;
  /** Every destination has said that it holds nothing but this group's. */
  readonly onAgreed: () => void;
}

/** Of a group that never changed its parts: the number that it begins with. */
export const FIRST_EPOCH = 1;

/** Nobody knows of another part. */
export const ALONE: SourcePart = {
  serves: true,
  brings: true,
  announcement: undefined,
  rollback: undefined,
  onDeposed: () => undefined,
  onLost: () => undefined,
  onAgreed: () => undefined,
};

export interface OtherSideOptions extends SourcePart {
  readonly log: Log;
  /** Of its present run. */
  readonly identity: () => SourceIdentity;
  readonly group: () => SourceGroup | undefined;
  readonly host: () => Remote<SourceHost> | undefined;
}

export class OtherSide {
  readonly #options: OtherSideOptions;
  #deposed = false;
  #lost = false;
  /** What a destination said last that holds what an earlier source of the group wrote. */
  #foreign: SiteStatus | undefined;
  /** A resync is being taken in hand. */
  #isTaking = false;
  /** The destination whose resync was taken in hand last, and those of each that have a copy of their own, since the start. */
  #turn: string | undefined;
  readonly #taken = new Map<string, string>();

  constructor(options: OtherSideOptions) {
    this.#options = options;
  }

  /** Whether hosts may be served. */
  get mayServe(): boolean {
    return this.#options.serves && this.mayBring;
  }

  /** Whether what is marked may be brought over. */
  get mayBring(): boolean {
    return this.#options.brings && !this.#deposed && !this.#lost;
  }

  get foreign(): SiteStatus | undefined {
    return this.#foreign;
  }

  get rollback(): Rollback | undefined {
    return this.#options.rollback;
  }

  /** Hosts are let in, if they may be. @throws what keeps the server from listening */
  async serve(): Promise<void> {
    if (this.mayServe) {
      this.#options.identity().noteServed();
      await this.#options.host()?.listen();
    }
    // It may have said so while hosts were let in.
    if (!this.mayServe) await this.#options.host()?.stopServing();
  }

  /** A side that comes back asks first whether the other took over meanwhile; one that does not answer keeps no host waiting. */
  async hear(streams: readonly { readonly asked: Promise<unknown> }[], clock: Clock): Promise<void> {
    const enough = new AbortController();
    const asked = Promise.all(streams.map((stream) => stream.asked));
    await Promise.race([asked, sleep(clock, PATIENCE, enough.signal)]);
    enough.abort();
  }

  serving({ epoch, fork, at }: ServingStatus): void {
    const { identity, log, onDeposed } = this.#options;
    if (this.#deposed || !isNewer(epoch, identity().epoch)) return;
    this.#deposed = true;
    log.warn(`the other side took over at record ${fork.lsn}: hosts are not served here any more`);
    this.#letGo();
    onDeposed({ epoch, fork, at });
  }

  /** It holds what another group wrote: one that this side has lost, unless it got a destination that is not its own. */
  holdsForeign(status: SiteStatus): void {
    const { identity, log, onLost } = this.#options;
    if (identity().epoch.number !== FIRST_EPOCH) return;
    const isNews = this.#foreign?.role !== status.role;
    this.#foreign = status;
    if (this.#lost) {
      if (isNews) onLost();
      return;
    }
    // What hosts wrote here counts, too; but where they are served elsewhere they are not served here (I11).
    if (status.role === 'destination' && identity().hasServed) return;
    this.#lost = true;
    log.warn('a destination holds what an earlier source of this group wrote: hosts are not served here');
    this.#letGo();
    onLost();
  }

  /** Every destination has said that it holds nothing but this group's. */
  agreed(): void {
    this.#foreign = undefined;
    this.#options.onAgreed();
  }

  /** What this side has is nothing to send to a destination that holds what an earlier source wrote. */
  get sends(): boolean {
    return !this.#lost;
  }

  said(destination: string, { resync, applied }: DestinationStatus): void {
    if (resync === undefined || this.#isTaking || !this.#isDue(destination, resync, applied)) return;
    const { log } = this.#options;
    this.#isTaking = true;
    this.#take(destination, resync)
      .catch((error: unknown) =>
        log.warn(`what the other side asks for cannot be noted: ${describeError(error)}`),
      )
      .finally(() => (this.#isTaking = false));
  }

  /** A copy that one destination asks for takes the place of any other: another's goes to its end before. */
  #isDue(destination: string, { id }: Resync, applied: Lsn): boolean {
    const { identity, group } = this.#options;
    // It may have been noted just before a crash that took the copy which was to name it: then it still asks when it has all.
    if (id === identity().resync || id === this.#taken.get(destination))
      return group()?.isBroughtTo(applied) === true;
    const isOthers = this.#turn !== undefined && this.#turn !== destination;
    return !isOthers || !BRINGING.includes(group()?.mode);
  }

  #letGo(): void {
    const { group, log } = this.#options;
    group()
      ?.stopServing()
      .catch((error: unknown) => log.warn(describeError(error)));
  }

  async #take(destination: string, resync: Resync): Promise<void> {
    const { identity, group, host, log } = this.#options;
    await group()?.resync(resync, async () => {
      identity().noteResync(resync.id);
      await host()?.setResync(resync.id);
    });
    this.#turn = destination;
    // On an interval another's may take its place before its delta begins.
    if (group()?.interval === undefined) this.#taken.set(destination, resync.id);
    log.info('what the other side’s hosts changed in the epoch before is brought over');
  }
}

/** Of two sides that both raised it to the same number, neither is the newer: both give way until somebody chooses. */
export function isNewer(one: EpochIdentity, other: EpochIdentity): boolean {
  return one.number > other.number || (one.number === other.number && one.id !== other.id);
}
