import assert from 'node:assert/strict';
import { errorCode } from '../../src/platform/errors.ts';
import { CHUNK_SIZE } from '../../src/recovery/granules.ts';
import { systemError, TamperedFiles, type Fault } from '../support/tampered-files.ts';
import { memoryPlace } from './memory-place.ts';
import { Replica, snapshot, write, type Step } from './replica.ts';

const SIZES = [3 * CHUNK_SIZE + 1536, 2 * CHUNK_SIZE];

const whole = (volume: number, fill: number): Step => write(volume, 0, SIZES[volume]!, fill);
const remove = (id: number): Step => ({ kind: 'delete', id });
const tidy: Step = { kind: 'tidy' };
const tidyOnce: Step = { kind: 'tidy', steps: 1 };
const anticipate = (length: number): Step => ({
  kind: 'anticipate',
  writes: [{ volume: 0, offset: 0, length, fill: 1 }],
});

const SERIES: readonly (readonly Step[])[] = [
  [
    ...[whole(0, 1), snapshot(1), write(0, 512, 4096, 2), snapshot(2), anticipate(2 * CHUNK_SIZE)],
    ...[write(0, 0, CHUNK_SIZE, 3), whole(1, 3), remove(2), whole(0, 4), tidyOnce, write(1, 0, 4096, 5)],
    ...[snapshot(3), whole(0, 6), tidy, remove(1), tidy, write(0, 0, 4096, 7), remove(3), whole(0, 8), tidy],
  ],
  [
    ...[whole(0, 1), snapshot(1), snapshot(2), whole(0, 2), snapshot(3), whole(0, 3), remove(3)],
    ...[
      anticipate(4096),
      remove(2),
      write(0, 0, 8192, 4),
      tidyOnce,
      snapshot(4),
      whole(0, 5),
      tidy,
      remove(4),
    ],
    ...[tidyOnce, write(0, 0, CHUNK_SIZE, 6), tidy, whole(0, 7)],
  ],
  [
    ...[whole(0, 1), snapshot(1), snapshot(2), write(0, 0, 8192, 2), snapshot(3), whole(0, 3), snapshot(4)],
    ...[remove(2), tidyOnce, whole(0, 4), remove(3), tidy, write(0, 0, 4096, 5)],
  ],
];

describe('copy-on-write snapshots', () => {
  for (const [number, steps] of SERIES.entries())
    for (const when of ['before', 'after'] as const)
      it(`are right though any one call of series ${number} fails ${when} it had its effect, and the step is done again (I7, I8)`, () => {
        for (let n = 1; survives(steps, n, when); n += 1);
      });
});

/** Whether there was an n-th call. */
function survives(steps: readonly Step[], n: number, when: Fault['when']): boolean {
  const place = memoryPlace(SIZES);
  const files = new TamperedFiles(place.files);
  files.fault = ({ count }) => (count === n ? { when, error: systemError('ENOSPC') } : undefined);
  const replica = new Replica(place, files);
  for (const step of steps) {
    try {
      replica.run(step);
    } catch (error) {
      assert.equal(errorCode(error), 'ENOSPC', `at call ${n}: ${String(error)}`);
      replica.run(step);
    }
  }
  replica.check();
  replica.checkVolumes();
  place.crash();
  replica.restart(place.files);
  replica.check();
  return files.changes.length >= n;
}
