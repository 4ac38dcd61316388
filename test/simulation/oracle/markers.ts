/** I9: markers in order, at the exact record, snapshots once, programs at least once and told which attempt it is. */
import type { RunningGroup } from '../../../src/daemon/running-group.ts';
import type { SnapshotStore, SnapshotVolume } from '../../../src/recovery/snapshot-store.ts';
import type { MarkerRun, ProgramWatcher } from '../pair/marker-programs.ts';
import { PROGRAM_NAMES } from '../scenario.ts';
import { contentOf } from './content-of.ts';
import { firstDifference, Kind } from './model.ts';
import type { Oracle } from './oracle.ts';
import { Violation } from './violation.ts';

/** Of the snapshots that a destination takes by itself. */
const BEFORE_COPY = 'before-copy';

interface MarkerRecord {
  readonly id: string;
  readonly kind: 'snapshot' | 'custom';
  readonly name: string;
}

export class Markers implements ProgramWatcher {
  readonly #oracle: Oracle;
  readonly #placed: { readonly id: string; readonly lsn: number }[] = [];
  readonly #attempts = new Map<string, number>();
  readonly #running = new Set<MarkerRun>();
  #lastRun = 0;
  runs = 0;
  snapshots = 0;

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
  }

  get running(): boolean {
    return this.#running.size > 0;
  }

  /** By an operator; where it cannot be placed now, nothing is. */
  place(group: RunningGroup | undefined, kind: 'snapshot' | 'custom', name: string): void {
    group?.placeMarker({ kind, name }).then(
      ({ id, lsn }) => {
        this.#placed.push({ id, lsn });
        this.#oracle.promised(lsn);
      },
      () => undefined,
    );
  }

  began(run: MarkerRun): void {
    this.runs += 1;
    this.#running.add(run);
    const { replica } = this.#oracle;
    const { state } = replica;
    if (!this.#isAt(run.lsn, run.id))
      this.#fail(
        'I9-marker',
        `program of marker ${run.id} runs at LSN ${run.lsn}, where there is no such marker`,
      );
    // A program that is not waited for begins before anything behind its marker is applied, and may have to again later.
    if (run.name === 'backup' || run.attempt === 1) {
      if (state.applied === run.lsn) replica.is('I9-exact', run.lsn);
      else
        this.#fail(
          'I9-exact',
          `program of the marker at ${run.lsn} runs when the destination is at ${state.applied}`,
        );
      if (run.lsn < this.#lastRun)
        this.#fail('I9-order', `marker ${run.lsn} fires after marker ${this.#lastRun}`);
      this.#lastRun = run.lsn;
    }
    const before = this.#attempts.get(run.id) ?? 0;
    if (run.attempt <= before)
      this.#fail('I9-attempt', `marker ${run.id}: attempt ${run.attempt} after attempt ${before}`);
    this.#attempts.set(run.id, run.attempt);
  }

  /** While a program runs that is waited for, the volumes stand still. */
  ended(run: MarkerRun): void {
    this.#running.delete(run);
    if (
      run.name === 'backup' &&
      this.#attempts.get(run.id) === run.attempt &&
      this.#oracle.replica.state.applied !== run.lsn
    ) {
      this.#fail(
        'I9-still',
        `the volumes went on to ${this.#oracle.replica.state.applied} while the marker at ${run.lsn} ran`,
      );
    }
  }

  /** When the pair is in step. */
  check(store: SnapshotStore, volumes: readonly SnapshotVolume[]): void {
    const { model } = this.#oracle;
    const kept = store.list();
    this.snapshots = kept.length;
    for (const { id, lsn } of this.#placed) {
      if (!this.#isAt(lsn, id)) this.#fail('I9-lost', `marker ${id} was placed at ${lsn} and is not there`);
      // Whoever placed it was told that it fires.
      if (this.#markerAt(lsn)?.id === id && this.#oracle.gaps.has(lsn))
        this.#fail('I9-lost', `marker ${id} was placed at ${lsn}, which was never shipped`);
    }
    const promised = new Set(this.#placed.map(({ lsn }) => lsn));
    let copying = true;
    for (let lsn = 1; lsn <= model.last; lsn += 1) {
      const kind = model.record(lsn)?.kind;
      if (kind === Kind.initBegin || kind === Kind.initEnd) copying = kind === Kind.initBegin;
      // Of one that came too late, into a copy or what is only marked, nobody was told that it fires.
      const exempt = !promised.has(lsn) && (copying || this.#oracle.gaps.has(lsn));
      const marker = exempt ? undefined : this.#markerAt(lsn);
      if (marker?.kind === 'snapshot' && kept.filter(({ id }) => id === marker.id).length !== 1)
        this.#fail('I9-snapshot', `marker ${marker.name} at ${lsn} has no snapshot, or more than one`);
      const program = PROGRAM_NAMES.find((name) => name === marker?.name);
      if (marker?.kind === 'custom' && program !== undefined && !this.#attempts.has(marker.id))
        this.#fail('I9-program', `the program of marker ${marker.name} at ${lsn} was never started`);
    }
    const cursor = model.cursor();
    for (const snapshot of kept) {
      const wanted = cursor.at(model.asOf(snapshot.lsn));
      for (const [index, content] of contentOf(store, snapshot.id, volumes).entries()) {
        if (content.equals(wanted[index]!)) continue;
        const at = firstDifference(content, wanted[index]!);
        this.#fail(
          'I7-snapshot',
          `snapshot ${snapshot.name} at ${snapshot.lsn}: volume ${index} is wrong at byte ${at}`,
        );
      }
    }
    this.#checkBeforeCopies(store, volumes);
  }

  /** I10: a replica that a full copy went over is kept as it was. */
  #checkBeforeCopies(store: SnapshotStore, volumes: readonly SnapshotVolume[]): void {
    const kept = store
      .list()
      .filter(({ name }) => name.startsWith(BEFORE_COPY))
      .map(({ id, lsn }) => ({ lsn, contents: contentOf(store, id, volumes) }));
    const { model } = this.#oracle;
    const cursor = model.cursor();
    for (const from of [...this.#oracle.replica.overwritten].sort((a, b) => a - b)) {
      // The checkpoint may be some records behind what the volumes held.
      const end = Math.max(from, ...kept.map(({ lsn }) => lsn));
      let found = false;
      for (let lsn = from; lsn <= end && !found; lsn += 1) {
        const wanted = cursor.at(model.asOf(lsn));
        found = kept.some(({ contents }) =>
          contents.every((content, index) => content.equals(wanted[index]!)),
        );
      }
      if (!found)
        this.#fail('I10-kept', `a full copy went over the replica at ${from}; no snapshot holds what it was`);
    }
  }

  #markerAt(lsn: number, model = this.#oracle.model): MarkerRecord | undefined {
    const record = model.record(lsn);
    return record?.kind === Kind.marker
      ? (JSON.parse(record.payload.toString('utf8')) as MarkerRecord)
      : undefined;
  }

  /** Whether it is there in the source's history, or was before the source was set back. */
  #isAt(lsn: number, id: string): boolean {
    const { model, before } = this.#oracle;
    return [model, before].some((history) => history && this.#markerAt(lsn, history)?.id === id);
  }

  #fail(code: string, text: string): void {
    this.#oracle.fail(new Violation(code, text));
  }
}
