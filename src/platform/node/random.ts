import { randomBytes } from 'node:crypto';
import type { Random } from '../random.ts';

export const nodeRandom: Random = {
  bytes: (count) => randomBytes(count),
  fraction: () => Math.random(),
};
