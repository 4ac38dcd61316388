/** A real API server in front of a daemon that is pretended, and the real command line as a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpointSchema, type Endpoint } from '../../src/api/contract/endpoint.ts';
import type { InitializeAnswer, InitializeRequest } from '../../src/api/contract/initialize.ts';
import type { LinkTestReport } from '../../src/api/contract/link-test.ts';
import type { PlacedMarker } from '../../src/api/contract/markers.ts';
import type { MountEntry, MountRequest, Unmounted } from '../../src/api/contract/mounts.ts';
import type { RecoveryPoints } from '../../src/api/contract/points.ts';
import type { RetentionReport, SnapshotEntry } from '../../src/api/contract/snapshots.ts';
import type {
  SeedExportRequest,
  SeedExportStatus,
  SeedImportRequest,
  SeedImportStatus,
} from '../../src/api/contract/seed.ts';
import type { StatusReport } from '../../src/api/contract/status.ts';
import type {
  Accepted,
  AcceptRequest,
  VerificationProgress,
  VerificationReport,
  VerificationRequest,
} from '../../src/api/contract/verification.ts';
import type { DaemonControl, MarkerToPlace } from '../../src/api/control.ts';
import { startApi, type Api } from '../../src/api/server.ts';
import type { ApiConfig } from '../../src/config/config.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import type { Log } from '../../src/platform/log.ts';
import { REPORTS } from './reports.ts';
import { PretendedRoles } from './pretended-roles.ts';

export const MARKER_ID = '00112233445566778899aabbccddeeff';
export const MARKER_TIME = Date.UTC(2026, 10, 21, 1, 46, 0);

const VERIFICATION: VerificationReport = {
  kind: 'blockferry verification',
  version: 1,
  identical: true,
  group: {
    name: 'oracle',
    id: 'ab'.repeat(16),
    epoch: { number: 1, id: 'cd'.repeat(16) },
    volumes: [{ name: 'data', size: 1_073_741_824 }],
  },
  source: 'zurich',
  pass: 1_790_000_000_000,
  beganAt: MARKER_TIME,
  endedAt: MARKER_TIME + 4000,
  firstLsn: 100,
  lastLsn: 1300,
  totalBytes: 1_073_741_824,
  bytes: 1_073_741_824,
  outcomes: [
    {
      destination: 'bern',
      comparedBytes: 1_073_741_824,
      skippedBytes: 0,
      differed: 0,
      ranges: [],
      fromMedium: true,
    },
  ],
  sourceChanges: [],
};

/** Has the groups of its report; takes markers for sources, lists two snapshots for destinations. */
export class PretendedDaemon extends PretendedRoles implements DaemonControl {
  report: StatusReport = REPORTS.healthy;
  linkTest: LinkTestReport = { server: 'ftp://ferry@10.1.0.9:21/oracle', steps: [] };
  /** What the next reload changes. */
  changed: readonly string[] = [];
  /** Thrown by `placeMarker` and `reload` when set. */
  failure: Error | undefined;
  readonly deleted: string[] = [];
  readonly initialized: string[] = [];
  readonly wanted: MountRequest['point'][] = [];
  readonly verifications: (VerificationRequest & { readonly group: string })[] = [];
  verificationReport: VerificationReport = VERIFICATION;
  readonly placed: (MarkerToPlace & { readonly group: string })[] = [];

  reload(): readonly string[] {
    if (this.failure !== undefined) throw this.failure;
    return this.changed;
  }

  verify(group: string, order: VerificationRequest): Promise<number> {
    this.#find(group);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.verifications.push({ group, ...order });
    return Promise.resolve(VERIFICATION.pass);
  }

  verification(group: string): Promise<VerificationProgress> {
    this.#find(group);
    return Promise.resolve({ state: 'complete', report: this.verificationReport });
  }

