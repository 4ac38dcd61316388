import type { VerificationStatus } from '../../src/api/contract/status.ts';

const NOW = Date.UTC(2026, 10, 21, 2, 14, 0);
const DAY = 86_400_000;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export const COMPARED: VerificationStatus = {
  totalBytes: 4.5 * GIB,
  current: { beganAt: NOW - 3_600_000, done: 1.5 * GIB },
  last: {
    pass: 7,
    beganAt: NOW - 8 * DAY,
    endedAt: NOW - DAY,
    firstLsn: 20_000,
    lastLsn: 47_000,
    totalBytes: 4.5 * GIB,
    bytes: 4.5 * GIB,
    outcomes: [
      {
        destination: 'dr-site',
        comparedBytes: 4.5 * GIB,
        skippedBytes: 0,
        differed: 1,
        ranges: [{ volume: 'store', offset: 5 * MIB, length: MIB, side: 'destination' }],
        fromMedium: true,
      },
    ],
  },
  sourceChanges: [],
  destinations: [{ name: 'dr-site', differing: 0, found: 1, mended: 1 }],
};
