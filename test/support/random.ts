import { createHash } from 'node:crypto';
import type { Random } from '../../src/platform/random.ts';

/** The same bytes for the same seed, on every machine. */
export function seededRandom(seed: string): Random {
  let count = 0;
  const block = (): Buffer =>
    createHash('sha256')
      .update(`${seed} ${(count += 1)}`)
      .digest();
  return {
    bytes(length) {
      const blocks: Buffer[] = [];
      for (let have = 0; have < length; have += 32) blocks.push(block());
      return Buffer.concat(blocks).subarray(0, length);
    },
    fraction: () => block().readUInt32BE() / 0x1_0000_0000,
  };
}
