/** Every finding there ever was, the corpus, and some mutations of it; `npm run fuzz` runs any number. */
import assert from 'node:assert/strict';
import { fuzz } from './engine/run.ts';
import { TARGETS } from './targets.ts';

describe('Parsers of what comes from outside', () => {
  for (const { name, inTests } of TARGETS) {
    it(`${name}: nothing that was ever found, nor ${inTests} mutated inputs, make it break a promise`, async () => {
      const { outcome, findings } = await fuzz({
        targets: new URL('targets.ts', import.meta.url).href,
        name,
        executions: inTests,
        seed: 1,
        guided: false,
      });
      const told = findings.map(({ kind, message, input }) => ({
        kind,
        message,
        input: input.toString('base64'),
      }));
      assert.deepEqual(told, []);
      assert.ok(outcome !== undefined && outcome.executions >= inTests);
    });
  }
});
