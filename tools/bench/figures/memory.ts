/** What daemons have in memory: MiB, which are told in place of a ratio. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Figure, Measured } from '../figure.ts';
import { BenchPair, memoryOf } from '../pair.ts';
import { fio } from '../programs.ts';

const MIB = 1024 * 1024;
const GROUPS = 64;
const LAUNCHER = join(import.meta.dirname, '../../../src/launch.js');
/** Milliseconds: they are started one after the other. */
const PATIENCE = 600_000;

const NAMES = { busy: 'memory: one group under full load', idle: `memory: ${GROUPS} groups idle` };

export const memory: Figure = {
  names: Object.values(NAMES),
  async measure({ quick, folder }, wanted) {
    const measured: Measured[] = [];
    const tell = (name: string, bytes: number, must: number, aim: number): void => {
      const mib = bytes / MIB;
      measured.push({ name, unit: 'MiB', ours: [mib], peer: undefined, ratio: mib, must, aim });
    };
    if (wanted.includes(NAMES.busy)) tell(NAMES.busy, await busy(folder, quick), 300, 200);
    if (wanted.includes(NAMES.idle)) tell(NAMES.idle, await idle(folder, quick), 500, 300);
    return measured;
  },
};

/** Of the source or the destination, whichever has more. */
async function busy(folder: string, quick: boolean): Promise<number> {
  const pair = await BenchPair.make({ folder, size: (quick ? 256 : 4096) * MIB, quota: '16 GiB' });
  try {
    await pair.start();
    await pair.settle();
    const { uri } = pair;
    await fio({
      ...{ uri, kind: 'randwrite', block: '4k', depth: 32, connections: 4 },
      seconds: quick ? 4 : 30,
    });
    await pair.settle();
    return Math.max(pair.memory('source'), pair.memory('destination'));
  } finally {
    await pair.end();
  }
}

async function idle(parent: string, quick: boolean): Promise<number> {
  const folder = mkdtempSync(join(parent, 'idle-'));
  const groups = Array.from({ length: GROUPS }, (_, i) => {
    mkdirSync(join(folder, `share/g${i}`), { recursive: true });
    return `  g${i}:
    role: source
    buffer: buffer
    quota: 64 MiB
    volumes:
      disk: { path: g${i}.raw, size: 16 MiB }
    nbd: { socket: g${i}.sock }
    destinations:
      second: { folder: share/g${i} }
`;
  });
  writeFileSync(
    join(folder, 'config.yaml'),
    `state: state\nlog: { level: error }\ngroups:\n${groups.join('')}`,
  );
  const child = spawn(process.execPath, [LAUNCHER, 'serve', '--config', join(folder, 'config.yaml')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    // Once all groups run.
    const isRunning = (): boolean => existsSync(join(folder, 'state/api.json'));
    for (const limit = Date.now() + PATIENCE; !isRunning();) {
      if (Date.now() > limit || child.exitCode !== null) throw new Error(`${GROUPS} groups did not start`);
      await pause(100);
    }
    await pause(quick ? 2000 : 30_000);
    return memoryOf(child.pid ?? 0, 'VmRSS');
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  }
}
