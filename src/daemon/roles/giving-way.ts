/** A source that was deposed: what it has that the other side has not, and what is to become of it. */
import type { RejoinAnswer } from '../../api/contract/roles.ts';
import { readDestinationState } from '../../destage/state-file.ts';
import type { Takeover } from '../../journal/role-file.ts';
import { describeError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import type { RunningSource } from '../running-source.ts';
import type { Deposed } from './turns.ts';

export class GivingWay {
  readonly by: Takeover;
  readonly #group: RunningSource;
  readonly #random: Random;
  #found: Awaited<ReturnType<RunningSource['markDiverged']>> | undefined;
  #last = { lsn: 0, epoch: 0 };

  constructor(group: RunningSource, by: Takeover, random: Random) {
    this.#group = group;
    this.by = by;
    this.#random = random;
  }

  /** Whether the folder is a follower's already, up to what a crash left to be done. */
  static isDone(files: Files, folder: string, by: Takeover): boolean {
    return readDestinationState(files, folder).epoch?.id === by.epoch.id;
  }

  /** All that hosts wrote is in the volumes, and what of it the other side lacks is known. False: it was stopped before. */
  async settle(stop: AbortSignal, rest: () => Promise<unknown>): Promise<boolean> {
    for (; !stop.aborted; await rest()) {
      try {
        if (!(await this.#group.settle())) continue;
        this.#found = await this.#group.markDiverged(this.by.fork);
        const status = await this.#group.status();
        if (status.role === 'source') this.#last = { lsn: status.lsn, epoch: status.epoch ?? 0 };
        this.#group.tell('turn-failed', undefined);
        if (this.answer?.keptAs !== undefined) this.#group.tell('deposed', this.sentence);
        return true;
      } catch (error) {
        this.#group.tell(
          'turn-failed',
          `the other side took over, and this side cannot follow it: ${describeError(error)}`,
        );
      }
    }
    return false;
  }

  /** Undefined before it is known. */
  get answer(): RejoinAnswer | undefined {
    if (this.#found === undefined) return undefined;
    const { writes, bytes, from, to } = this.#found;
    const { epoch, fork, at } = this.by;
    return {
      at,
      fork: { lsn: fork.lsn, time: fork.time },
      epoch: epoch.number,
      writes,
      bytes,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(bytes === 0 ? {} : { keptAs: `diverged-${this.#last.epoch}-${this.#last.lsn}` }),
    };
  }

  get sentence(): string {
    const { answer } = this;
    const since = new Date(this.by.at).toISOString();
    return `the other side took over at ${since}, at record ${this.by.fork.lsn}; here hosts wrote ${answer?.writes ?? 0} times behind that, ${answer?.bytes ?? 0} bytes of the volumes may differ: nobody is served until \`blockferry rejoin\` keeps that aside and follows the other side`;
  }

  get deposed(): Deposed | undefined {
    return this.#found && { resync: this.#random.bytes(16).toString('hex'), marked: this.#found.marked };
  }
}
