/** The main job in one command: two sites on loopback, real writes through NBD, markers, and the proof by reading. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import type { SourceStatus } from '../../api/contract/status.ts';
import { startDaemon, type Daemon } from '../../daemon/daemon.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import { nodePlatform } from '../../platform/node/platform.ts';
import { openSnapshotStore } from '../../recovery/open-store.ts';
import { NbdClient } from '../../nbd/client.ts';
import {
  destinationConfig,
  freePort,
  GROUP,
  MARKER_PROGRAM,
  snapshotFolder,
  sourceConfig,
  VOLUME_SIZE,
  volumePath,
  VOLUMES,
  type DemoPlaces,
} from './sites.ts';

export interface DemoResult {
  readonly ok: boolean;
  readonly volumes: readonly { readonly name: string; readonly bytes: number; readonly identical: boolean }[];
  readonly segments: number;
  readonly bytesOnWire: number;
  readonly snapshots: readonly { readonly name: string; readonly lsn: number; readonly identical: boolean }[];
  readonly markers: readonly { readonly name: string; readonly runs: number }[];
  readonly lagSecondsMax: number;
}

const IMAGE = new URL('../../../samples/demo/file-system.img.zst', import.meta.url);
const OVERWRITES = 3000;
const OVERWRITE_MAX = 64 * 1024;
const FLUSH_EVERY = 50;
const SNAPSHOT = 'before-the-second-half';
/** Milliseconds that anything in the demo may take. */
const PATIENCE = 60_000;

const quiet = (): void => undefined;
/** What the sites log would hide the demo's own lines; warnings and errors are shown. */
const warn = (message: string): void => void process.stderr.write(`  ${message}\n`);
const siteLog: Log = { debug: quiet, info: quiet, warn, error: warn };

/** Everything that must be undone, whatever happens. */
class Stage {
  readonly places: DemoPlaces;
  readonly #daemons: Daemon[] = [];

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'blockferry-demo-'));
    const { random } = nodePlatform;
    const markerRuns = join(folder, 'marker-runs.txt');
    this.places = { folder, key: random.bytes(32), password: random.bytes(16).toString('hex'), markerRuns };
    for (const site of ['source', 'destination']) mkdirSync(join(folder, site));
  }

  async start(config: Parameters<typeof startDaemon>[0]): Promise<Daemon> {
    const daemon = await startDaemon(config, siteLog, () => siteLog);
    this.#daemons.push(daemon);
    return daemon;
  }

  async clear(): Promise<void> {
    for (const daemon of this.#daemons.splice(0).reverse()) await daemon.stop();
    rmSync(this.places.folder, { recursive: true, force: true });
  }
}

/** @throws OperatorError `DEMO_STOPPED` when `signal` aborts */
export async function runDemo(say: (line: string) => void, signal: AbortSignal): Promise<DemoResult> {
  const stage = new Stage();
  try {
    const destination = await stage.start(await destinationConfig(stage.places));
    const nbdPort = await freePort();
    const source = await stage.start(
      await sourceConfig(stage.places, nbdPort, destination.receiver?.port ?? 0),
    );
    say(
      `two sites on loopback: NBD port ${nbdPort}, built-in receiver port ${destination.receiver?.port ?? 0}, key set`,
    );
    return await act(stage.places, { source, destination }, nbdPort, say, signal);
  } finally {
    await stage.clear();
  }
}

