/**
 * Power loss on real file systems: a run of both daemons is recorded at the block device, the devices are put back to
 * arbitrary points of it, mounted, and recovered. Nothing flushed is lost (I1, I6), neither side is ahead of the other's
 * durable state (I2, I5), and the destination shows one moment of the source (I3, I7, I9).
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../../support/random.ts';
import type { Site } from '../../support/site-pair.ts';
import { checkDestination } from './check-destination.ts';
import { checkSource } from './check-source.ts';
import { choosePoints, Medium, notesBefore, type Kept } from './device-log.ts';
import { recordRun, type RecordingRun } from './record.ts';
import { DEVICE_SIZE, run as command, type FileSystem } from './recording-device.ts';

/** Of the points: those at which a destination is led on to the end. */
const ONWARD_EVERY = 4;

export interface PowerLossOptions {
  /** Empty; the caller removes it. */
  readonly folder: string;
  readonly seed: string;
  readonly fileSystems: Readonly<Record<Site, FileSystem>>;
  /** On each side. */
  readonly points: number;
  /** Of load, milliseconds. */
  readonly time: number;
  readonly say: (line: string) => void;
}

export interface PowerLossReport {
  readonly ok: boolean;
  readonly seed: string;
  readonly fileSystems: Readonly<Record<Site, FileSystem>>;
  /** Power failures that were checked, of both sides. */
  readonly points: number;
  /** Entries of both devices' logs. */
  readonly entries: number;
  readonly writes: number;
  readonly seconds: number;
  readonly wrong: readonly string[];
}

export async function runPowerLoss(options: PowerLossOptions): Promise<PowerLossReport> {
  const begun = performance.now();
  const run = await recordRun(options);
  const writes = run.hosts.reduce((sum, { host }) => sum + host.history.writes, 0);
  const entries = run.logs.source.length + run.logs.destination.length;
  options.say(`recorded: ${writes} writes of hosts, ${entries} entries of the devices' logs`);
  const wrong: string[] = [];
  let points = 0;
  const replay = new Replay(options.folder);
  try {
    for (const site of ['source', 'destination'] as const) {
      points += await failEverywhere(site, run, options, replay, wrong);
    }
  } finally {
    replay.end();
  }
  const seconds = Math.round((performance.now() - begun) / 1000);
  const { seed, fileSystems } = options;
  return { ok: wrong.length === 0, seed, fileSystems, points, entries, writes, seconds, wrong };
}

/** Returns the points that were checked; stops at the first that is wrong. */
async function failEverywhere(
  site: Site,
  run: RecordingRun,
  options: PowerLossOptions,
  replay: Replay,
  wrong: string[],
): Promise<number> {
  const random = seededRandom(`${options.seed} ${site}`);
  const log = run.logs[site];
  const medium = new Medium(log, DEVICE_SIZE);
  const points = choosePoints(log, options.points, random);
  for (const [i, point] of points.entries()) {
    const kept: Kept = random.fraction() < 0.3 ? 'all' : 'some';
    medium.at(point, kept, random, (content, pages) => replay.write(content, pages));
    const notes = notesBefore(log, point);
    const found = await replay.mounted(join(options.folder, site, 'buffer'), (buffer) =>
      site === 'source'
        ? checkSource(buffer, run, notes)
        : checkDestination(buffer, run, notes, i % ONWARD_EVERY === 0),
    );
    const where = `${site} on ${options.fileSystems[site]}, entry ${point} of ${log.length}, ${kept} kept`;
    wrong.push(...found.map((what) => `${where}: ${what}`));
    if (found.length > 0) return i + 1;
    if ((i + 1) % 50 === 0) options.say(`${site}: ${i + 1} of ${points.length} power failures`);
  }
  return points.length;
}

/** An image in memory that is written, mounted and thrown away again. */
class Replay {
  readonly #memory: string;
  readonly #image: string;

  constructor(folder: string) {
    this.#memory = join(folder, 'replay');
    this.#image = join(this.#memory, 'image');
    mkdirSync(this.#memory);
    command('mount', '-t', 'tmpfs', '-o', `size=${2 * DEVICE_SIZE}`, 'blockferry-test', this.#memory);
  }

  write(content: Buffer, pages: Iterable<number>): void {
    rmSync(this.#image, { force: true });
    const file = openSync(this.#image, 'wx');
    ftruncateSync(file, content.length);
    for (const page of pages) {
      const at = page * Medium.page;
      writeSync(file, content.subarray(at, at + Medium.page), 0, undefined, at);
    }
    closeSync(file);
  }

  /** Where it was mounted before: a path may be part of what was written. An error is something wrong too. */
  async mounted(mountPoint: string, check: (buffer: string) => Promise<string[]>): Promise<string[]> {
    try {
      command('mount', '-o', 'loop', this.#image, mountPoint);
    } catch (error) {
      return [`the file system cannot be mounted: ${String(error)}`];
    }
    try {
      return await check(mountPoint);
    } catch (error) {
      return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    } finally {
      command('umount', mountPoint);
    }
  }

  end(): void {
    command('umount', this.#memory);
  }
}
