import assert from 'node:assert/strict';
import { temporaryFolder } from '../support/folder.ts';
import { runPowerLoss } from './power/power-loss.ts';

/** On each side. Short; `npm run power-loss` is the long one. */
const POINTS = 8;

describe('a power failure on a real file system', function () {
  this.timeout(600_000);

  it(`at ${POINTS} points of a run on each side, loses nothing flushed and mixes no moments (I1, I2, I3, I5, I6, I7, I9)`, async () => {
    const progress: string[] = [];
    const report = await runPowerLoss({
      folder: temporaryFolder(),
      seed: 'power test',
      fileSystems: { source: 'ext4', destination: 'xfs' },
      points: POINTS,
      time: 2000,
      say: (line) => progress.push(line),
    });
    assert.deepEqual(report.wrong, [], progress.join('\n'));
    assert.ok(report.points === 2 * POINTS && report.writes > 0);
  });
});
