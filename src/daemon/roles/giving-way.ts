/** A source that was deposed: what it has that the other side has not, and what is to become of it. */
import type { RejoinAnswer } from '../../api/contract/roles.ts';
import type { Takeover } from '../../journal/role-file.ts';
import { describeError } from '../../platform/errors.ts';
import type { Random } from '../../platform/random.ts';
import { bytesText } from '../../platform/words.ts';
import type { RunningSource } from '../source/running-source.ts';
import type { Deposed } from './turns.ts';

/** Whom it gives way to; how its own epoch began, if that was a takeover. */
export interface Parted {
  readonly by: Takeover;
  readonly takeover?: Takeover | undefined;
}

export class GivingWay {
  readonly parted: Parted;
  readonly #group: RunningSource;
  readonly #random: Random;
  #found: Awaited<ReturnType<RunningSource['markDiverged']>> | undefined;
  #last = { lsn: 0, epoch: 0 };

  constructor(group: RunningSource, parted: Parted, random: Random) {
    this.#group = group;
    this.parted = parted;
    this.#random = random;
  }

  get by(): Takeover {
    return this.parted.by;
  }

  /** Whether all that hosts wrote is in the volumes, and what of it the other side lacks is known; if not, it may be tried again. */
  async settle(): Promise<boolean> {
    try {
      if (!(await this.#group.settle())) return false;
      const { by, takeover } = this.parted;
      this.#found = await this.#group.markDiverged({ fork: by.fork, began: takeover?.fork });
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
      return false;
    }
  }

  /** Undefined before it is known. */
  get answer(): RejoinAnswer | undefined {
    if (this.#found === undefined) return undefined;
    const { writes, bytes, volumes, from, to } = this.#found;
    const { epoch, fork, at } = this.by;
    return {
      at,
      fork: { lsn: fork.lsn, time: fork.time },
      epoch: epoch.number,
      writes,
      bytes,
      volumes: [...volumes],
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(bytes === 0 ? {} : { keptAs: `diverged-${this.#last.epoch}-${this.#last.lsn}` }),
    };
  }

  get sentence(): string {
    const { answer } = this;
    const since = new Date(this.by.at).toISOString();
    return `the other side took over at ${since}, at record ${this.by.fork.lsn}; here hosts wrote ${answer?.writes ?? 0} times behind that, up to ${bytesText(answer?.bytes ?? 0)} of the volumes differ: nobody is served until \`blockferry rejoin\` keeps that aside and follows the other side, or \`blockferry failover\` goes on with it and lets the other side give way`;
  }

  get deposed(): Deposed | undefined {
    return this.#found && { resync: this.#random.bytes(16).toString('hex'), marked: this.#found.marked };
  }
}
