/** The programs that are measured against, and those that measure. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const OUTPUT_MAX = 64 * 1024 * 1024;

/** Program → its Debian package. */
const PACKAGES = {
  dd: 'coreutils',
  fio: 'fio',
  lftp: 'lftp',
  nbdkit: 'nbdkit',
  'qemu-nbd': 'qemu-utils',
  rsync: 'rsync',
} as const;

/** Installs those that are missing. @throws Error when that fails */
export function installMissing(): void {
  const missing = Object.entries(PACKAGES).filter(
    ([program]) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  );
  if (missing.length === 0) return;
  const packages = missing.map(([, name]) => name);
  process.stderr.write(`installing ${packages.join(', ')}\n`);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const command of [
    ['apt-get', 'update', '-qq'],
    ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    const [program = '', ...args] = [...sudo, ...command];
    const { status, stderr } = spawnSync(program, args, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command.join(' ')} failed: ${stderr}`);
  }
}

/** What it wrote to its standard output. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { maxBuffer: OUTPUT_MAX });
  return stdout;
}

/** Processor seconds of a shell command and all that it started. */
export async function cpuOf(command: string): Promise<number> {
  const output = await run('sh', '-c', `${command} >/dev/null; times`);
  // The second line is the children's: "0m1.230000s 0m0.450000s" (POSIX, times).
  const [user, system] = (output.trim().split('\n')[1] ?? '').split(' ');
  return secondsOf(user) + secondsOf(system);
}

function secondsOf(text: string | undefined): number {
  const [, minutes, rest] = /^(\d+)m([\d.]+)s$/.exec(text ?? '') ?? [];
  return Number(minutes) * 60 + Number(rest);
}

export interface FioJob {
  readonly uri: string;
  readonly kind: 'randwrite' | 'randread' | 'write' | 'read';
  readonly block: string;
  readonly depth: number;
  readonly connections: number;
  /** Of real time; otherwise it writes `bytes`. */
  readonly seconds?: number;
  /** Seconds before these that are not measured. */
  readonly ramp?: number;
  readonly bytes?: number;
  /** Bytes from the volume's beginning that it keeps to; otherwise all of it. */
  readonly within?: number;
  /** How much of what it writes, in percent, no bits are needed for; otherwise nothing. */
  readonly compressible?: number;
  /** A flush after every write. */
  readonly commits?: boolean;
  /** Bytes a second. */
  readonly rate?: number;
}

export interface FioResult {
  /** A second. */
  readonly operations: number;
  readonly bytes: number;
}

/** What hosts do, by fio's NBD engine. @throws Error when a request failed */
export async function fio(job: FioJob): Promise<FioResult> {
  const { uri, kind, block, depth, connections, commits, rate, within, compressible } = job;
  const output = await run(
    'fio',
    ...['--name=host', '--ioengine=nbd', `--uri=${uri}`, `--rw=${kind}`, `--bs=${block}`],
    ...[`--iodepth=${depth}`, `--numjobs=${connections}`, '--group_reporting=1', '--output-format=json'],
    // Writes that no compression makes into nothing; places that are not remembered, as nobody else's are.
    ...['--refill_buffers', '--norandommap', '--randrepeat=0', '--thread'],
    ...(job.seconds === undefined ? [] : ['--time_based', `--runtime=${job.seconds}`]),
    ...(job.ramp === undefined ? [] : [`--ramp_time=${job.ramp}`]),
    ...(job.bytes === undefined ? [] : [`--io_size=${job.bytes}`]),
    ...(within === undefined ? [] : [`--size=${within}`]),
    ...(compressible === undefined ? [] : [`--buffer_compress_percentage=${compressible}`]),
    ...(commits === true ? ['--fsync=1'] : []),
    ...(rate === undefined ? [] : [`--rate=${rate}`]),
  );
  const { jobs } = JSON.parse(output.slice(output.indexOf('{'))) as {
    readonly jobs: readonly {
      readonly error: number;
      readonly [direction: string]: { readonly iops: number; readonly bw_bytes: number } | number;
    }[];
  };
  const [result] = jobs;
  const side = result?.[kind.endsWith('read') ? 'read' : 'write'];
  if (result === undefined || result.error !== 0 || typeof side !== 'object')
    throw new Error(`fio failed: ${output}`);
  return { operations: side.iops, bytes: side.bw_bytes };
}
