import { crc32 } from 'node:zlib';
import type { FuzzTarget, TargetEntry } from '../engine/target.ts';

/** Of the toy that takes too long. */
const SLOW = 4;

function seal(bytes: Buffer): Buffer {
  if (bytes.length >= 8) bytes.writeUInt32BE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

const load = (kinds: readonly number[]) => async (): Promise<FuzzTarget> => {
  const { parseToy, ToyRefused } = await import('./parser.ts');
  return {
    seeds: [Buffer.alloc(12)],
    lengthMax: 64,
    memory: () => 8 * 1024 * 1024,
    timeLimit: kinds.includes(SLOW) ? 100 : 5000,
    run(input) {
      if (input.length > 8 && !kinds.includes(input[8] ?? 0)) return;
      try {
        parseToy(seal(input));
      } catch (error) {
        if (!(error instanceof ToyRefused)) throw error;
      }
    },
  };
};

const covers = ['test/fuzz/toys/parser.ts'];

export const TARGETS: readonly TargetEntry[] = [
  { name: 'toy-exception', covers, load: load([0, 1]), inTests: 0 },
  { name: 'toy-hang', covers, load: load([0, 2]), inTests: 0 },
  { name: 'toy-memory', covers, load: load([0, 3]), inTests: 0 },
  { name: 'toy-slow', covers, load: load([0, SLOW]), inTests: 0 },
];
