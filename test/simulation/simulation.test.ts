import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { runSeeds, type SeedsSummary } from './children.ts';
import { crashPoints, MOVE_POINTS, MOVE_POINTS_COUNT, moving, undisturbed } from './crash-points.ts';
import { PLANTS } from './planted/plants.ts';
import { run } from './runner.ts';
import { makeScenario } from './scenario.ts';

/** As many as two cores run in about two minutes. */
const SEEDS = 500;
const INTERVAL_SEEDS = 40;
const JOBS = 2;
/** Milliseconds; a machine may be ten times as slow. */
const LONG = 1_800_000;

const say = (line: string): void => void process.stdout.write(`      ${line}\n`);

function mustBeClean(result: SeedsSummary): void {
  const texts = result.failed.map(({ seed, message }) => `seed ${seed}: ${message}`);
  assert.deepEqual(texts, [], 'node tools/simulate.ts --shrink SEED shows each');
}

describe('a source and a destination under every kind of trouble, simulated', () => {
  it(`keep what must hold (I1 to I10, I12) with ${SEEDS} seeds, and come in step when the trouble ends`, async function () {
    this.timeout(LONG);
    const result = await runSeeds({ from: 1, seeds: SEEDS, jobs: JOBS });
    mustBeClean(result);
    say(
      `${result.seeds} seeds in ${result.seconds.toFixed(0)} s: ${(result.seeds / result.seconds).toFixed(1)} a second`,
    );
    say(`${result.records} records, ${result.snapshots} snapshots, ${result.markerRuns} marker programs`);
    assert.ok(
      result.records > 20 * SEEDS && result.snapshots > SEEDS / 2 && result.markerRuns > SEEDS / 4,
      'too little was done',
    );
  });

  it(`do so with ${INTERVAL_SEEDS} seeds where deltas go over on an interval, each as of its point (I3)`, async function () {
    this.timeout(LONG);
    const result = await runSeeds({ from: 1, seeds: INTERVAL_SEEDS, jobs: JOBS, intervals: true });
    mustBeClean(result);
    assert.ok(result.snapshots > INTERVAL_SEEDS, 'too little was done');
  });

  it('survive to die at any call into the platform, once at each, alone and with the power (I6)', async function () {
    this.timeout(LONG);
    const { violation, calls } = await run(undisturbed);
    assert.equal(violation, undefined);
    const seeds = crashPoints(Math.max(calls.source, calls.destination));
    const result = await runSeeds({ from: 0, seeds, jobs: JOBS, crashPoints: true });
    mustBeClean(result);
    say(`${seeds} crash points in ${result.seconds.toFixed(0)} s`);
  });

  it('survive to die at any call while the source’s buffer moves to another folder, alone and with the power (I6)', async function () {
    this.timeout(LONG);
    const { violation, log } = await run(moving);
    assert.equal(violation, undefined);
    assert.ok(log.some((line) => line.includes('the buffer was moved')));
    const result = await runSeeds({
      from: MOVE_POINTS,
      seeds: MOVE_POINTS_COUNT,
      jobs: JOBS,
      crashPoints: true,
    });
    mustBeClean(result);
  });

  it('do the same again with the same seed, to the last line', async () => {
    const [one, other] = [await run(makeScenario('11')), await run(makeScenario('11'))];
    assert.ok(one.log.length > 50);
    assert.deepEqual(one.log, other.log);
    assert.equal(one.steps, other.steps);
  });
});

describe('the simulation itself', () => {
  for (const [
    number,
    { invariant, name, seeds, from, intervals = false, roles = false },
  ] of PLANTS.entries()) {
    it(`catches within ${seeds} seeds that ${name} (${invariant})`, async function () {
      this.timeout(LONG);
      const { failed } = await runSeeds({
        from,
        seeds,
        intervals,
        roles,
        jobs: JOBS,
        plant: number,
        first: true,
      });
      assert.ok(failed[0] !== undefined, 'nothing was noticed');
      // Where it takes long: the plant's next first seed.
      say(`by seed ${failed[0].seed}`);
    });
  }

  it('keeps nothing of a run that is over', async function () {
    this.timeout(LONG);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    // The last run's own bytes may be there still: it is the same one each time.
    const held = async (): Promise<number> => {
      await run(makeScenario('1'));
      // A collection may leave what it found to be given back by the next one.
      for (let again = 0; again < 5; again += 1) {
        collect();
        await sleep(20);
      }
      return process.memoryUsage().arrayBuffers;
    };
    const before = await held();
    // Of these about every fourth ends, or has a program die, while a copy is on its way: ten megabytes and more each.
    for (let seed = 14; seed <= 24; seed += 1) await run(makeScenario(String(seed)));
    const more = (await held()) - before;
    assert.ok(more < 2_000_000, `${more} bytes are held`);
  });

  it('makes what fails short', async function () {
    this.timeout(LONG);
    const plant = PLANTS.findIndex(({ name }) => name === 'segments are freed once they are destaged');
    const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
    const args = ['--import', file('./planted/preload.ts'), file('../../tools/simulate.ts'), '--shrink', '1'];
    const env = { ...process.env, SIMULATION_PLANT: String(plant) };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env }).catch(
      (error: unknown) => error as { stdout: string },
    );
    const [, before, after] = /: (\d+) steps, of which (\d+) are left/.exec(stdout) ?? [];
    assert.ok(Number(after) < 5 && Number(before) > 20, stdout);
    assert.match(stdout, /FAILED seed 1: I5-freed/);
  });
});
