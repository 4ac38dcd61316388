import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runSeeds, type SeedsSummary } from '../children.ts';
import { runTurns } from '../runner.ts';
import { PLANTS } from '../planted/plants.ts';
import { calledOff, leftOut, returning, turning } from './crash-points.ts';

/** As many as one core runs in about eight seconds. */
const SEEDS = 14;
/** Of some thousand places at which a side may die: `npm run simulate -- --roles --crash-points` has all. */
const POINTS = 56;
const JOBS = 2;
/** Milliseconds; a machine may be ten times as slow. */
const LONG = 600_000;

function mustBeClean(result: SeedsSummary): void {
  const texts = result.failed.map(({ seed, message }) => `seed ${seed}: ${message}`);
  assert.deepEqual(texts, [], 'node tools/simulate.ts --roles --seed SEED tells each');
}

describe('two sites that fail over, switch over and rejoin under every kind of trouble, simulated', () => {
  it(`keep what must hold (I10, I11) with ${SEEDS} seeds, and one serves in the end`, async function () {
    this.timeout(LONG);
    const result = await runSeeds({ from: 1, seeds: SEEDS, jobs: JOBS, roles: true });
    mustBeClean(result);
    assert.ok(result.records > 20 * SEEDS && result.markerRuns > SEEDS && result.snapshots > SEEDS / 4);
  });

  it('survive to die at any call while they change their parts, alone and with the power (I6, I10, I11)', async function () {
    this.timeout(LONG);
    const { violation, snapshots, markerRuns } = await runTurns(turning);
    assert.equal(violation, undefined);
    assert.deepEqual([snapshots, markerRuns], [1, 2], 'one history is left, and two epochs are raised');
    const back = await runTurns(returning);
    assert.equal(back.violation, undefined);
    for (const said of [
      /source is back at/,
      /destination is to go back to \d+, lsn-/,
      /destination is back at/,
    ])
      assert.ok(
        back.log.some((line) => said.test(line)),
        String(said),
      );
    mustBeClean(await runSeeds({ from: 0, seeds: POINTS, jobs: JOBS, roles: true, crashPoints: true }));
  });

  it('hand over in the end though the last record of the epoch was left out, and the side died that put it (I8, I11)', async function () {
    this.timeout(LONG);
    const { violation, log } = await runTurns(leftOut);
    assert.equal(violation, undefined);
    for (const said of [/source info: there is room again/, /destination is noted as source/])
      assert.ok(
        log.some((line) => said.test(line)),
        String(said),
      );
  });

  it('do not hand over what was called off, though the word of that was left out (I8, I11)', async function () {
    this.timeout(LONG);
    const { violation, log } = await runTurns(calledOff);
    assert.equal(violation, undefined);
    for (const said of [/source: failover .*"calledOff":2/, /source info: there is room again/])
      assert.ok(
        log.some((line) => said.test(line)),
        String(said),
      );
    assert.ok(!log.some((line) => line.includes('epoch 2 begins')));
  });

  it('are made short where they fail', async function () {
    this.timeout(LONG);
    const plant = PLANTS.findIndex(({ name }) => name === 'hosts are served before the volumes are back');
    const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
    const tool = [file('../../../tools/simulate.ts'), '--roles', '--crash-points', '--shrink', '2'];
    const args = ['--import', file('../planted/preload.ts'), ...tool];
    const env = { ...process.env, SIMULATION_PLANT: String(plant) };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env }).catch(
      (error: unknown) => error as { stdout: string },
    );
    const [, before, after] = /: (\d+) steps, of which (\d+) are left/.exec(stdout) ?? [];
    assert.ok(Number(after) < 5 && Number(before) > 10, stdout);
    assert.match(stdout, /FAILED seed \w+ \d+: I10-served/);
  });
});
