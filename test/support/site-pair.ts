/** Two sites as real processes, for tests that kill them: configurations, daemons, and what they say of themselves. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connectDaemon } from './daemon-client.ts';
import type { DestinationGroupStatus, SourceStatus, StatusReport } from '../../src/api/contract/status.ts';

export type Site = 'source' | 'destination';

export interface PairOptions {
  readonly folder: string;
  /** Volume name → bytes. */
  readonly volumes: Readonly<Record<string, number>>;
  /** The lines under `destinations: second:`, indented by eight. */
  readonly transport: string;
  /** More lines for either group, indented by four; `receiver` and the like at the left margin. */
  readonly sourceExtra?: string;
  readonly destinationExtra?: string;
  readonly destinationTop?: string;
  readonly key?: string;
  readonly quota?: string;
  readonly whenFull?: 'refuse-writes' | 'change-map';
  readonly segment?: string;
  /** Folders of the volumes, when not the sites' own. */
  readonly sourceVolumes?: string;
  readonly destinationVolumes?: string;
}

/** Milliseconds: only a hang takes so long, on however slow a machine. */
const HANG = 240_000;
const ROOT = join(import.meta.dirname, '../..');

export class SitePair {
  readonly options: PairOptions;
  readonly #running = new Map<Site, ChildProcess>();

  constructor(options: PairOptions) {
    this.options = options;
    for (const site of ['source', 'destination'] as const) mkdirSync(this.path(site), { recursive: true });
    writeFileSync(join(options.folder, 'key'), options.key ?? '11'.repeat(32), { mode: 0o600 });
    writeFileSync(join(options.folder, 'password'), 'secret', { mode: 0o600 });
    writeFileSync(this.path('source', 'config.yaml'), this.#sourceConfig());
    writeFileSync(this.path('destination', 'config.yaml'), this.#destinationConfig());
  }

  path(site: Site, ...parts: readonly string[]): string {
    return join(this.options.folder, site, ...parts);
  }

  get socket(): string {
    return this.path('source', 'nbd.sock');
  }

  volume(site: Site, name: string): string {
    const { sourceVolumes, destinationVolumes } = this.options;
    const folder = site === 'source' ? sourceVolumes : destinationVolumes;
    return join(folder ?? this.path(site), `${name}.raw`);
  }

  groupFolder(site: Site): string {
    return this.path(site, 'buffer', 'g');
  }

  /** Until it answers; a source, unless it is to serve nobody, until hosts can come. */
  async start(site: Site, serves = site === 'source'): Promise<void> {
    const child = spawn(
      process.execPath,
      [join(ROOT, 'src/launch.js'), 'serve', '--config', this.path(site, 'config.yaml')],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
    this.#running.set(site, child);
    const limit = Date.now() + HANG;
    for (;;) {
      const ended = child.exitCode ?? child.signalCode;
      if (ended !== null) throw new Error(`the ${site} ended with ${ended}:\n${output}`);
      if (Date.now() > limit) throw new Error(`the ${site} did not start:\n${output}`);
      if (await this.#answers(site, serves)) return;
      await pause(50);
    }
  }

  /** False once it was stopped, or has ended by itself. */
  alive(site: Site): boolean {
    const child = this.#running.get(site);
    return child?.exitCode === null && child.signalCode === null;
  }

  pid(site: Site): number {
    const pid = this.#running.get(site)?.pid;
    if (pid === undefined) throw new Error(`the ${site} is not running`);
    return pid;
  }

  /** SIGKILL, or another signal; resolves with the exit code, null after a kill. */
  async stop(site: Site, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#running.get(site);
    if (child === undefined) return 0;
    this.#running.delete(site);
    if (child.exitCode !== null) return child.exitCode;
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }

  async stopAll(): Promise<void> {
    await Promise.all([this.stop('source', 'SIGKILL'), this.stop('destination', 'SIGKILL')]);
  }

  async report(site: Site): Promise<StatusReport> {
    return (await connectDaemon(this.path(site, 'state'), 'GET', '/status')) as StatusReport;
  }

  async source(): Promise<SourceStatus> {
    return (await this.report('source')).groups[0] as SourceStatus;
  }

  async destination(): Promise<DestinationGroupStatus> {
    return (await this.report('destination')).groups[0] as DestinationGroupStatus;
  }

  async marker(kind: 'snapshot' | 'custom', name: string): Promise<{ id: string; lsn: number }> {
    const placed = await connectDaemon(this.path('source', 'state'), 'POST', '/groups/g/markers', {
      kind,
      name,
    });
    return placed as { id: string; lsn: number };
  }

  async until(what: string, done: () => Promise<boolean>, patience = HANG): Promise<void> {
    const limit = Date.now() + patience;
    for (;;) {
      if (await done().catch(() => false)) return;
      if (Date.now() > limit) {
        const say = (report: unknown): string => JSON.stringify(report, undefined, 1);
        const [source, destination] = await Promise.all([
          this.report('source').then(say, String),
          this.report('destination').then(say, String),
        ]);
        throw new Error(`${what} took over ${patience / 1000} s\n${source}\n${destination}`);
      }
      await pause(100);
    }
  }

  inStep(patience?: number): Promise<void> {
    return this.until(
      'getting into step',
      async () => {
        const status = await this.source();
        return (
          status.mode === 'journal' && status.streams[0]?.lagSeconds === 0 && status.checkpoint === status.lsn
        );
      },
      patience,
    );
  }

  async #answers(site: Site, serves: boolean): Promise<boolean> {
    if (!existsSync(this.path(site, 'state', 'api.json'))) return false;
    if (serves && !(await reachable(this.socket))) return false;
    return this.report(site).then(
      () => true,
      () => false,
    );
  }

  #sourceConfig(): string {
    const { volumes, transport, sourceExtra, quota, segment, whenFull } = this.options;
    const list = Object.entries(volumes).map(
      ([name, size]) => `      ${name}: { path: ${this.volume('source', name)}, size: ${size} }`,
    );
    return `state: state
log: { level: debug, file: log.jsonl }
groups:
  g:
    role: source
    buffer: buffer
    quota: ${quota ?? '2 GiB'}
    when-full: ${whenFull ?? 'refuse-writes'}
    key-file: ../key
    segment: ${segment ?? '{ size: 4 MiB, age: 500 ms }'}
    volumes:
${list.join('\n')}
    nbd: { socket: nbd.sock }
${sourceExtra ?? ''}
    destinations:
      second:
${transport}
`;
  }

  #destinationConfig(): string {
    const { volumes, destinationExtra, destinationTop, quota } = this.options;
    const list = Object.keys(volumes).map((name) => `      ${name}: ${this.volume('destination', name)}`);
    return `state: state
log: { level: debug, file: log.jsonl }
${destinationTop ?? ''}
groups:
  g:
    role: destination
    buffer: buffer
    quota: ${quota ?? '2 GiB'}
    key-file: ../key
    volumes:
${list.join('\n')}
${destinationExtra ?? ''}
`;
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function reachable(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
