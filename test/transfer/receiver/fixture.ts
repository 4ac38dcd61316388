/** A receiver with its folders and a few ways to talk to it. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { epoch, lsn } from '../../../src/journal/ids.ts';
import { sealedName } from '../../../src/journal/names.ts';
import { TRAILER_SIZE, encodeTrailer, finishTrailer } from '../../../src/journal/segment/format.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import type { Log, LogFields } from '../../../src/platform/log.ts';
import { nodeClock } from '../../../src/platform/node/clock.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import type { ReceiverOptions, ReceiverStream } from '../../../src/transfer/receiver/options.ts';
import { Receiver } from '../../../src/transfer/receiver/receiver.ts';
import { makeCertificate as makeCertificateFiles } from '../../servers/certificate.ts';

export const run = promisify(execFile);

export const USER = 'oracle';
export const PASSWORD = 'correct horse/battery:staple';
export const MIB = 1024 * 1024;

/** The name of a segment with the LSNs `first` to `first + 9`. */
export function segmentName(first = 1): string {
  return sealedName({ epoch: epoch(1), first: lsn(first), last: lsn(first + 9) });
}

/** Bytes that do not repeat within a block, so that a misplaced one is found. */
export function content(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(Math.imul(i + seed, 2654435761) >>> 0, i);
  return bytes;
}

/** Such bytes that end as a segment does. */
export function segmentFile(length: number): Buffer {
  const bytes = content(length);
  const tableOffset = length - TRAILER_SIZE;
  const trailer = encodeTrailer({ frames: 0, records: 0, dataBytes: 0, fileBytes: length }, tableOffset);
  finishTrailer(trailer, Buffer.alloc(0), undefined);
  trailer.copy(bytes, tableOffset);
  return bytes;
}

export class Site {
  readonly receiver: Receiver;
  readonly folder: string;
  readonly port: number;
  readonly stored: string[];
  readonly log: string[];

  constructor(parts: Pick<Site, 'receiver' | 'folder' | 'port' | 'stored' | 'log'>) {
    ({
      receiver: this.receiver,
      folder: this.folder,
      port: this.port,
      stored: this.stored,
      log: this.log,
    } = parts);
  }

  inbox(): string[] {
    return readdirSync(join(this.folder, 'inbox')).sort();
  }

  /** A file of the inbox. */
  read(name: string): Buffer {
    return readFileSync(join(this.folder, 'inbox', name));
  }

  put(name: string, bytes: Buffer | string): void {
    writeFileSync(join(this.folder, 'inbox', name), bytes);
  }

  has(name: string): boolean {
    return existsSync(join(this.folder, 'inbox', name));
  }

  writeStatus(text: string): void {
    mkdirSync(join(this.folder, 'status'), { recursive: true });
    writeFileSync(join(this.folder, 'status', 'destination.json'), text);
  }

  async stop(): Promise<void> {
    await this.receiver.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export type SiteOptions = Partial<Omit<ReceiverOptions, 'streams'>> & {
  readonly stream?: Partial<ReceiverStream>;
  readonly others?: readonly ReceiverStream[];
};

export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const { stream, others, ...rest } = options;
  const folder = stream?.folder ?? mkdtempSync(join(tmpdir(), 'receiver-'));
  const stored: string[] = [];
  const log: string[] = [];
  try {
    const receiver = new Receiver({
      host: '127.0.0.1',
      port: 0,
      passivePorts: await freeRange(20),
      publicAddress: undefined,
      tls: undefined,
      allowPlain: false,
      connections: 64,
      streams: [
        { user: USER, password: PASSWORD, folder, quota: () => 1024 * MIB, ...stream },
        ...(others ?? []),
      ],
      onStored: (user, name) => stored.push(`${user} ${name}`),
      clock: nodeClock,
      files: nodeFiles,
      log: recordingLog(log),
      ...rest,
    });
    const { port } = await receiver.listen();
    return new Site({ receiver, folder, port, stored, log });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function recordingLog(lines: string[]): Log {
  const line =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

/** Ports in a row that nobody listens on now, below those that the system gives to outgoing connections. */
export async function freeRange(count: number): Promise<{ first: number; last: number }> {
  for (;;) {
    const first = 12_000 + Math.floor(Math.random() * 18_000);
    if ((await listeningPorts(first, first + count - 1)).length === 0)
      return { first, last: first + count - 1 };
  }
}

/** Those ports of a range that somebody listens on. */
export async function listeningPorts(first: number, last: number): Promise<number[]> {
  const taken: number[] = [];
  for (let port = first; port <= last; port++) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen({ host: '127.0.0.1', port }, () => resolve(true));
    });
    if (isFree) await new Promise((resolve) => server.close(resolve));
    else taken.push(port);
  }
  return taken;
}

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** A self-signed certificate for 127.0.0.1 and localhost. */
export function makeCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
  try {
    const { pem, keyFile } = makeCertificateFiles(folder);
    return { certificate: pem, key: readFileSync(keyFile, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Time that stands still until a test moves it; intervals that only sockets and disks take are real. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<{ at: number; then: () => void }>();

  now(): number {
    return 1_700_000_000_000 + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delay: number, then: () => void): { cancel: () => void } {
    const timer = { at: this.#now + delay, then };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#now || !this.#timers.delete(timer)) continue;
      timer.then();
    }
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Whether somebody began, at this very moment, to wait so many milliseconds. */
  waits(delay: number): boolean {
    return [...this.#timers].some(({ at }) => at === this.#now + delay);
  }
}

export async function until(condition: () => boolean, limit = 60_000): Promise<void> {
  const end = Date.now() + limit;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
