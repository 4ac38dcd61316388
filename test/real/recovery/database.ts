/**
 * PostgreSQL with its data and its log on two file systems, pgbench on it, and what must hold of it after each recovery.
 * Its programs run as the user that Debian's package makes.
 */
import { spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pause } from '../../support/site-pair.ts';
import { run } from './host-disk.ts';
import { readLog, type Held, type Ledger } from './ledger.ts';

const CLIENTS = 4;
const AS_USER = ['--reuid=postgres', '--regid=postgres', '--clear-groups'];
/** Milliseconds for a start, which recovers. */
const PATIENCE = 300_000;

/** Small files, and checkpoints that come under load too: most of what a recovery meets. */
const SETTINGS = {
  listen_addresses: '',
  shared_buffers: '64MB',
  max_wal_size: '64MB',
  min_wal_size: '32MB',
  checkpoint_timeout: '30s',
  logging_collector: 'off',
};

/** What pgbench does by default, and its own number written down by each client in the same transaction. */
const SCRIPT = `\\set n :n + 1
\\set aid random(1, 100000 * :scale)
\\set bid random(1, 1 * :scale)
\\set tid random(1, 10 * :scale)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
INSERT INTO ledger (load, client, n) VALUES (:load, :client_id, :n);
END;
`;

export interface DatabaseOptions {
  /** Where the two file systems are mounted while it runs. */
  readonly data: string;
  readonly log: string;
  /** Of its own, beside them: sockets, what it says, what the clients note. */
  readonly work: string;
  /** pgbench's: 100,000 accounts each. */
  readonly scale: number;
}

