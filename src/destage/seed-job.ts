/** What an operator ordered: a folder whose seed files are to be imported, once the volumes stand where they belong. */
import { describeError, errorCode } from '../platform/errors.ts';
import type { SeedExpectation, SeedImport, SeedReading, SeedTarget } from './seed-import.ts';

/** `waiting`: the stream has not reached the record that names a seed. */
export interface SeedJobReport {
  readonly folder: string;
  readonly state: 'waiting' | 'reading' | 'done' | 'failed';
  readonly reading?: SeedReading;
  readonly problem?: { readonly code: string; readonly message: string };
}

export class SeedJob {
  readonly #seeds: SeedImport;
  #report: SeedJobReport;
  #steps: Generator<SeedReading, undefined> | undefined;

  constructor(seeds: SeedImport, folder: string) {
    this.#seeds = seeds;
    this.#report = { folder, state: 'waiting' };
  }

  get report(): SeedJobReport {
    return this.#report;
  }

  /** @param expected undefined: the volumes do not stand at the beginning of a seed */
  step(expected: SeedExpectation | undefined, target: SeedTarget): void {
    const { folder, state } = this.#report;
    if (state === 'done' || state === 'failed' || expected === undefined) return;
    try {
      this.#steps ??= this.#seeds.run(folder, expected, target);
      const next = this.#steps.next();
      this.#report =
        next.done === true ? { folder, state: 'done' } : { folder, state: 'reading', reading: next.value };
    } catch (error) {
      const problem = { code: errorCode(error), message: describeError(error) };
      this.#report = { folder, state: 'failed', problem };
    }
  }

  /** Nothing that it could bring is wanted any more. */
  finish(): void {
    this.end();
    const { folder, state } = this.#report;
    if (state !== 'failed') this.#report = { folder, state: 'done' };
  }

  /** What is open of the drive is closed. */
  end(): void {
    this.#steps?.return(undefined);
  }
}