  acceptSourceChanges(group: string, { upTo }: AcceptRequest): Promise<Accepted> {
    const found = this.#find(group);
    const changes = found.role === 'source' ? (found.verification?.sourceChanges ?? []) : [];
    return Promise.resolve({ accepted: changes.filter(({ lsn }) => lsn <= upTo) });
  }

  testLink(group: string): Promise<LinkTestReport> {
    this.#find(group);
    return Promise.resolve(this.linkTest);
  }

  status(): StatusReport {
    return this.report;
  }

  placeMarker(group: string, marker: MarkerToPlace): Promise<PlacedMarker> {
    this.#find(group);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.placed.push({ group, ...marker });
    return Promise.resolve({ id: MARKER_ID, lsn: 48_211, time: MARKER_TIME, name: marker.name });
  }

  snapshots(group: string): Promise<readonly SnapshotEntry[]> {
    const found = this.#find(group);
    if (found.role === 'source') return Promise.resolve([]);
    return Promise.resolve([
      { id: MARKER_ID, name: 'before-upgrade', lsn: 8000, time: MARKER_TIME, kind: 'reflink' },
      {
        id: 'f'.repeat(32),
        name: '20261121t014600.123z',
        lsn: 9000,
        time: MARKER_TIME + 123,
        kind: 'copy-on-write',
        bytes: 3 * 1024 * 1024,
      },
    ]);
  }

  async points(group: string): Promise<RecoveryPoints> {
    const [older, newer] = await this.snapshots(group);
    const applied = { lsn: 9100, time: MARKER_TIME + 5000, consistent: true };
    if (older === undefined || newer === undefined)
      return { applied, snapshots: [], windows: [], markers: [] };
    return {
      applied,
      snapshots: [
        { ...older, named: true },
        { ...newer, named: false },
      ],
      windows: [
        {
          from: { lsn: older.lsn, time: older.time },
          to: { lsn: newer.lsn, time: newer.time },
          every: true,
        },
      ],
      markers: [{ name: 'nightly', lsn: 8500, time: older.time + 50 }],
    };
  }

  initialize(group: string, { compare }: InitializeRequest): Promise<InitializeAnswer> {
    const { volumes } = this.#find(group);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.initialized.push(compare ? `${group}, compared` : group);
    return Promise.resolve({ bytes: volumes.reduce((sum, { size }) => sum + size, 0) });
  }

  exportSeed(group: string, { folder }: SeedExportRequest): Promise<SeedExportStatus> {
    this.#find(group);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const done = { files: 0, bytes: 0, doneBytes: 0, totalBytes: 512 };
    return Promise.resolve({ id: MARKER_ID, state: 'beginning', folder, ...done });
  }

  importSeed(group: string, { folder }: SeedImportRequest): Promise<SeedImportStatus> {
    this.#find(group);
    const order = { folder, state: 'waiting' as const, done: 0, bytes: 0 };
    return Promise.resolve({ state: 'none', files: 0, order });
  }

  cancelSeed(group: string): Promise<void> {
    this.#find(group);
    return Promise.resolve();
  }

  async retention(group: string): Promise<RetentionReport> {
    const [older, newer] = await this.snapshots(group);
    if (older === undefined || newer === undefined) {
      throw new OperatorError('NO_RETENTION', `group ${group} keeps all its snapshots`);
    }
    return {
      verdicts: [
        { snapshot: newer, keep: true, why: 'the newest' },
        { snapshot: older, keep: false, why: 'no rule wants it' },
      ],
    };
  }

  async createSnapshot(group: string, name = 'by-its-time'): Promise<SnapshotEntry> {
    const [, newest] = await this.snapshots(group);
    if (newest === undefined) throw new OperatorError('NO_SNAPSHOTS_HERE', `group ${group} is a source`);
    return { ...newest, name };
  }

