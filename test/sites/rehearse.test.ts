import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rehearsalSchema, type Rehearsal, type RehearsalsStatus } from '../../src/api/contract/rehearsals.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { cli, LAUNCHER, type CliResult } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const BLOCK = 64 * 1024;

describe('a rehearsal at a destination', () => {
  const folder = temporaryFolder();
  const check = join(folder, 'check');
  const pair = new SitePair({
    folder,
    volumes: { disk: MIB },
    transport: '        folder: ../destination/buffer/g',
    segment: '{ size: 1 MiB, age: 200 ms }',
    sourceExtra: '    coalesce: false\n',
    destinationExtra: `    retain: { time: 1 d, size: 1 GiB }
    rehearsal: { run: [${check}, ${folder}], time-limit: 1 min }
    markers:
      drill: { run: [${process.execPath}, ${LAUNCHER}, rehearse, g, --state, ${join(folder, 'destination/state')}] }
`,
  });
  after(() => pair.stopAll());

  before(async () => {
    // Compares what it is given with what it is told to expect, and writes over it all.
    writeFileSync(
      check,
      `#!/bin/sh
set -eu
echo $$ >"$1/started"
nbdcopy "$BLOCKFERRY_URI_DISK" "$1/copy.raw"
echo "LSN $BLOCKFERRY_LSN of $BLOCKFERRY_VOLUMES in $BLOCKFERRY_GROUP"
head -c ${MIB} /dev/zero | nbdcopy - "$BLOCKFERRY_URI_DISK"
while [ -e "$1/hold" ]; do sleep 0.1; done
cmp "$1/copy.raw" "$1/expected.raw"
`,
    );
    chmodSync(check, 0o755);
    await pair.start('destination');
    await pair.start('source');
    await overwrite(1);
    await pair.marker('snapshot', 'one');
    await overwrite(2);
  });

  async function overwrite(fill: number): Promise<void> {
    const client = await NbdClient.open({ path: pair.socket }, 'disk');
    for (let at = 0; at < MIB; at += BLOCK) await client.write(at, Buffer.alloc(BLOCK, fill));
    await client.flush();
    client.close();
    await pair.inStep();
  }

  const expect = (fill: number): void => writeFileSync(join(folder, 'expected.raw'), Buffer.alloc(MIB, fill));
  const rehearse = (...args: string[]): Promise<CliResult> =>
    cli(['rehearse', 'g', '--json', ...args, '--state', pair.path('destination', 'state')]);
  const cameOf = ({ out }: CliResult): Rehearsal => rehearsalSchema.parse(JSON.parse(out));
  const status = async (): Promise<RehearsalsStatus> =>
    (await pair.destination()).rehearsal ?? assert.fail('it has a rehearsal');
  const scratches = (): string[] => readdirSync(join(pair.groupFolder('destination'), 'scratch'));

  /** The next check stands still once it has written all over. */
  function hold(): void {
    rmSync(join(folder, 'started'), { force: true });
    writeFileSync(join(folder, 'hold'), '');
  }

  function release(): void {
    for (const name of ['hold', 'started']) rmSync(join(folder, name));
  }

  async function assertNothingIsLeft(): Promise<void> {
    assert.deepEqual([(await pair.destination()).mounts, scratches()], [[], []]);
  }

  it('proves the newest state, which its check may write to, while replication goes on', async () => {
    const { applied } = await pair.destination();
    expect(2);
    hold();
    const running = rehearse();
    await pair.until('the check', () => Promise.resolve(existsSync(join(folder, 'started'))));
    const { rehearsal, mounts } = await pair.destination();
    assert.ok(rehearsal?.current !== undefined && mounts.length === 1);
    assert.match((await rehearse()).error, /a rehearsal of group g is under way/);
    await overwrite(3);
    assert.ok((await pair.destination()).applied > applied, 'destage went on');
    release();
    const result = await running;
    assert.deepEqual([result.exitCode, result.error], [0, '']);
    const { point, mountedAfter = 0, endedAfter, output } = cameOf(result);
    assert.equal(point?.lsn, applied);
    assert.deepEqual(output, [`LSN ${applied} of disk in g`]);
    assert.ok(mountedAfter <= endedAfter);
    await assertNothingIsLeft();
    assert.deepEqual((await status()).proven, cameOf(result));
    expect(3);
    assert.equal((await rehearse()).exitCode, 0, 'nothing of what the check wrote is there');
  });

  it('of a point that is not what it should be exits with 9 and stands as an alarm, also after a kill', async () => {
    expect(1);
    assert.equal((await rehearse('--at', 'one')).exitCode, 0);
    const { proven } = await status();
    const result = await rehearse();
    assert.equal(result.exitCode, 9);
    const { failure, output } = cameOf(result);
    assert.equal(failure, 'the check ended with exit code 1');
    assert.match(output.at(-1) ?? '', /differ: /);
    await assertNothingIsLeft();
    assert.equal((await rehearse('--at', 'none')).exitCode, 6, 'no such point is no failure');

    hold();
    const cut = rehearse();
    await pair.until('the check', () => Promise.resolve(existsSync(join(folder, 'started'))));
    assert.deepEqual([(await pair.destination()).mounts.length, scratches().length], [1, 1]);
    await pair.stop('destination', 'SIGKILL');
    assert.equal((await cut).exitCode, 3);
    release();
    await pair.start('destination');
    await assertNothingIsLeft();
    const { waits, rehearsal } = await pair.destination();
    assert.deepEqual(rehearsal, { proven, failed: cameOf(result) });
    assert.deepEqual(
      waits.map(({ code, severity }) => `${code} ${severity}`),
      ['rehearsal-failed error'],
    );
    expect(3);
    assert.equal((await rehearse()).exitCode, 0);
    assert.deepEqual((await pair.destination()).waits, []);
  });

  it('can be what a marker runs, and is then of the marker’s own state', async () => {
    await overwrite(4);
    expect(4);
    const { lsn } = await pair.marker('custom', 'drill');
    await overwrite(5);
    const { proven } = await status();
    assert.equal(proven?.point?.lsn, lsn);
    const log = readFileSync(pair.path('destination', 'log.jsonl'), 'utf8');
    assert.match(log, /marker drill: Proven: LSN /);
  });
});
