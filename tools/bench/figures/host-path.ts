/** What hosts notice: requests of a volume that is captured, destaged and shipped meanwhile, beside servers that do none of it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bounds, Figure, Measured, Setting } from '../figure.ts';
import { makeImage } from '../image.ts';
import { BenchPair } from '../pair.ts';
import { fio, type FioJob } from '../programs.ts';
import { inTurns, ratioOf } from '../turns.ts';

const MIB = 1024 * 1024;

type PeerName = 'nbdkit' | 'qemu-nbd';

interface Row {
  readonly name: string;
  readonly job: Omit<FioJob, 'uri' | 'seconds'>;
  readonly unit: 'IOPS' | 'MB/s';
  readonly bounds: Partial<Record<PeerName, Bounds>>;
  /** Written at random before each run, which finds it not yet destaged. */
  readonly backlog?: boolean;
  /**
   * More is written than the page cache takes at a gulp, into volumes that it does not hold either, and measured is what comes
   * after that: as fast as the medium, and not the memory, takes it.
   */
  readonly sustained?: boolean;
}

const write = { kind: 'randwrite', block: '4k', depth: 32, connections: 1 } as const;
const read = { ...write, kind: 'randread' } as const;
const commit = { ...write, depth: 1, commits: true };
const COMMIT_BOUNDS = { nbdkit: { must: 1, aim: 2 }, 'qemu-nbd': { must: 1.5, aim: 4 } };

const ROWS: readonly Row[] = [
  { name: '4 KiB write, depth 32', job: write, unit: 'IOPS', bounds: { nbdkit: { must: 1, aim: 2 } } },
  {
    name: '4 KiB write, depth 32, 4 connections',
    job: { ...write, connections: 4 },
    unit: 'IOPS',
    bounds: { nbdkit: { must: 0.8, aim: 1.5 } },
  },
  {
    name: '4 KiB write, depth 1',
    job: { ...write, depth: 1 },
    unit: 'IOPS',
    bounds: { nbdkit: { must: 0.9, aim: 1.2 } },
  },
  { name: 'write and flush, 1 connection', job: commit, unit: 'IOPS', bounds: COMMIT_BOUNDS },
  {
    name: 'write and flush, 16 connections',
    job: { ...commit, connections: 16 },
    unit: 'IOPS',
    bounds: COMMIT_BOUNDS,
  },
  {
    name: '1 MiB write in order',
    job: { ...write, kind: 'write', block: '1m', depth: 4 },
    unit: 'MB/s',
    bounds: { nbdkit: { must: 0.6, aim: 1 } },
    sustained: true,
  },
  { name: '4 KiB read, depth 32', job: read, unit: 'IOPS', bounds: { nbdkit: { must: 1, aim: 1.7 } } },
  {
    name: '4 KiB read, depth 32, behind a backlog',
    job: read,
    unit: 'IOPS',
    bounds: { nbdkit: { must: 1, aim: 1.7 } },
    backlog: true,
  },
  {
    name: '1 MiB read in order',
    job: { ...read, kind: 'read', block: '1m', depth: 4 },
    unit: 'MB/s',
    bounds: { nbdkit: { must: 0.7, aim: 1 } },
  },
];

export const hostPath: Figure = {
  names: ROWS.map(({ name }) => name),
  async measure(setting, wanted) {
    const rows = ROWS.filter(({ name }) => wanted.includes(name));
    const measured: Measured[] = [];
    for (const sustained of [false, true]) {
      const some = rows.filter((row) => (row.sustained ?? false) === sustained);
      if (some.length > 0) measured.push(...(await measureRows(some, setting, sustained)));
    }
    return measured;
  },
};

async function measureRows(rows: readonly Row[], setting: Setting, sustained: boolean): Promise<Measured[]> {
  const size = (setting.quick ? 256 : sustained ? 8192 : 1024) * MIB;
  const pair = await BenchPair.make({ folder: setting.folder, size, quota: '16 GiB' });
  const peers: Peer[] = [];
  try {
    // As large ones are: not full.
    const filled = sustained ? 0 : MIB;
    makeImage(pair.image, size, filled);
    await pair.start();
    await pair.settle();
    for (const name of ['nbdkit', 'qemu-nbd'] as const)
      if (rows.some(({ bounds }) => bounds[name] !== undefined))
        peers.push(await Peer.start(name, setting.folder, { size, filled }));
    const measured: Measured[] = [];
    for (const row of rows) measured.push(...(await measureRow(row, setting, pair, peers)));
    return measured;
  } finally {
    await pair.end();
    for (const peer of peers) peer.stop();
  }
}

async function measureRow(
  row: Row,
  { quick, rounds }: Setting,
  pair: BenchPair,
  peers: readonly Peer[],
): Promise<Measured[]> {
  const seconds = (quick ? 1 : 5) * (row.sustained === true ? 4 : 1);
  const ramp = row.sustained === true && !quick ? { ramp: 15 } : {};
  const take = async (uri: string): Promise<number> => {
    if (row.backlog === true) await fio({ uri, ...write, seconds: quick ? 1 : 3 });
    const { operations, bytes } = await fio({ uri, ...row.job, seconds, ...ramp });
    return row.unit === 'IOPS' ? operations : bytes / 1e6;
  };
  const rivals = peers.filter(({ name }) => row.bounds[name] !== undefined);
  const values = await inTurns(
    {
      ours: async () => {
        const value = await take(pair.uri);
        // What is left to be destaged and shipped is not to be in the way of the others.
        await pair.settle();
        return value;
      },
      ...Object.fromEntries(rivals.map(({ name, uri }) => [name, () => take(uri)])),
    } as Record<'ours' | PeerName, () => Promise<number>>,
    { rounds, warm: !quick },
  );
  return rivals.map(({ name }) => ({
    name: rivals.length === 1 ? row.name : `${row.name}, against ${name}`,
    unit: row.unit,
    ours: values.ours,
    peer: { name, values: values[name] },
    ratio: ratioOf(values.ours, values[name]),
    ...(row.bounds[name] ?? { must: Number.NaN, aim: Number.NaN }),
  }));
}

/** A server of an image of its own. */
class Peer {
  readonly name: PeerName;
  readonly uri: string;
  readonly #child: ChildProcess;
  readonly #files: readonly string[];

  private constructor(name: PeerName, socket: string, image: string) {
    this.name = name;
    this.uri = `nbd+unix:///?socket=${socket}`;
    this.#files = [image, socket];
    const args =
      name === 'nbdkit'
        ? ['--foreground', '--unix', socket, 'file', image]
        : ['--format=raw', '--persistent', '--shared=16', `--socket=${socket}`, image];
    this.#child = spawn(name, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  static async start(
    name: PeerName,
    folder: string,
    { size, filled }: { readonly size: number; readonly filled: number },
  ): Promise<Peer> {
    const image = join(folder, `${name}.raw`);
    const socket = join(folder, `${name}.sock`);
    makeImage(image, size, filled);
    const peer = new Peer(name, socket, image);
    for (const limit = Date.now() + 10_000; !existsSync(socket);) {
      if (Date.now() > limit || peer.#child.exitCode !== null) throw new Error(`${name} did not start`);
      await pause(20);
    }
    return peer;
  }

  stop(): void {
    this.#child.kill();
    for (const file of this.#files) rmSync(file, { force: true });
  }
}
