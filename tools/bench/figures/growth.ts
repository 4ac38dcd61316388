/** What a write, a read and a restart cost with more that waits to be sent, and with larger volumes: compared with itself. */
import { ftruncateSync, openSync, closeSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure, Measured, Setting } from '../figure.ts';
import { BenchPair } from '../pair.ts';
import { fio, type FioJob } from '../programs.ts';
import { ratioOf, seconds } from '../turns.ts';
import { Xfs } from '../xfs.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

/** What a case is: a sparse volume, and bytes that wait to be sent. */
interface Case {
  readonly what: string;
  readonly size: number;
  readonly backlog: number;
}

const COSTS = ['write', 'read', 'restart'] as const;
type Cost = (typeof COSTS)[number];

export const growth: Figure = {
  names: ['growth'],
  async measure(setting) {
    const { least, others } = casesOf(setting);
    const [here, elsewhere] = [true, false].map((isHere) =>
      others.filter(({ size }) => canBe(size, setting.folder) === isHere),
    ) as [Case[], Case[]];
    const measured = await compare(least, here, setting);
    if (elsewhere.length === 0) return measured;
    const xfs = makeXfs(setting);
    if (xfs === undefined) {
      leftOut(elsewhere, 'the file system has no files of that size, and no XFS could be mounted');
      return measured;
    }
    try {
      return [...measured, ...(await compare(least, elsewhere, { ...setting, folder: xfs.folder }))];
    } finally {
      xfs.end();
    }
  },
};

/** Each of the others with the least, all on the same file system. */
async function compare(least: Case, others: readonly Case[], setting: Setting): Promise<Measured[]> {
  const taken = new Map<Case, Record<Cost, number[]>>();
  for (let round = 0; round < setting.rounds; round += 1) {
    for (const one of [least, ...others]) {
      const values = taken.get(one) ?? { write: [], read: [], restart: [] };
      taken.set(one, values);
      const costs = await costsOf(one, least.backlog, setting);
      for (const cost of COSTS) values[cost].push(costs[cost]);
    }
  }
  const valuesOf = (one: Case, cost: Cost): number[] => taken.get(one)?.[cost] ?? [];
  return others.flatMap((one) =>
    COSTS.map((cost): Measured => {
      const [ours, values] = [valuesOf(one, cost), valuesOf(least, cost)];
      const peer = { name: least.what, values };
      const told = { name: `growth: ${cost}, ${one.what}`, ours, peer, ratio: ratioOf(ours, values) };
      return cost === 'restart'
        ? { ...told, unit: 's', must: 1.15, aim: 1 }
        : { ...told, unit: 'IOPS', must: 0.85, aim: 1 };
    }),
  );
}

/** Those for which the disk has no room are left out, and said. */
function casesOf({ quick, folder }: Setting): { readonly least: Case; readonly others: readonly Case[] } {
  const backlogs = quick ? [32 * MIB, 320 * MIB] : [GIB, 10 * GIB, 100 * GIB];
  const [backlog = 0, ...more] = backlogs;
  const { bavail, bsize } = statfsSync(folder);
  const wanted = [
    ...more.map((bytes) => ({ what: `${mib(bytes)} MiB to be sent`, size: 10 * GIB, backlog: bytes })),
    ...[TIB, 64 * TIB].map((size) => ({ what: `a volume of ${size / TIB} TiB`, size, backlog })),
  ];
  // The volume, and replication files of what compresses to less than a quarter; the journal's raw segments beside them.
  const hasRoom = (one: Case): boolean =>
    Math.min(one.size, one.backlog) + one.backlog / 4 + 6 * GIB < bavail * bsize;
  leftOut(
    wanted.filter((one) => !hasRoom(one)),
    `the file system under ${folder} has no room for it`,
  );
  const least = { what: `${mib(backlog)} MiB to be sent, 10 GiB`, size: 10 * GIB, backlog };
  return { least, others: wanted.filter(hasRoom) };
}

function leftOut(cases: readonly Case[], why: string): void {
  for (const { what } of cases) process.stderr.write(`growth: ${what}: left out, ${why}\n`);
}

/** Whether the file system has files of that size: ext4 up to 16 TiB. */
function canBe(size: number, folder: string): boolean {
  const path = join(folder, 'large');
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, size);
    return true;
  } catch {
    return false;
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

function makeXfs({ folder }: Setting): Xfs | undefined {
  try {
    return new Xfs(join(folder, 'xfs'), 32 * GIB);
  } catch {
    return undefined;
  }
}

/**
 * Hosts work on the same few bytes, `hot`, in every case: how much memory and medium a larger working set takes is not the
 * question. What waits to be destaged is bounded, and another figure's: this one's is what waits to be sent.
 */
async function costsOf(
  { size, backlog }: Case,
  hot: number,
  { quick, folder }: Setting,
): Promise<Record<Cost, number>> {
  const pair = await BenchPair.make({ folder, size, quota: '400 GiB' });
  try {
    await pair.start();
    await pair.settle();
    await pair.link('closed');
    const all = { uri: pair.uri, depth: 32, connections: 1, compressible: 90 } as const;
    // In pieces that are destaged fast: a hundred GiB take minutes and not an hour.
    if (backlog > hot) await fio({ ...all, kind: 'randwrite', block: '64k', bytes: backlog - hot });
    await fio({ ...all, kind: 'write', block: '64k', within: hot, bytes: hot });
    await pair.destaged();
    const job: FioJob = { ...all, kind: 'randwrite', block: '4k', within: hot };
    const timed = { ...job, seconds: quick ? 1 : 5 };
    // The first such run also makes the journal's files, of which a larger backlog has made some before.
    await fio(timed);
    await pair.destaged();
    const write = (await fio(timed)).operations;
    await pair.destaged();
    const read = (await fio({ ...timed, kind: 'randread' })).operations;
    await fio({ ...job, bytes: hot });
    await pair.sites.stop('source', 'SIGKILL');
    const restart = await seconds(() => pair.sites.start('source'));
    return { write, read, restart };
  } finally {
    await pair.end();
  }
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
