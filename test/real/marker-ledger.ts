/** The markers that a run places, the moments each may show, and whether the destination made of them what it must (I9). */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import type { SitePair } from '../support/site-pair.ts';
import type { RegionHost } from './region-host.ts';
import type { Moments } from './write-history.ts';

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

interface PlacedMarker {
  readonly kind: 'snapshot' | 'custom';
  readonly name: string;
  /** Undefined when the source died before it answered: the marker may be there or not. */
  readonly placed: { readonly id: string; readonly lsn: number } | undefined;
  /** By host. */
  readonly moments: readonly Moments[];
}

/** One run of the custom marker's program. */
interface ProgramRun {
  readonly id: string;
  readonly attempt: number;
  readonly lsn: number;
  readonly folder: string;
}

/**
 * Keeps the volumes as it finds them, and says so when that is done: one line a run. A run that outlives its killed daemon
 * has a folder of its own.
 */
const PROGRAM = `#!/bin/sh
set -eu
copy="$1/$BLOCKFERRY_MARKER_ID.$BLOCKFERRY_ATTEMPT"
mkdir "$copy"
for name in $BLOCKFERRY_VOLUMES; do
  eval "path=\\$BLOCKFERRY_VOLUME_$(echo "$name" | tr a-z A-Z)"
  cp --sparse=always "$path" "$copy/$name"
done
echo "$BLOCKFERRY_MARKER_ID $BLOCKFERRY_ATTEMPT $BLOCKFERRY_LSN" >> "$1/runs"
`;

export class MarkerLedger {
  readonly #folder: string;
  readonly #markers: PlacedMarker[] = [];

  /** `folder`: empty, for what the program leaves. */
  constructor(folder: string) {
    this.#folder = folder;
    writeFileSync(join(folder, 'program'), PROGRAM, { mode: 0o755 });
  }

  /** The configuration lines of a custom marker `copy`. */
  get configuration(): string {
    return `    markers:\n      copy: { run: [${join(this.#folder, 'program')}, ${this.#folder}], time-limit: 60 s }`;
  }

  get placed(): number {
    return this.#markers.filter(({ placed }) => placed !== undefined).length;
  }

  /** False when the source could not take it: nothing was placed. */
  async place(pair: SitePair, hosts: readonly RegionHost[], kind: 'snapshot' | 'custom'): Promise<boolean> {
    const marks = hosts.map(({ history }) => history.mark());
    const moments = marks.map((mark) => mark.moments);
    const name = kind === 'custom' ? 'copy' : `s${this.#markers.length}`;
    const end = (): void => {
      for (const mark of marks) mark.end();
    };
    try {
      const placed = await pair.marker(kind, name);
      end();
      this.#markers.push({ kind, name, placed, moments });
      return true;
    } catch (error) {
      // A frozen source may place it whenever it is thawed.
      if (!String(error).includes('no answer')) end();
      if (!refused(error)) this.#markers.push({ kind, name, placed: undefined, moments });
      return false;
    }
  }

