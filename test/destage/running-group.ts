/** A destination group that runs, both halves in this thread, on a clock whose intervals go by faster. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DestinationGroup } from '../../src/destage/destination-group.ts';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import type { BackCalls } from '../../src/destage/group-options.ts';
import type { MarkerProgram } from '../../src/destage/marker-runner.ts';
import { encodeStatus } from '../../src/journal/status-codec.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';
import type { Processes } from '../../src/platform/processes.ts';
import { decodeDestinationStatus } from '../support/destination-status.ts';
import { KEY, quiet, type Site } from './stream.ts';

const SPEED = 20;

const fastClock: Clock = {
  now: () => nodeClock.now(),
  monotonic: () => nodeClock.monotonic() * SPEED,
  after: (delay, then) => nodeClock.after(delay / SPEED, then),
};

export interface Running {
  readonly group: DestinationGroup;
  readonly back: DestinationBack;
  readonly status: () => DestinationStatus;
  /** Whether it stands still for this reason. */
  readonly waitsFor: (code: string) => boolean;
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly markers?: readonly MarkerProgram[];
  readonly quota?: () => number;
  readonly processes?: Processes;
  /** Takes every status written. */
  readonly written?: DestinationStatus[];
  /** Stands between the two halves. */
  readonly between?: (back: BackCalls) => BackCalls;
  /** Of both halves. */
  readonly files?: Files;
  /** One whose intervals go by faster, unless given. */
  readonly clock?: Clock;
}

export async function runGroup(site: Site, options: RunOptions = {}): Promise<Running> {
  const files = options.files ?? nodeFiles;
  const clock = options.clock ?? fastClock;
  const back = site.start(files, KEY, clock);
  const platform = {
    ...nodePlatform,
    files,
    clock,
    ...(options.processes && { processes: options.processes }),
  };
  const group = new DestinationGroup(platform, quiet, options.between?.(back) ?? back, await back.facts(), {
    name: 'g',
    folder: site.folder,
    quota: options.quota ?? (() => 2 ** 30),
    paths: site.paths,
    markers: options.markers ?? [],
    resync: undefined,
    onHandover: () => undefined,
    encodeStatus(status) {
      options.written?.push(status);
      return encodeStatus(status, undefined, 'g', nodePlatform.random);
    },
    watch: () => () => undefined,
  });
  group.start();
  const path = join(site.folder, 'status', 'destination.json');
  await until('a status file', () => existsSync(path));
  return {
    group,
    back,
    status: () => decodeDestinationStatus(readFileSync(path), undefined, 'g'),
    waitsFor: (code) => group.report().waits.some((wait) => wait.code === code),
    async stop() {
      await group.stop();
      await back.close();
    },
  };
}

export async function until(what: string, done: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !done();) {
    assert.ok(Date.now() < end, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
