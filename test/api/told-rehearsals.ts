import type { Rehearsal, RehearsalsStatus } from '../../src/api/contract/rehearsals.ts';

const BEGAN = Date.UTC(2026, 10, 21, 1, 46, 0);

export const PROVEN: Rehearsal = {
  number: 1,
  beganAt: BEGAN,
  point: { mount: 'lsn-8000', lsn: 8000, time: BEGAN - 30_000 },
  mountedAfter: 240,
  endedAfter: 72_000,
  output: ['data: clean'],
};

export const FAILED: Rehearsal = {
  number: 2,
  beganAt: BEGAN + 600_000,
  point: { mount: 'lsn-8900', lsn: 8900, time: BEGAN + 590_000 },
  mountedAfter: 300,
  endedAfter: 4000,
  failure: 'the check ended with exit code 8',
  output: ['data: bad superblock'],
};

export const REHEARSALS: RehearsalsStatus = {
  current: { number: 3, beganAt: BEGAN + 900_000 },
  proven: PROVEN,
  failed: FAILED,
};
