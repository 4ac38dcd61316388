/**
 * One run of two real daemons, each with its buffer and volumes on a recorded device, and everything that is needed to say
 * what must be on either device at any point of it.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseSealedName } from '../../../src/journal/names.ts';
import { pause, SitePair, type Site } from '../../support/site-pair.ts';
import { decodeDestinationStatus } from '../../support/destination-status.ts';
import { RegionHost } from '../region-host.ts';
import type { Moments } from '../write-history.ts';
import { Archive } from './archive.ts';
import type { LogEntry } from './device-log.ts';
import { RecordingDevice, type FileSystem } from './recording-device.ts';

const MIB = 1024 * 1024;
export const VOLUMES = { a: 4 * MIB, b: 4 * MIB } as const;
export const KEY = Buffer.from('11'.repeat(32), 'hex');
/** Bytes and milliseconds: small, so that much is sealed, destaged and used again in a short run. */
export const SEGMENT = { size: MIB, age: 200 } as const;
const HOST_LENGTH = 2 * MIB;
const MARKERS = 3;
/**
 * Of the custom marker: one line a run, beside itself, which is on no device that is recorded. Then it goes on for a while,
 * in which the power may fail.
 */
const PROGRAM = `#!/bin/sh
echo "$BLOCKFERRY_MARKER_ID $BLOCKFERRY_ATTEMPT $BLOCKFERRY_LSN" >> "$0.runs"
sleep 0.5
`;

export interface RecordingRun {
  readonly logs: Readonly<Record<Site, readonly LogEntry[]>>;
  readonly hosts: readonly { readonly host: RegionHost; readonly moments: Moments }[];
  readonly archive: Archive;
  readonly markers: readonly { readonly id: string; readonly lsn: number }[];
}

export interface RecordingRunOptions {
  /** Empty; the caller removes it. */
  readonly folder: string;
  readonly fileSystems: Readonly<Record<Site, FileSystem>>;
  readonly seed: string;
  /** Of load, milliseconds. */
  readonly time: number;
}

export async function recordRun(options: RecordingRunOptions): Promise<RecordingRun> {
  const { folder, fileSystems } = options;
  const devices = new Map<Site, RecordingDevice>();
  const buffer = (site: Site): string => join(folder, site, 'buffer');
  let run: Run | undefined;
  try {
    for (const site of ['source', 'destination'] as const) {
      const device = await RecordingDevice.start(
        join(folder, `${site}-device`),
        fileSystems[site],
        buffer(site),
      );
      devices.set(site, device);
      mkdirSync(join(buffer(site), 'volumes'));
    }
    run = new Run(options, devices);
    const facts = await run.play();
    const logs = {
      source: (await devices.get('source')?.end()) ?? [],
      destination: (await devices.get('destination')?.end()) ?? [],
    };
    return { ...facts, logs };
  } finally {
    await run?.pair.stopAll();
    for (const device of devices.values()) await device.end();
  }
}

class Run {
  readonly pair: SitePair;
  readonly #options: RecordingRunOptions;
  readonly #devices: ReadonlyMap<Site, RecordingDevice>;
  /** What is between the sites: everything sent stays here, and is carried on by hand. */
  readonly #depot: string;
  readonly #hosts: RecordingRun['hosts'];
  readonly #carried = new Set<string>();
  readonly #program: string;
  #runs = 0;
  #statusTime = 0;

