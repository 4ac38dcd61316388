import assert from 'node:assert/strict';
import { temporaryFolder } from '../support/folder.ts';
import { runChaos } from './chaos.ts';

/** Short; `npm run chaos` is the long one. */
const KILLS = 8;
const FREEZES = 2;

describe('both daemons and the file server, killed and frozen under load', function () {
  this.timeout(600_000);

  it(`lose nothing in ${KILLS} kills and ${FREEZES} freezes, and markers show their moment (I1, I2, I3, I6, I9)`, async () => {
    const progress: string[] = [];
    const report = await runChaos({
      folder: temporaryFolder(),
      seed: 'chaos test',
      kills: KILLS,
      freezes: FREEZES,
      say: (line) => progress.push(line),
    });
    assert.deepEqual(report.wrong, [], progress.join('\n'));
    assert.ok(report.writes > 0 && report.flushes > 0 && report.reconnections > 0 && report.markers > 0);
  });
});
