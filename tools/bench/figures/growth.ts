/** What a write, a read and a restart cost with more that waits to be sent, and with larger volumes: compared with itself. */
import { ftruncateSync, openSync, closeSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure, Measured, Setting } from '../figure.ts';
import { BenchPair } from '../pair.ts';
import { fio, type FioJob } from '../programs.ts';
import { ratioOf, seconds } from '../turns.ts';

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
    const [least, ...others] = casesOf(setting);
    if (least === undefined) return [];
    const taken = new Map<Case, Record<Cost, number[]>>();
    for (let round = 0; round < setting.rounds; round += 1) {
      for (const one of [least, ...others]) {
        const values = taken.get(one) ?? { write: [], read: [], restart: [] };
        taken.set(one, values);
        const costs = await costsOf(one, setting);
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
  },
};

/** The first is what the others are compared with; those for which the disk has no room are left out, and said. */
function casesOf({ quick, folder }: Setting): Case[] {
  const backlogs = quick ? [32 * MIB, 320 * MIB] : [GIB, 10 * GIB, 100 * GIB];
  const [least = 0, ...more] = backlogs;
  const { bavail, bsize } = statfsSync(folder);
  const wanted = [
    ...more.map((backlog) => ({ what: `${mib(backlog)} MiB to be sent`, size: 10 * GIB, backlog })),
    ...[TIB, 64 * TIB].map((size) => ({ what: `a volume of ${size / TIB} TiB`, size, backlog: least })),
  ];
  // Both sites' volumes and buffers.
  const hasRoom = (one: Case): boolean => 4 * one.backlog < bavail * bsize && canBe(one.size, folder);
  for (const { what } of wanted.filter((one) => !hasRoom(one)))
    process.stderr.write(`growth: ${what}: left out, the file system under ${folder} has no room for it\n`);
  const first = { what: `${mib(least)} MiB to be sent, 10 GiB`, size: 10 * GIB, backlog: least };
  return [first, ...wanted.filter(hasRoom)];
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

async function costsOf({ size, backlog }: Case, { quick, folder }: Setting): Promise<Record<Cost, number>> {
  const pair = await BenchPair.make({ folder, size, quota: '400 GiB' });
  try {
    await pair.start();
    await pair.settle();
    await pair.link('closed');
    const job: FioJob = { uri: pair.uri, kind: 'randwrite', block: '4k', depth: 32, connections: 1 };
    await fio({ ...job, bytes: backlog });
    // What waits to be destaged is bounded, and another figure's: this one's is what waits to be sent.
    await pair.destaged();
    const length = quick ? 1 : 10;
    const write = (await fio({ ...job, seconds: length })).operations;
    const read = (await fio({ ...job, kind: 'randread', seconds: length })).operations;
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
