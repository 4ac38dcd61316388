import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { verificationReportSchema, type VerificationReport } from '../../src/api/contract/verification.ts';
import { signatureOf } from '../../src/daemon/verify-report.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { cli } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;

describe('a replica whose medium changes one bit', function () {
  this.timeout(180_000);

  it('is found out while hosts write, mended from the source, and proved to be the same', async () => {
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
      client.close();
      await pair.inStep();
      const { verification } = await pair.source();
      assert.deepEqual(verification?.destinations, [{ name: 'second', differing: 0, found: 1, mended: 1 }]);
      assert.equal(verification.last?.outcomes[0]?.differed, 0);
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

function flip(path: string, position: number): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, position);
  byte[0]! ^= 8;
  writeSync(file, byte, 0, 1, position);
  closeSync(file);
}