  /** Whether the program of every custom marker that was surely placed has run. */
  allRan(): boolean {
    const ran = new Set(this.#runs().map(({ id }) => id));
    return this.#custom.every(({ placed }) => placed === undefined || ran.has(placed.id));
  }

  /** What is not as it must be, in words. Both daemons are stopped. */
  check(pair: SitePair, hosts: readonly RegionHost[]): string[] {
    return [...this.#checkSnapshots(pair, hosts), ...this.#checkRuns(hosts)];
  }

  get #custom(): PlacedMarker[] {
    return this.#markers.filter(({ kind }) => kind === 'custom');
  }

  #checkSnapshots(pair: SitePair, hosts: readonly RegionHost[]): string[] {
    const volumes = Object.entries(pair.options.volumes).map(([name, size]) => {
      return { name, path: pair.volume('destination', name), size };
    });
    const folder = join(pair.groupFolder('destination'), 'snapshots');
    const store = openSnapshotStore(nodeFiles, silent, { folder, volumes });
    const wrong: string[] = [];
    const list = store.list();
    if (list.some(({ lsn }, i) => i > 0 && lsn <= (list[i - 1]?.lsn ?? 0)))
      wrong.push('snapshots out of order');
    const read = (id: string, host: RegionHost): Buffer => {
      const reader = store.open(id, host.options.volume);
      const region = Buffer.alloc(host.options.length);
      reader.read(host.options.start, region);
      reader.close();
      return region;
    };
    for (const marker of this.#markers.filter(({ kind }) => kind === 'snapshot')) {
      const made = list.filter(({ name }) => name === marker.name);
      const [snapshot] = made;
      if (made.length > 1 || (marker.placed !== undefined && snapshot?.id !== marker.placed.id))
        wrong.push(`snapshot marker ${marker.name} was placed once, and made ${made.length} snapshots`);
      if (snapshot !== undefined)
        wrong.push(...shows(`snapshot ${marker.name}`, marker, hosts, (host) => read(snapshot.id, host)));
    }
    const names = new Set(this.#markers.map(({ name }) => name));
    for (const { name } of list) if (!names.has(name)) wrong.push(`nobody asked for snapshot ${name}`);
    store.close();
    return wrong;
  }

  #checkRuns(hosts: readonly RegionHost[]): string[] {
    const wrong: string[] = [];
    const runs = this.#runs();
    for (const [i, run] of runs.entries()) {
      const before = runs[i - 1];
      if (before !== undefined && run.lsn < before.lsn)
        wrong.push(`the program ran for LSN ${run.lsn} after it had run for ${before.lsn}`);
    }
    const sure = this.#custom.flatMap((marker) => (marker.placed === undefined ? [] : [marker]));
    const unsure = this.#custom.filter(({ placed }) => placed === undefined);
    for (const marker of sure) {
      const mine = runs.filter(({ id }) => id === marker.placed?.id);
      if (mine.length === 0) wrong.push(`the program did not run for marker ${marker.placed?.lsn ?? 0}`);
      if (new Set(mine.map(({ attempt }) => attempt)).size !== mine.length)
        wrong.push(`the program ran twice for marker ${marker.placed?.lsn ?? 0} without being told`);
      const last = mine.at(-1);
      if (last !== undefined) wrong.push(...this.#checkCopy(last, marker, hosts));
    }
    const known = new Set(sure.map(({ placed }) => placed?.id));
    const others = new Set(runs.map(({ id }) => id).filter((id) => !known.has(id)));
    if (others.size > unsure.length) wrong.push(`the program ran for ${others.size} markers nobody placed`);
    return wrong;
  }

  #checkCopy(run: ProgramRun, marker: PlacedMarker, hosts: readonly RegionHost[]): string[] {
    return shows(`what the program saw at LSN ${run.lsn}`, marker, hosts, (host) =>
      host.regionOf(readFileSync(join(run.folder, host.options.volume))),
    );
  }

  /** In the order in which they ended. */
  #runs(): ProgramRun[] {
    const file = join(this.#folder, 'runs');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => {
      const [id = '', attempt, lsn] = line.split(' ');
      const folder = join(this.#folder, `${id}.${attempt ?? ''}`);
      return { id, attempt: Number(attempt), lsn: Number(lsn), folder };
    });
  }

  /** Runs of the program that were begun, those that a kill cut short included. */
  get programStarts(): number {
    return readdirSync(this.#folder).filter((name) => name.includes('.')).length;
  }
}

/** An answer that says no, or nobody there to answer: the marker was not placed. */
function refused(error: unknown): boolean {
  const text = String(error);
  return /: [45]\d\d /.test(text) || text.includes('ECONNREFUSED') || text.includes('ENOENT');
}

/** Every host's region as at one of the moments that the marker may show. */
function shows(
  what: string,
  marker: PlacedMarker,
  hosts: readonly RegionHost[],
  regionOf: (host: RegionHost) => Buffer,
): string[] {
  return hosts.flatMap((host, i) => {
    const moments = marker.moments[i];
    const moment = moments === undefined ? undefined : host.history.momentOf(regionOf(host), moments);
    return moment === undefined
      ? [`${what}: the region of host ${host.options.number} is not as it was when it was placed`]
      : [];
  });
}
