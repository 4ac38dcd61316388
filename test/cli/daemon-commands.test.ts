import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { rehearsalSchema } from '../../src/api/contract/rehearsals.ts';
import { recoveryPointsSchema } from '../../src/api/contract/points.ts';
import { snapshotEntrySchema, snapshotListSchema } from '../../src/api/contract/snapshots.ts';
import { NAME_PATTERN } from '../../src/platform/name-rule.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import {
  cli,
  MARKER_ID,
  MARKER_TIME,
  startSite,
  temporaryFolder,
  type CliResult,
  type Site,
} from '../api/fixture.ts';
import { REPORTS } from '../api/reports.ts';

describe('blockferry marker, initialize and snapshot', () => {
  let site: Site;
  beforeEach(async () => {
    site = await startSite('tcp');
  });
  afterEach(() => site.close());

  const run = (...args: string[]): Promise<CliResult> => cli([...args, '--state', site.folder]);

  it('place a snapshot marker, under the given name or its time, and say where it is', async () => {
    const { exitCode, out } = await run('marker', 'snapshot', 'oracle', 'before-upgrade');
    assert.equal(exitCode, 0);
    assert.match(
      out,
      /^Snapshot marker before-upgrade is placed in group oracle at LSN 48211, 2026-11-21 01:46:00/,
    );
    assert.ok(out.includes(MARKER_ID));
    assert.equal((await run('marker', 'snapshot', 'oracle')).exitCode, 0);
    assert.deepEqual(site.daemon.placed[0], { group: 'oracle', kind: 'snapshot', name: 'before-upgrade' });
    assert.match(site.daemon.placed[1]?.name ?? '', NAME_PATTERN);
  });

  it('place a custom marker by its name', async () => {
    const { exitCode, out } = await run('marker', 'custom', 'oracle', 'nightly-backup');
    assert.equal(exitCode, 0);
    assert.match(out, /^Custom marker nightly-backup is placed/);
    assert.deepEqual(site.daemon.placed, [{ group: 'oracle', kind: 'custom', name: 'nightly-backup' }]);
  });

  it('exit 2 for a name that could be a path or that no configuration could have, and ask the daemon nothing', async () => {
    for (const args of [
      ['marker', 'snapshot', 'oracle', '../x'],
      ['marker', 'custom', '../x', 'nightly'],
      ['marker', 'custom', 'Oracle', 'nightly'],
      ['marker', 'custom', 'oracle', 'Nightly'],
      ['marker', 'custom', 'oracle'],
      ['snapshot', 'list', '..'],
      ['status', 'a/b'],
    ]) {
      const { exitCode, error } = await run(...args);
      assert.equal(exitCode, 2, args.join(' '));
      assert.match(error, /A name has 1 to 63|missing required argument/);
    }
    assert.deepEqual(site.daemon.placed, []);
  });

  it('exit 6 with the daemon’s reason and remedy when it declines', async () => {
    site.daemon.failure = new OperatorError('NOT_A_SOURCE', 'group mail is a destination here\u001b[2J', {
      remedy: 'place markers at its source',
    });
    const { exitCode, out, error } = await run('marker', 'snapshot', 'mail');
    assert.deepEqual([exitCode, out], [6, '']);
    assert.equal(
      error,
      'blockferry: group mail is a destination here.\nWhat to do: place markers at its source.\n',
    );
  });

  it('exit 1 when the daemon fails for a reason of its own', async () => {
    site.daemon.failure = new TypeError('inside');
    assert.equal((await run('marker', 'snapshot', 'oracle')).exitCode, 1);
  });

  it('exit 4 for an unknown group', async () => {
    assert.equal((await run('marker', 'snapshot', 'nobody')).exitCode, 4);
    assert.equal((await run('snapshot', 'list', 'nobody')).exitCode, 4);
  });

  it('delete a snapshot by id or name, having said what is lost', async () => {
    const dry = await run('snapshot', 'delete', 'mail', 'before-upgrade', '--dry-run');
    assert.equal(dry.exitCode, 0);
    assert.match(
      dry.out,
      /^The state of group mail at snapshot before-upgrade \(LSN 8000.*\n1 other.*\nThe points in time from there to LSN 9000 .*\nNothing was/,
    );
    assert.deepEqual(site.daemon.deleted, []);
    assert.match(
      (await run('snapshot', 'delete', 'mail', 'before-upgrade', '--yes')).out,
      /^Deleted: snapshot before/,
    );
    const json = await run('snapshot', 'delete', 'mail', 'f'.repeat(32), '--yes', '--json');
    assert.equal((JSON.parse(json.out) as { deleted: boolean }).deleted, true);
    assert.deepEqual(site.daemon.deleted, [MARKER_ID, 'f'.repeat(32)]);
  });

  it('initialize a group, having said what that means', async () => {
    const unasked = await run('initialize', 'oracle');
    assert.deepEqual([unasked.exitCode, unasked.out, site.daemon.initialized], [2, '', []]);
    assert.match(unasked.error, /volumes of group oracle hold \(of 4\.5 GiB\).*no other recovery point/);
    const { exitCode, out } = await run('initialize', 'oracle', '--yes');
    assert.equal(exitCode, 0);
    assert.match(out, /^All that the volumes of group oracle hold \(of 4\.5 GiB\) is brought over again\./);
    const json = await run('initialize', 'oracle', '--yes', '--json');
    assert.deepEqual(JSON.parse(json.out), { group: 'oracle', bytes: 4.5 * 1024 ** 3 });
    assert.deepEqual(site.daemon.initialized, ['oracle', 'oracle']);
    const compared = await run('initialize', 'oracle', '--compare', '--yes');
    assert.match(compared.out, /is compared, and what differs is brought over/);
    assert.equal(site.daemon.initialized.at(-1), 'oracle, compared');
    assert.equal((await run('initialize', 'nobody', '--yes')).exitCode, 4);
  });

  it('resize a volume, having said what that means, and try it first', async () => {
    const dry = await run('volume', 'resize', 'oracle', 'data', '8 GiB', '--dry-run');
    assert.equal(dry.exitCode, 0, dry.error);
    assert.match(
      dry.out,
      /grows from .* to 8\.0 GiB .* cannot shrink again\.\nWhat \/dev\/vg\/data holds behind .*Nothing/s,
    );
    const unasked = await run('volume', 'resize', 'oracle', 'data', '8 GiB');
    assert.deepEqual([unasked.exitCode, unasked.out, site.daemon.resized], [2, '', []]);
    const json = await run('volume', 'resize', 'oracle', 'data', '8 GiB', '--yes', '--json');
    assert.equal((JSON.parse(json.out) as { size: number }).size, 8 * 1024 ** 3);
    const taken = await run('volume', 'resize', 'oracle', 'data', '--yes');
    assert.match(taken.out, /bytes now\.\nHosts that connect from now on/);
    const asked = { group: 'oracle', volume: 'data' };
    assert.deepEqual(site.daemon.resized, [
      { ...asked, size: 8 * 1024 ** 3 },
      { ...asked, size: undefined },
    ]);
    assert.equal((await run('volume', 'resize', 'oracle', 'data', '8 G', '--yes')).exitCode, 2);
    assert.equal((await run('volume', 'resize', 'oracle', 'nothing', '--yes')).exitCode, 6);
    assert.equal((await run('volume', 'resize', 'nobody', 'data', '--yes')).exitCode, 4);
  });

  it('delete no snapshot that is not there, or when nobody confirms', async () => {
    assert.equal((await run('snapshot', 'delete', 'mail', 'nothing', '--yes')).exitCode, 6);
    const unasked = await run('snapshot', 'delete', 'mail', 'before-upgrade');
    assert.equal(unasked.exitCode, 2);
    assert.match(unasked.error, /nobody is there to confirm: The state of group mail[^]*say --yes/);
    assert.deepEqual(site.daemon.deleted, []);
  });

  it('prune by the group’s retention, having said what goes and why', async () => {
    const dry = await run('snapshot', 'prune', 'mail', '--dry-run');
    assert.match(dry.out, /goes +before-upgrade +8000 .* no rule wants it\n1 of 2 would go/);
    assert.deepEqual(site.daemon.deleted, []);
    const unasked = await run('snapshot', 'prune', 'mail');
    assert.equal(unasked.exitCode, 2);
    assert.match(unasked.error, /1 recovery points of group mail will be gone: before-upgrade \(LSN 8000\)/);
    assert.match((await run('snapshot', 'prune', 'mail', '--yes')).out, /1 of 2 are gone/);
    assert.deepEqual(site.daemon.deleted, [MARKER_ID]);
    assert.equal((await run('snapshot', 'prune', 'oracle', '--yes')).exitCode, 6);
  });

  it('make a snapshot, and say where it is', async () => {
    const made = await run('snapshot', 'create', 'mail', 'drill');
    assert.match(
      made.out,
      /^Snapshot drill of group mail is made at LSN 9000, 2026-\S+ \S+ at the source, id /,
    );
    const json = await run('snapshot', 'create', 'mail', '--json');
    assert.equal(snapshotEntrySchema.parse(JSON.parse(json.out)).name, 'by-its-time');
    assert.equal((await run('snapshot', 'create', 'oracle')).exitCode, 6);
  });

  it('list snapshots as a table, as JSON, and say when there are none', async () => {
    const table = await run('snapshot', 'list', 'mail');
    assert.equal(table.exitCode, 0);
    assert.match(
      table.out,
      /^NAME +LSN +TIME AT THE SOURCE +KIND +KEPT FOR IT +ID\nbefore-upgrade +8000 +2026-11-21 01:46:00 +reflink +not known +[0-9a-f]+\n\S+ +9000 .* copy-on-write +3(\.0+)? MiB +f+\n/,
    );
    const json = await run('snapshot', 'list', 'mail', '--json');
    assert.equal(snapshotListSchema.parse(JSON.parse(json.out)).snapshots.length, 2);
    assert.equal((await run('snapshot', 'list', 'oracle')).out, 'Group oracle has no snapshots here.\n');
  });

  it('mount a recovery point by name, LSN or time, and say by which address each volume is reached', async () => {
    const { exitCode, out } = await run('mount', 'mail', 'before-upgrade');
    assert.equal(exitCode, 0);
    assert.match(
      out,
      /^Mounted before-upgrade, read-only: snapshot before-upgrade, LSN 8000, 2026-11-21 01:46:00\./,
    );
    assert.ok(
      out.includes(
        'data  1.0 TiB  nbd+unix:///mail/data@before-upgrade?socket=%2Frun%2Fblockferry%2Fmail%20views.sock\n',
      ),
      out,
    );
    await run('mount', 'mail', '--at', '2026-11-21T01:46:00Z');
    await run('mount', 'mail', '--at', '9000', '--json');
    assert.deepEqual(site.daemon.wanted, [
      { kind: 'snapshot', called: 'before-upgrade' },
      { kind: 'time', time: MARKER_TIME },
      { kind: 'lsn', lsn: 9000 },
    ]);
    assert.equal((await run('mount', 'mail')).exitCode, 2);
    const readOnly = await run('mount', 'mail', 'before-upgrade', '--device', '--new-uuid');
    assert.equal(readOnly.exitCode, 2);
    assert.match(readOnly.error, /--new-uuid needs --device and --writable/);
    assert.equal(
      (await run('unmount', 'mail', 'before-upgrade')).out,
      'Unmounted before-upgrade; 2 connections hung up.\n',
    );
  });

  it('rehearse a recovery, of the newest point unless another is named, and exit with 9 where it is not proven', async () => {
    const proven = await run('rehearse', 'mail');
    assert.deepEqual(
      [proven.exitCode, proven.out.split('\n').slice(1)],
      [0, ['The check printed at its end:', '  data: clean', '']],
    );
    assert.match(
      proven.out,
      /^Proven: LSN 8000 of 2026-11-21 \d\d:45:30 \(lsn-8000\) of group mail, mounted after 0\.2 s, checked after 1 min 12 s\.\n/,
    );
    const failed = await run('rehearse', 'mail', '--at', 'before-upgrade');
    assert.equal(failed.exitCode, 9);
    assert.match(
      failed.out,
      /^Not proven: LSN 8900 .* of group mail: the check ended with exit code 8 \(after 4 s\)\.\n.*\n {2}data: bad superblock\n$/,
    );
    const json = await run('rehearse', 'mail', '--at', '9000', '--json');
    assert.equal(rehearsalSchema.parse(JSON.parse(json.out)).endedAfter, 72_000);
    assert.deepEqual(site.daemon.rehearsed, [
      {},
      { point: { kind: 'snapshot', called: 'before-upgrade' } },
      { point: { kind: 'lsn', lsn: 9000 } },
    ]);
    assert.equal((await run('rehearse', 'oracle')).exitCode, 6);
  });

  it('list recovery points: snapshots, who named them, and where the volumes are', async () => {
    const { exitCode, out } = await run('recover', 'points', 'mail');
    assert.equal(exitCode, 0);
    assert.match(
      out,
      /^LSN +TIME AT THE SOURCE +SNAPSHOT +NAMED +ID\n8000 +2026-11-21 01:46:00 +before-upgrade +by hand .*\n9000 .* by its time .*\nAny point in time of these, by --at:\n {2}LSN 8000 to 9000 +2026-11-21 01:46:00 to [^\n]+ every write\nMarkers in between, by their names; the newest of a name is meant:\n {2}LSN 8500 +2026-11-21 01:46:00 +nightly\nThe volumes themselves are at LSN 9100, written at the source at 2026-11-21 01:46:05\.\n$/,
    );
    const json = await run('recover', 'points', 'mail', '--json');
    assert.equal(recoveryPointsSchema.parse(JSON.parse(json.out)).snapshots.length, 2);
  });
});

describe('a daemon that cannot be reached', () => {
  let folder: string;
  /** Reachable, but not as it should be. */
  let site: Site | undefined;
  let garbler: Server | undefined;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(async () => {
    garbler?.close();
    await site?.close();
    [site, garbler] = [undefined, undefined];
    rmSync(folder, { recursive: true });
  });

  const endpoint = (content: unknown): void =>
    writeFileSync(join(folder, 'api.json'), JSON.stringify(content));
  const status = (environment = {}): Promise<CliResult> =>
    cli(['status', '--state', folder], { environment });

  const isUnreachable = ({ exitCode, out, error }: CliResult, why: RegExp): void => {
    assert.deepEqual([exitCode, out], [3, '']);
    assert.match(error, why);
    assert.match(error, /\nWhat to do: .{20}/);
    assert.equal(error.split('\n').length, 3, error);
  };

  it('because none runs: exit 3, with the command that starts it', async () => {
    const result = await status();
    isUnreachable(result, /no daemon runs with this state folder/);
    assert.match(result.error, /blockferry serve --config/);
  });

  it('because it was killed: its address is left, nobody answers there', async () => {
    endpoint({ address: { socket: join(folder, 'gone.sock') }, token: '0'.repeat(64) });
    isUnreachable(await status(), /no daemon answers at .*gone\.sock \(its socket is gone\)/);
    endpoint({ address: { host: '127.0.0.1', port: 1 }, token: '0'.repeat(64) });
    isUnreachable(await status(), /no daemon answers at 127\.0\.0\.1:1 \(connection refused\)/);
  });

  it('because its endpoint file is none', async () => {
    for (const content of [
      {},
      { address: { host: '10.0.0.1', port: 80 }, token: '0'.repeat(64) },
      'x'.repeat(5000),
    ]) {
      endpoint(content);
      isUnreachable(await status(), /api\.json/);
    }
  });

  it('because the token is of another run', async () => {
    site = await startSite();
    endpoint({ ...site.endpoint(), token: '0'.repeat(64) });
    isUnreachable(await status(), /refuses the token/);
  });

  it('is looked for where BLOCKFERRY_STATE says', async () => {
    site = await startSite();
    const { exitCode } = await cli(['status'], { environment: { BLOCKFERRY_STATE: site.folder } });
    assert.equal(exitCode, 0);
  });

  it('or answers what is no answer: exit 5', async () => {
    const report = REPORTS.healthy;
    const answers = [
      'nonsense',
      '{}',
      JSON.stringify({ ...report, groups: [{ role: 'source', name: 'x' }] }),
      JSON.stringify({ ...report, now: 'yesterday' }),
    ];
    let answer = '';
    const server = (garbler = createServer((_request, response) => response.end(answer)).listen(
      0,
      '127.0.0.1',
    ));
    await once(server, 'listening');
    endpoint({
      address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
      token: '0'.repeat(64),
    });
    for (answer of answers) {
      const { exitCode, out, error } = await status();
      assert.deepEqual([exitCode, out], [5, ''], answer);
      assert.match(error, /the daemon's answer is not understood/);
    }
  });
});
