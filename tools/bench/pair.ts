/** Our two sites, as they run for a user: a source, vsftpd, and a destination; compressed, encrypted, from one disk. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { FtpServer } from '../../test/servers/ftp-server.ts';
import { SitePair, type Site } from '../../test/support/site-pair.ts';

const PASSWORD = 'BENCH_PASSWORD';
/** Milliseconds until all that was written is at the destination. */
const PATIENCE = 3_600_000;
/** Clock ticks a second, as Linux tells them to programs (USER_HZ). */
const TICKS = 100;

export interface PairSetting {
  readonly folder: string;
  /** Of the one volume, bytes. */
  readonly size: number;
  readonly quota: string;
}

export class BenchPair {
  readonly sites: SitePair;
  readonly server: FtpServer;
  readonly #folder: string;

  private constructor(folder: string, server: FtpServer, { size, quota }: PairSetting) {
    this.#folder = folder;
    this.server = server;
    mkdirSync(join(folder, 'destination/buffer'), { recursive: true });
    symlinkSync(server.groupFolder, join(folder, 'destination/buffer/g'));
    process.env[PASSWORD] = server.password;
    this.sites = new SitePair({
      folder,
      volumes: { disk: size },
      quota,
      segment: '{ size: 8 MiB, age: 2 s, compression: 1 }',
      transport: `        ftp: { host: 127.0.0.1, port: ${server.port}, user: ${server.user}, password-env: ${PASSWORD}, path: '${server.groupPath}', tls: none }
        link: wan
links:
  wan:
    schedule: { time-zone: UTC, outside: unlimited, windows: [] }`,
    });
  }

  static async make(setting: PairSetting): Promise<BenchPair> {
    const folder = mkdtempSync(join(setting.folder, 'pair-'));
    const server = await FtpServer.start('vsftpd', { tls: 'none' });
    return new BenchPair(folder, server, setting);
  }

  get image(): string {
    return this.sites.volume('source', 'disk');
  }

  get uri(): string {
    return `nbd+unix:///disk?socket=${this.sites.socket}`;
  }

  /** All that hosts wrote is at the destination, and in both sites' volumes. */
  async settle(): Promise<void> {
    await this.sites.inStep(PATIENCE);
    await this.sites.until(
      'applying',
      async () => (await this.sites.destination()).applied === (await this.sites.source()).lsn,
      PATIENCE,
    );
  }

  /** All that hosts wrote is in the source's own volumes, sent or not. */
  async destaged(): Promise<void> {
    const isDone = async (): Promise<boolean> => {
      const { checkpoint, lsn } = await this.sites.source();
      return checkpoint === lsn;
    };
    await this.sites.until('destaging', isDone, PATIENCE);
  }

  /** Both at once, as they are two machines' for a user. */
  async start(): Promise<void> {
    await Promise.all([this.sites.start('destination'), this.sites.start('source')]);
  }

  /** As an operator does: edits the schedule, and has it read. */
  async link(limit: 'closed' | 'unlimited'): Promise<void> {
    const file = this.sites.path('source', 'config.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/outside: \w+/, `outside: ${limit}`));
    process.kill(this.sites.pid('source'), 'SIGHUP');
    await this.sites.until(`having the link ${limit}`, async () => {
      const now = (await this.sites.source()).streams[0]?.limit;
      return (now?.kind === 'closed') === (limit === 'closed');
    });
  }

  /** Bytes that went over the wire towards the destination since the source was started. */
  async sent(): Promise<number> {
    return (await this.sites.source()).streams[0]?.bytesSent ?? 0;
  }

  /** Processor seconds that both daemons have used so far. */
  cpu(): number {
    return this.#cpuOf('source') + this.#cpuOf('destination');
  }

  /** Bytes of memory that a daemon has had at most. */
  memory(site: Site): number {
    return memoryOf(this.sites.pid(site), 'VmHWM');
  }

  async end(): Promise<void> {
    await this.sites.stopAll();
    await this.server.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** With the children that it has waited for (proc(5), stat: utime, stime, cutime, cstime). */
  #cpuOf(site: Site): number {
    const stat = readFileSync(`/proc/${this.sites.pid(site)}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
  }
}

/** Bytes of a process and its children: now, or at most so far (proc(5), status: VmRSS, VmHWM). */
export function memoryOf(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const own = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  );
  return children.reduce((sum, child) => sum + memoryOf(child, which), Number(own) * 1024);
}