  constructor(options: RecordingRunOptions, devices: ReadonlyMap<Site, RecordingDevice>) {
    const { folder, seed } = options;
    this.#options = options;
    this.#devices = devices;
    this.#depot = join(folder, 'depot');
    mkdirSync(join(this.#depot, 'inbox'), { recursive: true });
    mkdirSync(join(this.#depot, 'status'));
    this.#program = join(folder, 'program');
    writeFileSync(this.#program, PROGRAM, { mode: 0o755 });
    this.pair = new SitePair({
      folder,
      volumes: VOLUMES,
      segment: `{ size: ${SEGMENT.size}, age: ${SEGMENT.age} ms }`,
      sourceVolumes: join(folder, 'source/buffer/volumes'),
      destinationVolumes: join(folder, 'destination/buffer/volumes'),
      destinationExtra: `    markers:\n      note: { run: [${this.#program}], time-limit: 60 s }`,
      transport: `        folder: ${this.#depot}`,
    });
    this.#hosts = [0, 1, 2, 3].map((i) => {
      const place = { volume: i % 2 === 0 ? 'a' : 'b', start: Math.floor(i / 2) * HOST_LENGTH };
      const onFlushed = (): void => {
        const writes = this.#hosts[i]?.moments.entries.length ?? 0;
        void this.#devices.get('source')?.note({ kind: 'flushed', host: i, writes });
      };
      const { socket } = this.pair;
      const host = new RegionHost({
        ...{ number: i + 1, socket, ...place, length: HOST_LENGTH, seed, paceMax: 8 },
        onFlushed,
      });
      return { host, moments: host.history.mark().moments };
    });
  }

  async play(): Promise<Omit<RecordingRun, 'logs'>> {
    const carrying = { on: true };
    await this.pair.start('destination');
    await this.pair.start('source');
    const carrier = this.#carry(carrying);
    try {
      return await this.#underLoad();
    } finally {
      for (const { host } of this.#hosts) host.abandon();
      carrying.on = false;
      await carrier;
    }
  }

  async #underLoad(): Promise<Omit<RecordingRun, 'logs'>> {
    await this.pair.inStep();
    for (const device of this.#devices.values()) await device.note({ kind: 'ready' });
    for (const { host } of this.#hosts) host.start();
    const markers: { id: string; lsn: number }[] = [];
    for (let i = 0; i < MARKERS; i += 1) {
      await pause(this.#options.time / MARKERS);
      markers.push(await this.pair.marker('snapshot', `m${i}`));
      if (i === 0) await this.#killBoth();
      else await this.pair.marker('custom', 'note');
    }
    await Promise.all(this.#hosts.map(({ host }) => host.stop()));
    await this.pair.inStep();
    for (const site of ['source', 'destination'] as const) await this.pair.stop(site);
    const wrong = this.#hosts.flatMap(({ host }) => host.wrong);
    if (wrong.length > 0) throw new Error(wrong.join('; '));
    const archive = new Archive(join(this.#depot, 'inbox'), KEY, Object.values(VOLUMES));
    return { hosts: this.#hosts, archive, markers };
  }

  /** What a killed process leaves to the operating system is not durable for its successor, who goes on from it. */
  async #killBoth(): Promise<void> {
    for (const site of ['source', 'destination'] as const) {
      await this.pair.stop(site, 'SIGKILL');
      await this.pair.start(site);
    }
  }

  async #carry(carrying: { readonly on: boolean }): Promise<void> {
    while (carrying.on) {
      await this.#carrySegments();
      await this.#carryStatus();
      await this.#noteRuns();
      await pause(20);
    }
  }

  /** What arrives is not synced: that is the destination's business. */
  async #carrySegments(): Promise<void> {
    const from = join(this.#depot, 'inbox');
    const to = join(this.pair.groupFolder('destination'), 'inbox');
    for (const name of readdirSync(from).sort()) {
      const range = parseSealedName(name);
      if (range === undefined || this.#carried.has(name)) continue;
      await this.#devices.get('source')?.note({ kind: 'shipped', lsn: range.last });
      copyFileSync(join(from, name), join(to, `${name}.part`));
      renameSync(join(to, `${name}.part`), join(to, name));
      this.#carried.add(name);
    }
  }

  async #carryStatus(): Promise<void> {
    const path = join(this.pair.groupFolder('destination'), 'status/destination.json');
    const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? this.#statusTime;
    if (modified === this.#statusTime) return;
    this.#statusTime = modified;
    const bytes = readFileSync(path);
    const { received } = decodeDestinationStatus(bytes, KEY, 'g');
    await this.#devices.get('destination')?.note({ kind: 'told', lsn: received });
    await this.#devices.get('source')?.note({ kind: 'heard', lsn: received });
    const target = join(this.#depot, 'status/destination.json');
    writeFileSync(`${target}.new`, bytes);
    renameSync(`${target}.new`, target);
  }

  async #noteRuns(): Promise<void> {
    const file = `${this.#program}.runs`;
    if (!existsSync(file)) return;
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    for (const line of lines.slice(this.#runs)) {
      const [id = '', attempt, lsn] = line.split(' ');
      const run = { kind: 'ran' as const, id, attempt: Number(attempt), lsn: Number(lsn) };
      await this.#devices.get('destination')?.note(run);
    }
    this.#runs = lines.length;
  }
}
