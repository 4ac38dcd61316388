/** How far behind the destination is while hosts write at a steady rate. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Figure } from '../figure.ts';
import { BenchPair } from '../pair.ts';
import { fio } from '../programs.ts';

const MIB = 1024 * 1024;
/** Bytes a second. */
const RATE = 50e6;
/** Seconds after which a segment is closed, as in the pair's configuration: what lag is told in multiples of. */
const AGE = 2;
/** Milliseconds between two looks. */
const EVERY = 100;
const NAME = 'lag at 50 MB/s of random writes, 99th percentile';

export const lag: Figure = {
  names: [NAME],
  async measure({ quick, folder }) {
    const pair = await BenchPair.make({ folder, size: (quick ? 256 : 4096) * MIB, quota: '16 GiB' });
    try {
      await pair.start();
      await pair.settle();
      const seen: number[] = [];
      const host = { writing: true };
      const isWriting = (): boolean => host.writing;
      const looking = (async () => {
        while (isWriting()) {
          const behind = (await pair.sites.source()).streams[0]?.lagSeconds;
          if (behind !== undefined) seen.push(behind);
          await pause(EVERY);
        }
      })();
      await fio({
        ...{ uri: pair.uri, kind: 'randwrite', block: '4k', depth: 32, connections: 1 },
        ...{ seconds: quick ? 8 : 60, rate: RATE },
      }).finally(() => (host.writing = false));
      await looking;
      const sorted = seen.toSorted((a, b) => a - b);
      const percentile = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
      return [
        {
          ...{ name: NAME, unit: 's', ours: [percentile], peer: undefined },
          ...{ ratio: percentile / AGE, must: 2, aim: 0.5 / AGE },
        },
      ];
    } finally {
      await pair.end();
    }
  },
};