  async mount(group: string, { point, writable }: MountRequest): Promise<MountEntry> {
    const snapshots = await this.snapshots(group);
    const called = point.kind === 'snapshot' ? point.called : '';
    const snapshot = snapshots.find(({ name }) => name === called) ?? snapshots.at(-1);
    if (snapshot === undefined) throw new OperatorError('POINT_NOT_FOUND', 'there is no recovery point');
    this.wanted.push(point);
    return {
      name: snapshot.name,
      snapshot,
      lsn: snapshot.lsn,
      time: snapshot.time,
      writable,
      address: { kind: 'socket', path: '/run/blockferry/mail views.sock' },
      exports: [{ volume: 'data', name: `${group}/data@${snapshot.name}`, size: 1024 ** 4 }],
      mountedAt: MARKER_TIME,
    };
  }

  async unmount(group: string, mount: string): Promise<Unmounted> {
    const found = (await this.snapshots(group)).find(({ name }) => name === mount);
    if (found === undefined) throw new OperatorError('MOUNT_NOT_FOUND', `there is no mount ${mount}`);
    return { name: mount, hungUp: 2 };
  }

  async deleteSnapshot(group: string, id: string): Promise<void> {
    const found = (await this.snapshots(group)).find((snapshot) => snapshot.id === id);
    if (found === undefined) throw new OperatorError('SNAPSHOT_NOT_FOUND', `there is no snapshot ${id}`);
    this.deleted.push(id);
  }

  #find(group: string): StatusReport['groups'][number] {
    const found = this.report.groups.find(({ name }) => name === group);
    if (found !== undefined) return found;
    throw new OperatorError('GROUP_UNKNOWN', `there is no group ${group}`, {
      remedy: 'see "blockferry status"',
    });
  }
}

export class MemoryLog implements Log {
  readonly lines: string[] = [];
  debug = (message: string): void => void this.lines.push(message);
  info = this.debug;
  warn = this.debug;
  error = (message: string, fields?: object): void =>
    void this.lines.push(`error: ${message} ${JSON.stringify(fields)}`);
}

export interface Site {
  readonly folder: string;
  readonly daemon: PretendedDaemon;
  readonly log: MemoryLog;
  readonly api: Api;
  endpoint(): Endpoint;
  close(): Promise<void>;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'blockferry-api-'));
}

export async function startSite(kind: ApiConfig['kind'] = 'socket'): Promise<Site> {
  const folder = temporaryFolder();
  const [daemon, log] = [new PretendedDaemon(), new MemoryLog()];
  const address: ApiConfig =
    kind === 'socket' ? { kind, path: join(folder, 'api.sock') } : { kind, host: '127.0.0.1', port: 0 };
  const api = await startApi({ address, stateFolder: folder, control: daemon, log });
  return {
    folder,
    daemon,
    log,
    api,
    endpoint: () => endpointSchema.parse(JSON.parse(readFileSync(join(folder, 'api.json'), 'utf8'))),
    async close() {
      await api.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface HttpQuestion {
  readonly method?: string;
  readonly path: string;
  /** Undefined: none is sent. */
  readonly token: string | undefined;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

export function http({ address }: Endpoint, question: HttpQuestion): Promise<HttpAnswer> {
  const { method = 'GET', path, token, body, headers = {} } = question;
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const where = 'socket' in address ? { socketPath: address.socket } : address;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...where,
        method,
        path,
        agent: false,
        headers: { ...type, ...authorization, ...headers },
      },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(text) as unknown }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export interface CliResult {
  readonly exitCode: number | null;
  readonly out: string;
  readonly error: string;
}

export interface CliOptions {
  readonly node?: string;
  readonly environment?: Record<string, string>;
  /** Ends the process once its output satisfies this. */
  readonly until?: (out: string) => boolean;
}

export const LAUNCHER = join(import.meta.dirname, '../../src/launch.js');

/** Times are shown in UTC, without colours. */
export function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(options.node ?? process.execPath, [LAUNCHER, ...args], {
      env: { PATH: process.env['PATH'], TZ: 'UTC', NO_COLOR: '1', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, error] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk;
      if (options.until?.(out) === true) child.stdout.destroy();
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (error += chunk));
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, out, error }));
  });
}
