import { FREE_SPACE_INTERVAL, FREE_SPACE_RESERVE } from './limits.ts';
import { Refusal } from './reply.ts';

/** How the room of one login is measured. Bytes. */
export interface Measures {
  readonly quota: () => number;
  /** What inbox and journal take now, parts included. */
  readonly used: () => Promise<number>;
  /** What the file system has left. */
  readonly free: () => number;
}

/**
 * The room of one login, shared by its transfers. The use is measured seldom, and what arrives is added to it in
 * between, so that it may be thought higher than it is but never lower; before anything is refused it is measured again.
 */
export class Allowance {
  readonly #measures: Measures;
  /** The last measurement, and what was written since it began. */
  #measured = 0;
  #written = 0;
  /** Let through and not written yet, by all transfers. */
  #underWay = 0;
  #sinceFreeSpace = 0;
  #measuring: Promise<void> = Promise.resolve();

  constructor(measures: Measures) {
    this.#measures = measures;
  }

  /** Before a transfer. @throws Refusal 552 over the quota, 452 with the disk full */
  async begin(): Promise<void> {
    await this.#measure();
    this.#checkQuota();
    this.#checkFreeSpace(0);
  }

  /** Calls `write`, which writes `bytes`. @throws Refusal 552 when they would go over the quota, 452 over the disk */
  async spend(bytes: number, write: () => Promise<void>): Promise<void> {
    this.#underWay += bytes;
    try {
      await this.#checkRoom(bytes);
    } catch (error) {
      this.#underWay -= bytes;
      throw error;
    }
    try {
      await write();
    } finally {
      this.#underWay -= bytes;
      this.#written += bytes;
    }
  }

  async #checkRoom(bytes: number): Promise<void> {
    if (this.#used() > this.#measures.quota()) {
      await this.#measure();
      this.#checkQuota();
    }
    this.#sinceFreeSpace += bytes;
    if (this.#sinceFreeSpace >= FREE_SPACE_INTERVAL) {
      this.#sinceFreeSpace = 0;
      this.#checkFreeSpace(bytes);
    }
  }

  /** One at a time: an older measurement must not come to stand for a newer one. */
  #measure(): Promise<void> {
    const measure = async (): Promise<void> => {
      // What is written during the measurement may count twice, but never not at all.
      const before = this.#written;
      this.#measured = await this.#measures.used();
      this.#written -= before;
    };
    const measured = this.#measuring.then(measure);
    this.#measuring = measured.catch(() => undefined);
    return measured;
  }

  #used(): number {
    return this.#measured + this.#written + this.#underWay;
  }

  #checkQuota(): void {
    if (this.#used() <= this.#measures.quota()) return;
    throw new Refusal(552, 'The quota of this stream is used up; its destination makes room by itself');
  }

  #checkFreeSpace(bytes: number): void {
    if (this.#measures.free() - bytes >= FREE_SPACE_RESERVE) return;
    throw diskFull();
  }
}

export function diskFull(): Refusal {
  return new Refusal(452, 'The disk of this destination is full');
}