async function act(
  places: DemoPlaces,
  sites: { readonly source: Daemon; readonly destination: Daemon },
  nbdPort: number,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<DemoResult> {
  const model = VOLUMES.map(() => Buffer.alloc(VOLUME_SIZE));
  const watcher = new Watcher(sites.source);
  await watcher.until('the initial copy', (status) => status.mode === 'journal', signal);
  const clients = await Promise.all(
    VOLUMES.map((name) => NbdClient.open({ host: '127.0.0.1', port: nbdPort, noDelay: true }, name)),
  );
  const host = new Host(clients, model, watcher, signal);
  await host.writeImage();
  say(`wrote an ext4 file system of ${VOLUME_SIZE / 1024 ** 2} MiB through NBD`);
  await host.overwrite(OVERWRITES / 2, say);
  const marker = await sites.source.control.placeMarker(GROUP, { kind: 'snapshot', name: SNAPSHOT });
  const atMarker = model.map((volume) => Buffer.from(volume));
  say(`snapshot marker placed at LSN ${marker.lsn}`);
  await host.overwrite(OVERWRITES / 4, say);
  const custom = await sites.source.control.placeMarker(GROUP, { kind: 'custom', name: MARKER_PROGRAM });
  say(`custom marker placed at LSN ${custom.lsn}`);
  await host.overwrite(OVERWRITES / 4, say);
  for (const client of clients) client.close();
  const last = await watcher.until(
    'the destination',
    (status) => status.streams[0]?.lagSeconds === 0,
    signal,
  );
  const [entry] = await sites.destination.control.snapshots(GROUP);
  await sites.source.stop();
  await sites.destination.stop();
  say('both sites stopped; reading both copies');
  const stream = last.streams[0];
  return judge({
    volumes: VOLUMES.map((name, i) => ({
      name,
      bytes: VOLUME_SIZE,
      identical: [
        readFileSync(volumePath(places, 'source', name)),
        readFileSync(volumePath(places, 'destination', name)),
      ].every((bytes) => bytes.equals(model[i] ?? Buffer.alloc(0))),
    })),
    segments: stream?.segmentsSent ?? 0,
    bytesOnWire: stream?.bytesSent ?? 0,
    snapshots: [
      {
        name: SNAPSHOT,
        lsn: marker.lsn,
        identical: entry?.lsn === marker.lsn && snapshotEquals(places, marker.id, atMarker),
      },
    ],
    markers: [{ name: MARKER_PROGRAM, runs: linesOf(places.markerRuns, custom.id) }],
    lagSecondsMax: watcher.lagSecondsMax,
  });
}

function judge(result: Omit<DemoResult, 'ok'>): DemoResult {
  const ok =
    result.volumes.every((volume) => volume.identical) &&
    result.snapshots.every((snapshot) => snapshot.identical) &&
    result.markers.every((marker) => marker.runs === 1);
  return { ok, ...result };
}

/** The demo's hosts: what they write, and what the volumes must therefore hold. */
class Host {
  readonly #clients: readonly NbdClient[];
  readonly #model: readonly Buffer[];
  readonly #watcher: Watcher;
  readonly #signal: AbortSignal;
  #written = 0;

  constructor(
    clients: readonly NbdClient[],
    model: readonly Buffer[],
    watcher: Watcher,
    signal: AbortSignal,
  ) {
    this.#clients = clients;
    this.#model = model;
    this.#watcher = watcher;
    this.#signal = signal;
  }

  async writeImage(): Promise<void> {
    const image = zstdDecompressSync(readFileSync(IMAGE));
    const piece = 256 * 1024;
    for (let at = 0; at < image.length; at += piece) await this.#write(0, at, image.subarray(at, at + piece));
    await this.#clients[0]?.flush();
  }

  async overwrite(count: number, say: (line: string) => void): Promise<void> {
    const { random } = nodePlatform;
    for (let i = 0; i < count; i += 1) {
      const volume = Math.floor(random.fraction() * VOLUMES.length);
      const length = 512 * (1 + Math.floor((random.fraction() ** 3 * OVERWRITE_MAX) / 512));
      const offset = 512 * Math.floor((random.fraction() * (VOLUME_SIZE - length)) / 512);
      await this.#write(volume, offset, random.bytes(length));
      this.#written += 1;
      if (this.#written % FLUSH_EVERY === 0) await this.#clients[volume]?.flush();
      if (this.#written % 250 === 0) say(await this.#watcher.line(this.#written));
    }
    for (const client of this.#clients) await client.flush();
  }

  async #write(volume: number, offset: number, data: Buffer): Promise<void> {
    throwIfStopped(this.#signal);
    await this.#clients[volume]?.write(offset, data);
    data.copy(this.#model[volume] ?? Buffer.alloc(0), offset);
  }
}

class Watcher {
  readonly #source: Daemon;
  lagSecondsMax = 0;

  constructor(source: Daemon) {
    this.#source = source;
  }

  async line(written: number): Promise<string> {
    const status = await this.#look();
    const [stream] = status.streams;
    return (
      `${written} overwrites; at LSN ${status.lsn}, destination at ${stream?.applied ?? 0}, ` +
      `lag ${(stream?.lagSeconds ?? 0).toFixed(1)} s, ${stream?.segmentsSent ?? 0} segments sent`
    );
  }

  async until(
    what: string,
    done: (status: SourceStatus) => boolean,
    signal: AbortSignal,
  ): Promise<SourceStatus> {
    const limit = Date.now() + PATIENCE;
    for (;;) {
      throwIfStopped(signal);
      const status = await this.#look();
      if (done(status)) return status;
      if (Date.now() > limit) {
        throw new OperatorError(
          'DEMO_TIMEOUT',
          `${what} took over ${PATIENCE / 1000} s: ${JSON.stringify(status)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #look(): Promise<SourceStatus> {
    const { groups } = await this.#source.control.status();
    const group = groups.find((candidate) => candidate.role === 'source');
    if (group?.role !== 'source') throw new OperatorError('DEMO_FAILED', 'the source group is gone');
    this.lagSecondsMax = Math.max(this.lagSecondsMax, group.streams[0]?.lagSeconds ?? 0);
    return group;
  }
}

function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new OperatorError('DEMO_STOPPED', 'the demo was stopped');
}

function snapshotEquals(places: DemoPlaces, id: string, expected: readonly Buffer[]): boolean {
  const volumes = VOLUMES.map((name) => ({
    name,
    path: volumePath(places, 'destination', name),
    size: VOLUME_SIZE,
  }));
  const store = openSnapshotStore(nodePlatform.files, siteLog, { folder: snapshotFolder(places), volumes });
  try {
    return VOLUMES.every((name, i) => {
      const reader = store.open(id, name);
      const content = Buffer.alloc(reader.size);
      reader.read(0, content);
      reader.close();
      return content.equals(expected[i] ?? Buffer.alloc(0));
    });
  } finally {
    store.close();
  }
}

function linesOf(path: string, id: string): number {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line === id).length;
  } catch {
    return 0;
  }
}