export class Database {
  readonly #options: DatabaseOptions;
  readonly #programs: string;
  #server: ChildProcess | undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    const versions = '/usr/lib/postgresql';
    this.#programs = join(versions, readdirSync(versions).sort().at(-1) ?? '', 'bin');
    mkdirSync(options.work);
    run('chown', 'postgres:', options.work);
    writeFileSync(join(options.work, 'script'), SCRIPT);
  }

  /** On empty file systems that are mounted. It runs then. */
  async create(): Promise<void> {
    const { data, log, scale } = this.#options;
    for (const place of [data, log]) run('chown', 'postgres:', place);
    const places = ['-D', join(data, 'main'), '-X', join(log, 'main')];
    this.#run('initdb', ...places, '-N', '-k', '-A', 'trust', '--wal-segsize=4', '-E', 'UTF8', '--locale=C');
    await this.start();
    this.#run('pgbench', '-iq', '-s', String(scale), ...this.#connection);
    this.query('create table ledger (load int, client int, n int, primary key (load, client, n))');
    this.query('checkpoint');
    for (const place of [data, log]) run('sync', '-f', place);
  }

  /** It recovers first where it was not shut down. @throws Error with what it said, when it does not start */
  async start(): Promise<void> {
    const { data, work } = this.#options;
    const settings = Object.entries({ ...SETTINGS, unix_socket_directories: work });
    const said = openSync(join(work, 'server.log'), 'w', 0o644);
    const args = [join(this.#programs, 'postgres'), '-D', join(data, 'main')];
    const server = spawn(
      'setpriv',
      [...AS_USER, ...args, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      { stdio: ['ignore', said, said], cwd: work },
    );
    closeSync(said);
    this.#server = server;
    for (const limit = performance.now() + PATIENCE; ;) {
      const hasEnded = server.exitCode !== null || server.signalCode !== null;
      if (hasEnded || performance.now() > limit) throw new Error(`PostgreSQL did not start: ${this.said}`);
      const ready = spawnSync(join(this.#programs, 'pg_isready'), ['-q', '-h', work]);
      if (ready.status === 0) return;
      await pause(50);
    }
  }

  get said(): string {
    return readFileSync(join(this.#options.work, 'server.log'), 'utf8');
  }

  /** All of its processes are gone, as with a host that fails; nothing is written down. Harmless where it does not run. */
  async crash(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server?.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGQUIT');
    await ended;
  }

  query(text: string): string {
    return this.#run('psql', '-XAtc', text, ...this.#connection).trim();
  }

  /** pgbench's clients write until the database goes, or until they are ended. `load`: a number of its own. */
  load(load: number): Load {
    const { work, scale } = this.#options;
    const folder = join(work, `load-${load}`);
    mkdirSync(folder);
    run('chown', 'postgres:', folder);
    const args = ['-n', '-c', String(CLIENTS), '-j', '2', '-T', '86400', '-s', String(scale)];
    const notes = ['-l', `--log-prefix=${join(folder, 'log')}`];
    const script = ['-f', join(work, 'script'), '-D', `load=${load}`, '-D', 'n=0'];
    const child = spawn(
      'setpriv',
      [...AS_USER, join(this.#programs, 'pgbench'), ...args, ...notes, ...script, ...this.#connection],
      { stdio: 'ignore', cwd: work },
    );
    return new Load(load, child, folder);
  }

  /** What there is of each load's clients. */
  held(): Map<number, Map<number, Held>> {
    const loads = new Map<number, Map<number, Held>>();
    const rows = this.query(
      'select load, client, count(*), max(n) from ledger group by 1, 2 order by 1, 2',
    ).split('\n');
    for (const row of rows.filter((line) => line !== '')) {
      const [load = 0, client = 0, count = 0, highest = 0] = row.split('|').map(Number);
      const clients = loads.get(load) ?? new Map<number, Held>();
      loads.set(load, clients.set(client, { count, highest }));
    }
    return loads;
  }

  /** Every page, table and index without a fault, and the sums that each transaction keeps. Returns what is wrong. */
  check(): string[] {
    const wrong: string[] = [];
    const heaps = ['--heapallindexed', '--install-missing', '-d', 'postgres'];
    const checked = this.#try('pg_amcheck', ...heaps, ...this.#connection.slice(0, 2));
    if (checked.status !== 0) wrong.push(`pg_amcheck: ${checked.stdout}${checked.stderr}`);
    const sums = this.query(
      `select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches),
         (select sum(tbalance) from pgbench_tellers), (select coalesce(sum(delta), 0) from pgbench_history)`,
    ).split('|');
    if (new Set(sums).size !== 1) wrong.push(`the sums of balances differ: ${sums.join(', ')}`);
    const rows = this.query('select (select count(*) from pgbench_history), (select count(*) from ledger)');
    if (new Set(rows.split('|')).size !== 1) wrong.push(`the history and the ledger differ: ${rows} rows`);
    return wrong;
  }

  get #connection(): string[] {
    return ['-h', this.#options.work, '-U', 'postgres', 'postgres'];
  }

  #try(program: string, ...args: readonly string[]): SpawnSyncReturns<string> {
    return spawnSync('setpriv', [...AS_USER, join(this.#programs, program), ...args], {
      cwd: this.#options.work,
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    });
  }

  #run(program: string, ...args: readonly string[]): string {
    const { status, stdout, stderr } = this.#try(program, ...args);
    if (status !== 0) throw new Error(`${program}: ${stdout}${stderr}`);
    return stdout;
  }
}

/** Clients that write down what they were told. */
export class Load {
  readonly number: number;
  readonly #child: ChildProcess;
  readonly #folder: string;

  constructor(number: number, child: ChildProcess, folder: string) {
    this.number = number;
    this.#child = child;
    this.#folder = folder;
  }

  /** All has begun. */
  async begun(): Promise<void> {
    const hasLog = (): boolean => existsSync(this.#folder) && readdirSync(this.#folder).length > 0;
    const limit = performance.now() + PATIENCE;
    while (!hasLog()) {
      if (this.#child.exitCode !== null || performance.now() > limit)
        throw new Error('pgbench did not begin');
      await pause(20);
    }
  }

  /** Its clients are gone, or go now. */
  async end(): Promise<Ledger> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, 'exit');
    }
    const text = readdirSync(this.#folder).map((name) => readFileSync(join(this.#folder, name), 'utf8'));
    return readLog(text.join('\n'), CLIENTS);
  }
}
