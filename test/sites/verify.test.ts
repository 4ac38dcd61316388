import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { verificationReportSchema, type VerificationReport } from '../../src/api/contract/verification.ts';
import { signatureOf } from '../../src/daemon/comparing/verify-report.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { cli } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;

describe('a pair of which a medium changes one bit', () => {
  it('finds it out while hosts write, mends the replica’s, and keeps a good copy of what was the source’s', async () => {
    const folder = temporaryFolder();
    const pair = new SitePair({
      folder,
      volumes: { data: 24 * MIB, log: 4 * MIB },
      transport: `        folder: ${folder}/destination/buffer/g`,
    });
    const verify = async (): Promise<{ exitCode: number | null; report: VerificationReport }> => {
      const state = ['--state', pair.path('source', 'state')];
      const { exitCode, out, error } = await cli(['verify', 'g', '--full', '--wait', '--json', ...state]);
      assert.equal(error, '');
      return { exitCode, report: verificationReportSchema.parse(JSON.parse(out)) };
    };
    try {
      await pair.start('destination');
      await pair.start('source');
      const client = await NbdClient.open({ path: pair.socket }, 'data');
      for (let at = 0; at < 12 * MIB; at += 128 * 1024) await client.write(at, randomBytes(128 * 1024));
      await client.flush();
      await pair.inStep();
      const whole = await verify();
      assert.equal(whole.exitCode, 0);
      assert.deepEqual(
        whole.report.outcomes.map(({ comparedBytes, differed }) => [comparedBytes, differed]),
        [[28 * MIB, 0]],
      );
      flip(pair.volume('destination', 'data'), 5 * MIB + 77);
      const writing = (async () => {
        for (let i = 0; i < 200; i += 1) await client.write((i % 50) * 4096, randomBytes(4096));
      })();
      const found = await verify();
      await writing;
      assert.equal(found.exitCode, 7);
      assert.equal(found.report.outcomes[0]?.differed, 1);
      assert.deepEqual(found.report.outcomes[0].ranges, [
        { volume: 'data', offset: 5 * MIB, length: MIB, side: 'destination' },
      ]);
      const { signature, ...signed } = found.report;
      assert.equal(signature, signatureOf(signed, Buffer.alloc(32, 0x11)));
      const mended = async (): Promise<boolean> => {
        const { verification } = await pair.destination();
        return verification?.found === 1 && verification.mended === 1 && verification.differing.length === 0;
      };
      await pair.until('mending', mended);
      assert.equal((await verify()).exitCode, 0);
      await pair.inStep();
      const { verification } = await pair.source();
      assert.deepEqual(verification?.destinations, [{ name: 'second', differing: 0, found: 1, mended: 1 }]);
      assert.equal(verification.last?.outcomes[0]?.differed, 0);

      const destaged = async (): Promise<boolean> => {
        const { lsn, checkpoint } = await pair.source();
        return checkpoint === lsn;
      };
      const range = { volume: 'data', offset: 9 * MIB, length: MIB };
      const good = pieceOf(pair.volume('destination', 'data'), range.offset);
      const rot = async (): Promise<void> => {
        await pair.until('destaging', destaged);
        flip(pair.volume('source', 'data'), range.offset + 5);
        const { exitCode, report } = await verify();
        assert.equal(exitCode, 7);
        assert.deepEqual(report.outcomes[0]?.ranges, [{ ...range, side: 'source' }]);
        const [{ knownLsn, lsn, ...where } = { knownLsn: 0, lsn: 0 }, ...more] = report.sourceChanges;
        assert.deepEqual([where, more, knownLsn < lsn], [range, [], true]);
      };
      await rot();
      const isTold = async (): Promise<boolean> =>
        (await pair.source()).waits.some(({ code }) => code === 'source-differs');
      await pair.until('the alarm', isTold);
      const state = pair.path('source', 'state');
      const refused = await cli(['initialize', 'g', '--yes', '--state', state]);
      assert.match(
        refused.error,
        /hold here what no host wrote: it would be sent over .* verify g --accept/s,
      );
      assert.ok(good.equals(pieceOf(pair.volume('destination', 'data'), range.offset)));
      for (let at = 0; at < MIB; at += 128 * 1024)
        await client.write(range.offset + at, good.subarray(at, at + 128 * 1024));
      await client.flush();
      const proved = await verify();
      assert.deepEqual([proved.exitCode, proved.report.sourceChanges], [0, []]);
      await rot();
      const accepted = await cli(['verify', 'g', '--accept', '--yes', '--state', state]);
      assert.match(accepted.out, /^Accepted as right:\n.* of data, changed between/);
      const isSent = async (): Promise<boolean> => (await pair.destination()).verification?.mended === 3;
      await pair.until('what was accepted', isSent);
      client.close();
      await pair.inStep();
      await pair.stop('source');
      await pair.stop('destination');
      for (const name of ['data', 'log']) {
        const [here, there] = (['source', 'destination'] as const).map((site) =>
          readFileSync(pair.volume(site, name)),
        );
        assert.ok(here!.equals(there!));
      }
    } finally {
      await pair.stopAll();
    }
  });
});

function pieceOf(path: string, position: number): Buffer {
  return readFileSync(path).subarray(position, position + MIB);
}

function flip(path: string, position: number): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, position);
  byte[0]! ^= 8;
  writeSync(file, byte, 0, 1, position);
  closeSync(file);
}
