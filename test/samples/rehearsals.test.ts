import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryFolder } from '../support/folder.ts';
import { pause } from '../support/site-pair.ts';

const SAMPLES = join(import.meta.dirname, '..', '..', 'samples', 'rehearsals');
const MIB = 1024 * 1024;
const GROUP = 'oracle';
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe', env: { ...process.env, PATH } });

/** Image files as the volumes of a rehearsal, served over NBD and written over as they like. */
describe('the sample checks for rehearsals', () => {
  const folder = fs.realpathSync(temporaryFolder());
  const work = join(folder, 'rehearsals', GROUP);
  const servers: ChildProcess[] = [];
  const at = join(folder, 'mounted');
  before(() => {
    fs.mkdirSync(at);
    // PostgreSQL gets through as its own user.
    fs.chmodSync(folder, 0o755);
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) server.kill();
    assert.ok(!fs.existsSync(work), 'nothing is left of a check');
    // One that was detached is there until whoever looked at it last has closed it: udev looks at every one.
    for (let tries = 0; run('losetup', '-a').includes(work); tries += 1) {
      assert.ok(tries < 2000, 'no loop device is left');
      await pause(50);
    }
    assert.ok(!fs.readFileSync('/proc/mounts', 'utf8').includes(work));
  });

  /** A file system that `fill` has put something on, as it is on the disk when the power fails: in use. */
  function image(name: string, kind: 'ext4' | 'xfs', size: number, fill: (at: string) => void): string {
    const [disk, copy] = [join(folder, `${name}.disk`), join(folder, `${name}.raw`)];
    fs.writeFileSync(disk, '');
    fs.truncateSync(disk, size);
    run(`mkfs.${kind}`, '-q', disk);
    run('mount', '-o', 'loop', disk, at);
    try {
      fill(at);
      run('sync', '--file-system', at);
      run('cp', '--sparse=always', disk, copy);
    } finally {
      run('umount', at);
      fs.rmSync(disk);
    }
    return copy;
  }

  async function check(
    script: string,
    args: readonly string[],
    volumes: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; said: string }> {
    const child = await start(script, args, volumes);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => (said += String(bytes)));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  }

  async function start(
    script: string,
    args: readonly string[],
    volumes: Readonly<Record<string, string>>,
  ): Promise<ChildProcess> {
    const uris: Record<string, string> = {};
    for (const [name, file] of Object.entries(volumes)) {
      const socket = join(folder, `${name}.sock`);
      fs.rmSync(socket, { force: true });
      servers.push(spawn('nbdkit', ['-f', '-U', socket, '--filter=cow', 'file', file], { stdio: 'ignore' }));
      for (let tries = 0; !fs.existsSync(socket); tries += 1) {
        assert.ok(tries < 2000, 'nbdkit serves');
        await pause(50);
      }
      uris[`BLOCKFERRY_URI_${name.toUpperCase()}`] = `nbd+unix:///?socket=${socket}`;
    }
    return spawn('dash', [resolve(SAMPLES, script), ...args], {
      env: {
        ...{ ...process.env, PATH, ...uris },
        BLOCKFERRY_GROUP: GROUP,
        RUNTIME_DIRECTORY: folder,
        BLOCKFERRY_VOLUMES: Object.keys(volumes).join(' '),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
  }

  function damage(file: string, offset: number, length: number): void {
    const handle = fs.openSync(file, 'r+');
    fs.writeSync(handle, Buffer.alloc(length, 0x41), 0, length, offset);
    fs.closeSync(handle);
  }

  function files(place: string): void {
    for (let number = 0; number < 20; number += 1)
      fs.writeFileSync(join(place, `file ${number}`), Buffer.alloc(10_000, number));
  }

  it('ext4.sh passes a file system that was in use, and fails a damaged one', async () => {
    const [data, log] = [image('data', 'ext4', 16 * MIB, files), image('log', 'ext4', 16 * MIB, files)];
    const passed = await check('ext4.sh', [], { data, log });
    assert.equal(passed.code, 0, passed.said);
    assert.match(passed.said, /^data: an ext4 file system without a fault, 20 files read$/m);
    assert.match(passed.said, /^log: .* 20 files read\n$/m);
    // The first inode table, where the root folder is.
    const table = /Inode table at (\d+)/.exec(run('dumpe2fs', log))?.[1];
    const blockSize = /Block size: +(\d+)/.exec(run('dumpe2fs', '-h', log))?.[1];
    damage(log, Number(table) * Number(blockSize), 2048);
    const failed = await check('ext4.sh', [], { data, log });
    assert.notEqual(failed.code, 0, failed.said);
  });

  it('xfs.sh passes a file system that was in use, and fails a damaged one', async () => {
    const disk = image('disk', 'xfs', 320 * MIB, files);
    const passed = await check('xfs.sh', [], { disk });
    assert.equal(passed.code, 0, passed.said);
    assert.match(passed.said, /^disk: an XFS file system without a fault, 20 files read$/m);
    // The headers of the second allocation group.
    damage(disk, 80 * MIB, 4096);
    assert.notEqual((await check('xfs.sh', [], { disk })).code, 0);
  });

  it('sqlite.sh passes a database in the middle of a transaction, and fails one that is damaged or not there', async () => {
    const fill = (place: string): void => {
      fs.mkdirSync(join(place, 'app'));
      const made = [
        'create table t (a integer primary key, b text);',
        'insert into t select value, hex(randomblob(200)) from generate_series(1, 2000);',
        // More than it keeps in memory: a part is in the file when the program ends.
        'pragma cache_size=10; begin; update t set b = hex(randomblob(200));',
        '.shell kill -KILL $PPID\n',
      ];
      const database = join(place, 'app', 'app.db');
      const { signal } = spawnSync('sqlite3', [database], { input: made.join('\n') });
      assert.deepEqual([signal, fs.existsSync(`${database}-journal`)], ['SIGKILL', true]);
    };
    const data = image('data', 'ext4', 32 * MIB, fill);
    const passed = await check('sqlite.sh', ['data', 'app/app.db'], { data });
    assert.deepEqual(passed, { code: 0, said: 'app/app.db: SQLite finds no fault\n' });
    const missing = await check('sqlite.sh', ['data', 'app/app.db', 'other.db'], { data });
    assert.deepEqual([missing.code, missing.said.split('\n').at(-2)], [1, 'there is no other.db in data']);
    const damaged = image('data', 'ext4', 32 * MIB, (place) => {
      fill(place);
      fs.rmSync(join(place, 'app', 'app.db-journal'));
      damage(join(place, 'app', 'app.db'), 200_000, 8192);
    });
    const failed = await check('sqlite.sh', ['data', 'app/app.db'], { data: damaged });
    assert.equal(failed.code, 1, failed.said);
  });

  it('takes everything away when it is ended, and what one that was killed left behind', async () => {
    const data = image('data', 'ext4', 16 * MIB, files);
    const slow = join(folder, 'slow.sh');
    fs.writeFileSync(
      slow,
      `set -eu\n. ${SAMPLES}/volumes.sh\nattach data\nplace data rw\necho placed\nwhile :; do sleep 0.1; done\n`,
    );
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const child = await start(slow, [], { data });
      assert.ok(child.stdout !== null && child.pid !== undefined);
      await once(child.stdout, 'data');
      assert.deepEqual(fs.readdirSync(work), [String(child.pid)]);
      assert.ok(fs.existsSync(join(work, String(child.pid), 'data.mount', 'file 1')));
      process.kill(-child.pid, signal);
      await once(child, 'exit');
      assert.equal(fs.existsSync(work), signal === 'SIGKILL');
    }
  });

  it('postgresql.sh passes a cluster that was running, its log on a volume of its own, and fails one with a damaged table', async () => {
    const programs = `/usr/lib/postgresql/${fs.readdirSync('/usr/lib/postgresql').sort().at(-1) ?? ''}/bin`;
    const [dataDisk, walDisk] = ['data', 'wal'].map((name) => join(folder, `pg-${name}.raw`)) as [
      string,
      string,
    ];
    const [dataAt, walAt] = ['data', 'wal'].map((name) => join(folder, `pg-${name}`)) as [string, string];
    const postgres = (...args: string[]): string =>
      run('setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', ...args);
    let table: string;
    try {
      for (const [disk, place] of [
        [dataDisk, dataAt],
        [walDisk, walAt],
      ] as const) {
        fs.mkdirSync(place);
        fs.writeFileSync(disk, '');
        fs.truncateSync(disk, 160 * MIB);
        run('mkfs.ext4', '-q', disk);
        run('mount', '-o', 'loop', disk, place);
        run('chown', 'postgres:', place);
      }
      const data = join(dataAt, 'main');
      const socket = join(dataAt, 'socket');
      postgres(
        `${programs}/initdb`,
        '-D',
        data,
        '-X',
        join(walAt, 'log'),
        '-A',
        'trust',
        '-N',
        '--wal-segsize=4',
      );
      postgres('mkdir', socket);
      const options = `-c listen_addresses= -c unix_socket_directories=${socket}`;
      postgres(
        `${programs}/pg_ctl`,
        '-s',
        '-w',
        '-D',
        data,
        '-l',
        join(dataAt, 'said'),
        '-o',
        options,
        'start',
      );
      const sql = (text: string): string => postgres('psql', '-h', socket, '-Atc', text, 'postgres').trim();
      sql('create table t as select i, md5(i::text) m from generate_series(1, 50000) i');
      sql('create index on t (m)');
      sql('checkpoint');
      sql('update t set m = m where i > 49000');
      table = sql("select pg_relation_filepath('t')");
      postgres(`${programs}/pg_ctl`, '-s', '-D', data, '-m', 'immediate', 'stop');
    } finally {
      for (const place of [dataAt, walAt]) spawnSync('umount', [place]);
    }
    const args = ['data', 'main', 'wal', 'log'];
    const passed = await check('postgresql.sh', args, { data: dataDisk, wal: walDisk });
    assert.equal(passed.code, 0, passed.said);
    assert.match(passed.said, /^PostgreSQL recovered, and finds no fault in 2 databases$/m);
    const without = await check('postgresql.sh', args.slice(0, 2), { data: dataDisk });
    assert.match(without.said, /pg_wal is a link to .*, which is not rehearsed/);
    assert.notEqual(without.code, 0);
    run('mount', '-o', 'loop', dataDisk, dataAt);
    damage(join(dataAt, 'main', table), 8192 * 20, 8192);
    run('umount', dataAt);
    const failed = await check('postgresql.sh', args, { data: dataDisk, wal: walDisk });
    assert.notEqual(failed.code, 0, failed.said);
  });
});
