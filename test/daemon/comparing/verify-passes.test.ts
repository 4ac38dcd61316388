import assert from 'node:assert/strict';
import { VerifyPasses } from '../../../src/daemon/comparing/verify-passes.ts';
import { lsn } from '../../../src/journal/ids.ts';
import type { DestinationStatus } from '../../../src/journal/status.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { silentLog } from '../../support/silent-log.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const FOLDER = '/group';
const MIB = 1024 * 1024;
const DAY = 86_400_000;
const BEGINNING = { volume: 0, offset: 0 };

/** A source with two volumes and two destinations, and what those said last. */
class Site {
  readonly clock = new SimulatedClock();
  readonly answers = new Map<string, DestinationStatus | undefined>([
    ['bern', undefined],
    ['basel', undefined],
  ]);
  readonly #disk = new MemoryDisk({ clones: false });
  passes: VerifyPasses;

  constructor() {
    this.#disk.makeDirectory(FOLDER);
    this.passes = this.restart();
  }

  restart(): VerifyPasses {
    const { clock, answers } = this;
    this.passes = new VerifyPasses({
      ...{ clock, log: silentLog, files: this.#disk, folder: FOLDER, answers: () => answers },
      volumes: () => [{ size: 4 * MIB }, { size: 2 * MIB }],
    });
    return this.passes;
  }

  /** The pass has come to an offset of the second volume, or to its end. */
  progressed(pass: number, offset: number, done = false): void {
    const place = { volume: 1, offset };
    this.passes.progressed({ pass, place, bytes: 4 * MIB + offset, first: lsn(10), lsn: lsn(20), done });
  }

  says(name: string, applied: number, pass: number): void {
    const verification = { pass, comparedBytes: 6 * MIB, skippedBytes: 0, differed: 0, fromMedium: true };
    this.answers.set(name, { applied: lsn(applied), verification } as unknown as DestinationStatus);
  }

  learn(): ReturnType<VerifyPasses['learn']> {
    return this.passes.learn(() => []);
  }
}

describe('passes of comparing', () => {
  it('go on after a restart where one was cut off, by themselves too, but for a full one', async () => {
    const site = new Site();
    const { pass, from } = site.passes.begin(0, false);
    assert.deepEqual(from, BEGINNING);
    await site.clock.pass(60_000);
    site.progressed(pass, MIB);
    assert.equal(site.restart().isDue(DAY), true);
    const next = site.passes.begin(0, false);
    assert.deepEqual(next.from, { volume: 1, offset: MIB });
    assert.ok(next.pass > pass);
    assert.deepEqual(site.passes.progress(next.pass), {
      state: 'reading',
      doneBytes: 5 * MIB,
      totalBytes: 6 * MIB,
    });
    assert.deepEqual(site.passes.begin(0, true).from, BEGINNING);
  });

  it('are over when every destination has applied their last record, and those that said nothing of it compared nothing', () => {
    const site = new Site();
    const { pass } = site.passes.begin(0, false);
    site.progressed(pass, 2 * MIB, true);
    site.says('bern', 19, pass);
    site.says('basel', 20, pass - 1);
    assert.equal(site.learn(), undefined);
    assert.deepEqual(site.passes.newest, { state: 'comparing', waitsFor: ['bern'] });
    site.says('bern', 20, pass);
    const compared = site.learn()?.outcomes.map((outcome) => [outcome.destination, outcome.comparedBytes]);
    assert.deepEqual(compared, [
      ['basel', 0],
      ['bern', 6 * MIB],
    ]);
    assert.equal(site.passes.comparedUpTo('bern'), 20);
    assert.equal(site.passes.comparedUpTo('basel'), undefined);
    assert.equal(site.restart().progress(pass)?.state, 'complete');
  });

  it('begin by themselves at their time, one after the other; one that nobody answers is waited for as long again', async () => {
    const site = new Site();
    const { pass } = site.passes.begin(0, false);
    await site.clock.pass(3 * DAY);
    assert.equal(site.passes.isDue(DAY), false, 'one is under way');
    site.progressed(pass, 2 * MIB, true);
    assert.equal(site.passes.isDue(2 * DAY), false);
    assert.equal(site.passes.isDue(DAY), true);
  });

  it('take no word of another pass than the one under way', () => {
    const site = new Site();
    const { pass } = site.passes.begin(0, false);
    const next = site.passes.begin(0, true).pass;
    site.progressed(pass, MIB);
    assert.equal(site.passes.current?.progress.bytes, 0);
    site.passes.giveUp();
    site.progressed(next, MIB);
    assert.equal(site.passes.current, undefined);
  });
});
