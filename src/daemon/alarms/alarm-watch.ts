/**
 * What a group's own status does not say of itself: that its buffer fills, that a replica lags behind its objective, that a
 * backlog or a copy is under way; and of all that waits, when it ends at the present rate. Everything it knows it has
 * from the statuses that it is shown, at times that may lie apart as they like.
 */
import type {
  BufferStatus,
  DestinationGroupStatus,
  SourceStatus,
  StreamStatus,
  Wait,
} from '../../api/contract/status.ts';
import type { Clock } from '../../platform/clock.ts';
import type { WaitCode } from '../../platform/wait-codes.ts';
import { Waits } from '../../platform/waits.ts';
import { bytesText, countText, durationText, timeText } from '../../platform/words.ts';
import { observed, rateOf, timeTo, type Trend } from './alarm-trend.ts';
import { REFUSING_LEFT_AT, CHANGE_MAP_LEFT_AT } from '../buffer/buffer-policy.ts';
import { toldWait } from '../told-wait.ts';

/** Of the buffer. One that is emptied must be so by a little more, or its alarm would come and go. */
const FILLING = [
  { code: 'buffer-80', raisedAt: 0.8, clearedAt: 0.75 },
  { code: 'buffer-95', raisedAt: 0.95, clearedAt: 0.9 },
] as const;
/** Milliseconds that a destination must be behind before its backlog is worth a word. */
const BACKLOG_AFTER = 30_000;

interface Alarm {
  readonly message: string;
  /** Milliseconds from now. */
  readonly left: number | undefined;
}

export class GroupWatch {
  readonly #clock: Clock;
  readonly #objective: () => number | undefined;
  /** Of the group as a whole, under '', and of each of its destinations. */
  readonly #waits = new Map<string, Waits>();
  readonly #trends = new Map<string, Trend>();
  /** Monotonic: when a destination was last seen to lack nothing. */
  readonly #caughtUpAt = new Map<string, number>();

  /** `objective`: milliseconds that a replica may be behind, which changes as it runs; undefined: as far as it likes. */
  constructor(clock: Clock, objective: () => number | undefined) {
    this.#clock = clock;
    this.#objective = objective;
  }

  /** The status, with what was seen of those before it. */
  complete<T extends SourceStatus | DestinationGroupStatus>(status: T): T;
  complete(status: SourceStatus | DestinationGroupStatus): SourceStatus | DestinationGroupStatus {
    return status.role === 'source' ? this.#source(status) : this.#destination(status);
  }

