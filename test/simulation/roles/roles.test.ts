import assert from 'node:assert/strict';
import { runSeeds, type SeedsSummary } from '../children.ts';
import { runTurns } from '../runner.ts';
import { turning, TURNING_POINTS } from './crash-points.ts';

/** As many as one core runs in about eight seconds. */
const SEEDS = 14;
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
    mustBeClean(
      await runSeeds({ from: 0, seeds: TURNING_POINTS, jobs: JOBS, roles: true, crashPoints: true }),
    );
  });
});
