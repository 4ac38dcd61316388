import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDestinationState } from '../../src/destage/state-file.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';

describe('the marker programs of a daemon that is killed', () => {
  it('run again until they end, one that the volumes wait for and one that nobody waits for, and then no more (I9)', async () => {
    const folder = temporaryFolder();
    const out = (name: string): string => join(folder, `starts-of-${name}`);
    const script = `echo "$BLOCKFERRY_ATTEMPT $BLOCKFERRY_MARKER_ID" >> ${folder}/starts-of-$BLOCKFERRY_MARKER; while [ ! -e ${folder}/go ]; do sleep 0.1; done`;
    const program = (wait: boolean): string => `{ run: [/bin/sh, -c, '${script}'], wait: ${wait} }`;
    const pair = new SitePair({
      folder,
      volumes: { a: 1024 * 1024 },
      destinationExtra: `    markers:\n      behind: ${program(false)}\n      before: ${program(true)}`,
      transport: '        folder: ../destination/buffer/g',
    });
    const starts = (name: string): string[] =>
      existsSync(out(name)) ? readFileSync(out(name), 'utf8').trim().split('\n') : [];
    const started = (times: number): Promise<void> =>
      pair.until(`start ${times}`, () =>
        Promise.resolve(['behind', 'before'].every((name) => starts(name).length === times)),
      );
    try {
      await pair.start('destination');
      await pair.start('source');
      await pair.inStep();
      const behind = await pair.marker('custom', 'behind');
      const before = await pair.marker('custom', 'before');
      // More kills than a program has failures.
      for (let attempt = 1; attempt <= 4; attempt += 1) {
        await started(attempt);
        await pair.stop('destination', 'SIGKILL');
        await pair.start('destination');
      }
      await started(5);
      assert.equal((await pair.destination()).applied, before.lsn, 'the volumes stand still at the second');
      writeFileSync(join(folder, 'go'), '');
      const log = (): string => readFileSync(pair.path('destination', 'log.jsonl'), 'utf8');
      await pair.until('both ends', () =>
        Promise.resolve(log().split('marker program /bin/sh succeeded').length === 3),
      );
      await pair.until('going on', async () => (await pair.destination()).waits.length === 0);
      assert.equal(await pair.stop('destination'), 0);
      const { pending, background } = readDestinationState(nodeFiles, pair.groupFolder('destination'));
      assert.deepEqual([pending, background], [undefined, []], 'nothing is left to be done for them');
      for (const [name, { id }] of Object.entries({ behind, before })) {
        assert.deepEqual(
          starts(name),
          [1, 2, 3, 4, 5].map((attempt) => `${attempt} ${id}`),
        );
      }
    } finally {
      writeFileSync(join(folder, 'go'), '');
      await pair.stopAll();
    }
  });
});