  #source(status: SourceStatus): SourceStatus {
    const { quota } = status.buffer;
    const buffer = this.#buffer(status.buffer);
    this.#see('marked', status.copy?.left ?? 0);
    this.#set('', 'initial-copy', status.mode === 'initializing' && this.#copying(status));
    this.#set('', 'delta', status.mode === 'delta' && this.#copying(status));
    return {
      ...status,
      buffer,
      waits: this.#all('', status.waits, {
        'buffer-full': this.#left('used', quota * REFUSING_LEFT_AT),
        'change-map': this.#left('used', quota * CHANGE_MAP_LEFT_AT),
      }),
      streams: status.streams.map((stream) => this.#stream(status, stream)),
    };
  }

  #stream({ mode, lsn }: SourceStatus, stream: StreamStatus): StreamStatus {
    const { destination: name, backlogSegments: segments, lagBytes, lagSeconds } = stream;
    this.#see(`${name} bytes`, lagBytes);
    this.#see(`${name} records`, lsn - stream.applied);
    const age = lagSeconds === undefined ? undefined : this.#age(name, lagSeconds);
    const late = mode !== 'initializing' && this.#isLate(age);
    this.#set(name, 'lag', late && this.#lag(age, this.#left(`${name} records`, 0)));
    const left = this.#left(`${name} bytes`, 0);
    const isGoing = stream.waits.length === 0 && segments > 0 && (age ?? 0) >= BACKLOG_AFTER;
    const what = `${countText(segments, 'replication file')} (${bytesText(lagBytes)}) are still to be received`;
    const isGrowing = (rateOf(this.#trend(`${name} bytes`)) ?? -1) >= 0;
    const message = `${what}${isGrowing ? ', and they do not get fewer' : ''}`;
    this.#set(name, 'backlog', isGoing && { message, left });
    return { ...stream, waits: this.#all(name, stream.waits, {}) };
  }

  #destination(status: DestinationGroupStatus): DestinationGroupStatus {
    const { received, applied, inboxSegments, missing, behindSeconds } = status;
    const buffer = this.#buffer(status.buffer);
    this.#see('records', received - applied);
    const isBusy = received > applied || inboxSegments > 0 || missing.length > 0;
    const behind = behindSeconds ?? 0;
    const age = this.#age('', isBusy ? behind : 0);
    const left = missing.length > 0 ? undefined : this.#left('records', 0);
    this.#set('', 'lag', status.consistent && this.#isLate(age) && this.#lag(age, left));
    const isSilent = !isBusy && this.#isLate(behind * 1000);
    const silence = `the newest write that came is ${durationText(behind)} old: hosts write nothing, or the source is away`;
    this.#set('', 'source-silent', isSilent && { message: silence, left: undefined });
    this.#set('', 'not-consistent', !status.consistent && { message: unfitText(status), left: undefined });
    const disk = this.#left('used', status.buffer.quota);
    return { ...status, buffer, waits: this.#all('', status.waits, { 'disk-full': disk }) };
  }

  #buffer(buffer: BufferStatus): BufferStatus {
    const { used, room } = buffer;
    this.#see('used', used);
    this.#see('room', room);
    const filled = room === 0 ? 1 : used / (used + room);
    const full = this.#left('room', 0);
    const fullAt = full === undefined || room === 0 ? undefined : this.#at(full);
    for (const { code, raisedAt, clearedAt } of FILLING) {
      const isOn = filled >= (this.#has('', code) ? clearedAt : raisedAt);
      const when =
        room === 0
          ? ''
          : fullAt === undefined
            ? '; it does not get fuller at the present rate, or this is not known yet'
            : `; at the present rate it is full at ${timeText(fullAt)} (in ${durationText((full ?? 0) / 1000)})`;
      const message = `the buffer is ${Math.floor(filled * 100)} % full, with room for ${bytesText(room)}${when}`;
      this.#set('', code, isOn && { message, left: this.#left('room', (used + room) * (1 - clearedAt)) });
    }
    return fullAt === undefined ? buffer : { ...buffer, fullAt };
  }

  #copying({ mode, copy, interval }: SourceStatus): Alarm {
    const changed = interval === undefined ? 'what changed while the buffer was full' : 'what changed';
    const what = mode === 'initializing' ? 'existing data' : changed;
    if (copy?.total === undefined) return { message: `${what} is to be brought over`, left: undefined };
    const done = `${bytesText(copy.left)} of ${bytesText(copy.total)}`;
    return { message: `${what} is being brought over: ${done} are left`, left: this.#left('marked', 0) };
  }

  #lag(age: number | undefined, left: number | undefined): Alarm {
    const objective = durationText((this.#objective() ?? 0) / 1000);
    const message = `the replica is ${durationText((age ?? 0) / 1000)} behind; its objective is ${objective}`;
    return { message, left };
  }

  #isLate(age: number | undefined): boolean {
    const objective = this.#objective();
    return objective !== undefined && age !== undefined && age > objective;
  }

  /**
   * Milliseconds: the age of the oldest write that is not applied, as far as can be told. The newest applied one may be far
   * older, when hosts wrote nothing for long; but what was not there when nothing was lacking cannot be older than that.
   */
  #age(name: string, lagSeconds: number): number {
    const now = this.#clock.monotonic();
    if (lagSeconds === 0) this.#caughtUpAt.set(name, now);
    return Math.min(lagSeconds * 1000, now - (this.#caughtUpAt.get(name) ?? -Infinity));
  }

  #trend(figure: string): Trend {
    return this.#trends.get(figure) ?? [];
  }

  #see(figure: string, value: number): void {
    this.#trends.set(figure, observed(this.#trend(figure), { at: this.#clock.monotonic(), value }));
  }

  #left(figure: string, target: number): number | undefined {
    return timeTo(this.#trend(figure), target);
  }

  /** To the second: nobody knows it better. */
  #at(left: number): number {
    return Math.round((this.#clock.now() + left) / 1000) * 1000;
  }

  #waitsOf(name: string): Waits {
    const waits = this.#waits.get(name) ?? new Waits(this.#clock);
    this.#waits.set(name, waits);
    return waits;
  }

  #has(name: string, code: WaitCode): boolean {
    return this.#waitsOf(name)
      .list()
      .some((wait) => wait.code === code);
  }

  #set(name: string, code: WaitCode, alarm: Alarm | false): void {
    if (alarm === false) this.#waitsOf(name).clear(code);
    else {
      const { message, left } = alarm;
      this.#waitsOf(name).raise(code, message, left === undefined ? undefined : this.#at(left));
    }
  }

  /** `left`: of those that do not know it themselves. */
  #all(
    name: string,
    own: readonly Wait[],
    left: Readonly<Partial<Record<WaitCode, number | undefined>>>,
  ): readonly Wait[] {
    const told = own.map((wait) => {
      const estimate = left[wait.code as WaitCode];
      return estimate === undefined ? wait : { ...wait, endsAt: this.#at(estimate) };
    });
    return [...told, ...this.#waitsOf(name).list().map(toldWait)];
  }
}

/** Why a destination's volumes are no recovery point. */
function unfitText({ received, applied, aheadTo }: DestinationGroupStatus): string {
  if (received === 0) return 'nothing has come from the source yet: there is no recovery point';
  if (aheadTo === undefined)
    return 'existing data is still being brought over: there is no recovery point yet';
  return `of records ${applied + 1} to ${aheadTo} a part may be in the volumes already: they are a recovery point again once these are applied`;
}
