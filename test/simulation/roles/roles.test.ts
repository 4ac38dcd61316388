import assert from 'node:assert/strict';
import { runSeeds } from '../children.ts';

/** As many as one core runs in about twelve seconds. */
const SEEDS = 20;
const JOBS = 2;
/** Milliseconds; a machine may be ten times as slow. */
const LONG = 600_000;

describe('two sites that fail over, switch over and rejoin under every kind of trouble, simulated', () => {
  it(`keep what must hold (I10, I11) with ${SEEDS} seeds, and one serves in the end`, async function () {
    this.timeout(LONG);
    const result = await runSeeds({ from: 1, seeds: SEEDS, jobs: JOBS, roles: true });
    const texts = result.failed.map(({ seed, message }) => `seed ${seed}: ${message}`);
    assert.deepEqual(texts, [], 'node tools/simulate.ts --roles --seed SEED tells each');
    assert.ok(result.records > 20 * SEEDS && result.markerRuns > SEEDS && result.snapshots > SEEDS / 4);
  });
});
