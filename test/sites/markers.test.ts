import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDestinationState } from '../../src/destage/state-file.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';

describe('a marker program of a daemon that is killed', function () {
  this.timeout(120_000);

  for (const wait of [true, false]) {
    it(`runs again until it ends, ${wait ? 'the volumes standing still' : 'though nobody waits for it'}, and then no more (I9)`, async () => {
      const folder = temporaryFolder();
      const out = join(folder, 'starts');
      const script = `echo "$BLOCKFERRY_ATTEMPT $BLOCKFERRY_MARKER_ID" >> ${out}; while [ ! -e ${folder}/go ]; do sleep 0.1; done`;
      const pair = new SitePair({
        folder,
        volumes: { a: 1024 * 1024 },
        destinationExtra: `    markers:\n      report: { run: [/bin/sh, -c, '${script}'], wait: ${wait} }`,
        transport: '        folder: ../destination/buffer/g',
      });
      const starts = (): string[] => (existsSync(out) ? readFileSync(out, 'utf8').trim().split('\n') : []);
      try {
        await pair.start('destination');
        await pair.start('source');
        await pair.inStep();
        const { id, lsn } = await pair.marker('custom', 'report');
        for (let attempt = 1; attempt <= 4; attempt += 1) {
          await pair.until(`start ${attempt}`, () => Promise.resolve(starts().length === attempt));
          // More kills than a program has failures.
          await pair.stop('destination', 'SIGKILL');
          await pair.start('destination');
        }
        await pair.until('the last start', () => Promise.resolve(starts().length === 5));
        writeFileSync(join(folder, 'go'), '');
        const log = (): string => readFileSync(pair.path('destination', 'log.jsonl'), 'utf8');
        await pair.until('its end', () =>
          Promise.resolve(log().includes('marker program /bin/sh succeeded')),
        );
        await pair.until('going on', async () => {
          const { applied, waits } = await pair.destination();
          return applied >= lsn && waits.length === 0;
        });
        await pair.stop('destination');
        const { pending, background } = readDestinationState(nodeFiles, pair.groupFolder('destination'));
        assert.deepEqual([pending, background], [undefined, []], 'nothing is left to be done for it');
        assert.deepEqual(
          starts(),
          [1, 2, 3, 4, 5].map((attempt) => `${attempt} ${id}`),
        );
      } finally {
        writeFileSync(join(folder, 'go'), '');
        await pair.stopAll();
      }
    });
  }
});
