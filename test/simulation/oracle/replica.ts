/** One destination: what its volumes hold at each of its checkpoints, what it confirms and what it would have after a power failure. */
import type { DestinationStatus } from '../../../src/journal/status.ts';
import type { Machine } from '../platform/machine.ts';
import { Held, type StateFile } from './held.ts';
import { isOnlyDoneAgain } from './done-again.ts';
import { type Cursor, firstDifference, FROM_VOLUME, Kind, type Model, type ModelRecord } from './model.ts';
import { isSecondCopy, newestCopy } from './two-copies.ts';
import { Violation } from './violation.ts';

export interface ReplicaOptions {
  readonly machine: Machine;
  /** The group's folder, and in the volumes' order their paths. */
  readonly folder: string;
  readonly volumes: readonly string[];
  readonly decodeStatus: (bytes: Buffer) => DestinationStatus;
  readonly onStatus: (bytes: Buffer) => void;
  /** What the source's history is, and where it was set back, what it was before: the replica follows one of them. */
  readonly histories: () => readonly Model[];
  /** Something rotted that perhaps nobody has any more. */
  readonly isRotten: () => boolean;
  readonly isNeverShipped: (lsn: number) => boolean;
  readonly fail: (violation: Violation) => void;
}

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #cursors = new Map<Model, Cursor>();
  readonly held: Held;
  readonly #overwritten = new Set<number>();
  /** Of several histories the one that it was seen to follow. */
  #follows: Model | undefined;
  state: StateFile = { applied: 0, consistent: false };
  /** Its newest checkpoint was written and said to have failed: it may go on from the one before. */
  #isDoubted = false;
  /** How often a volume could not be read: what cannot be compared counts as differing, and is sent again. */
  #unread = 0;
  /** The highest of its checkpoints. */
  #reached = 0;
  /** The highest LSN that it ever said it has received. */
  acknowledged = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { machine, folder } = options;
    this.held = new Held(machine.disk, folder);
    machine.watcher = {
      wrote: (path, position, bytes) => {
        if (
          path.endsWith('/destination-state.json') &&
          isSecondCopy(machine.disk.find(path)!.content(), position)
        )
          this.#stateMoved(newestCopy(Buffer.from(bytes)) as StateFile);
      },
      failedToSync: (path) => {
        if (path.endsWith('/destination-state.json')) this.#isDoubted = true;
      },
      failedToRead: (path) => {
        if (options.volumes.includes(path)) this.#unread += 1;
      },
      renamed: (from, to) => this.#renamed(from, to),
    };
  }

  /** LSNs at which a consistent replica began to be copied over. */
  get overwritten(): ReadonlySet<number> {
    return this.#overwritten;
  }

  /** Everything of this history is in the volumes, and nothing is left to be run. */
  isSettledAt(model: Model): boolean {
    const { applied, consistent, pending, background } = this.state;
    return (
      this.#hasAll(model, applied) && consistent && pending === undefined && (background ?? []).length === 0
    );
  }

  /** Up to a point, nothing is left that hosts wrote since. */
  #hasAll(model: Model, applied: number): boolean {
    const point = model.asOf(applied);
    if (point === applied) return applied === model.last;
    const isHosts = ({ kind, flags }: ModelRecord): boolean =>
      (kind === Kind.write || kind === Kind.zero) && (flags & FROM_VOLUME) === 0;
    return !model.records(point + 1, model.last).some(isHosts) && !this.#isToFire(model, applied);
  }

  /** Whether a marker is on its way that is in no copy, and not in what is never shipped. */
  #isToFire(model: Model, applied: number): boolean {
    let copying = false;
    return model.records(applied + 1, model.last).some(({ kind, lsn }) => {
      if (kind === Kind.initBegin || kind === Kind.initEnd) copying = kind === Kind.initBegin;
      return kind === Kind.marker && !copying && !this.#options.isNeverShipped(lsn);
    });
  }

  get standing(): string {
    const { applied, consistent } = this.state;
    return `${this.#options.machine.name} is at ${applied}${consistent ? '' : ', not consistent'}`;
  }

  /** The power failed there: what was renamed and not synced may be what it was before. */
  lost(): void {
    this.held.lost();
    this.state = this.held.state() ?? { applied: 0, consistent: false };
  }

  /** Compares its volumes with what the group was at `lsn`, in one history from first to last (I3, I4). */
  is(code: string, lsn: number): void {
    const { histories, fail } = this.#options;
    const there = histories().filter(({ last }) => lsn <= last);
    if (there.length === 0) {
      const last = Math.max(...histories().map((model) => model.last));
      fail(new Violation(code, `the destination is at ${lsn}; the source's journal ends at ${last}`));
      return;
    }
    const found = there.map((model) => ({ model, why: this.#difference(model, lsn) }));
    const fitting = found.filter(({ why }) => why === undefined);
    if (fitting.length === 0) fail(new Violation(code, `${found[0]!.why!}, at LSN ${lsn}`));
    else if (this.#follows !== undefined && fitting.every(({ model }) => model !== this.#follows))
      fail(new Violation('I4-mixed', `the destination follows another history at ${lsn} than before`));
    else if (histories().length > 1 && fitting.length === 1) this.#follows = fitting[0]!.model;
  }

  /** Whether its volumes, which are consistent, are what this history says. */
  isOf(model: Model): boolean {
    const { applied } = this.state;
    return applied <= model.last && this.#difference(model, applied) === undefined;
  }

  /** Where it stands still, it is at one LSN, not before its checkpoint. */
  stands(): void {
    const { consistent, applied } = this.state;
    if (!consistent) return;
    for (const model of this.#options.histories()) {
      for (let lsn = applied; lsn <= Math.min(this.#reached, model.last); lsn += 1)
        if (this.#difference(model, lsn) === undefined) return;
    }
    this.is('final', applied);
  }

  #difference(model: Model, lsn: number): string | undefined {
    return differenceOf(this.#contents(), this.#at(model, lsn));
  }

  #contents(): Buffer[] {
    const { machine, volumes } = this.#options;
    return volumes.map((path) => machine.disk.find(path)?.content() ?? Buffer.alloc(0));
  }

  #at(model: Model, lsn: number): readonly Buffer[] {
    const cursor = this.#cursors.get(model) ?? model.cursor();
    this.#cursors.set(model, cursor);
    return cursor.at(model.asOf(lsn));
  }

  /**
   * At a checkpoint that is no recovery point: where an attempt to go on failed half way, what it was to write may be there
   * in part, and is written again.
   */
  #isAtLeast(lsn: number): void {
    const { histories } = this.#options;
    const fits = (model: Model): boolean => {
      const wanted = this.#at(model, lsn);
      const contents = this.#contents();
      if (differenceOf(contents, wanted) === undefined) return true;
      for (const { kind, volume, offset, length } of model.records(lsn + 1, model.last)) {
        if ((kind === Kind.write || kind === Kind.zero) && offset < wanted[volume]!.length)
          wanted[volume]!.copy(contents[volume]!, offset, offset, offset + length);
      }
      return differenceOf(contents, wanted) === undefined;
    };
    if (!histories().some((model) => lsn <= model.last && fits(model))) this.is('I3-checkpoint', lsn);
  }

  #renamed(from: string, to: string): void {
    const { machine, folder, onStatus, decodeStatus, fail } = this.#options;
    if (from.startsWith(`${folder}/journal/`)) this.held.lost();
    if (to.startsWith(`${folder}/journal/`) && to.endsWith('.seg')) this.held.took(to);
    if (to.endsWith('/destination-state.json'))
      this.#stateMoved(newestCopy(machine.disk.find(to)!.content()) as StateFile);
    if (!to.endsWith('/status/destination.json')) return;
    const bytes = machine.disk.find(to)!.content();
    onStatus(bytes);
    const { received } = decodeStatus(bytes);
    const held = this.held.last();
    if (received > held) {
      const text = `${received} records are acknowledged as received; a power failure now would leave ${held}`;
      fail(new Violation('I5-acknowledged', text));
    }
    this.acknowledged = Math.max(this.acknowledged, received);
  }

  #stateMoved(state: StateFile): void {
    const { applied, consistent } = this.state;
    const isDoubted = this.#isDoubted;
    this.#isDoubted = false;
    this.state = state;
    this.#reached = Math.max(this.#reached, state.applied);
    if ((state.verification?.found ?? 0) > this.#unread && !this.#options.isRotten())
      this.#options.fail(
        new Violation('I3-false-alarm', 'a replica is called different whose disk is sound'),
      );
    const isTakenBack = isDoubted && state.applied < applied;
    if (consistent && !state.consistent && !isTakenBack) this.#overwritten.add(applied);
    if (state.applied === applied) return;
    if (state.applied < applied) {
      if (isDoubted || this.#options.isRotten()) return;
      const text = `the destination's checkpoint goes back from ${applied} to ${state.applied}`;
      this.#options.fail(new Violation('I3-back', text));
      return;
    }
    this.#volumesDurable(applied, state.applied);
    if (state.consistent) this.#isAtLeast(state.applied);
  }

  #volumesDurable(before: number, applied: number): void {
    const { machine, volumes, histories, isRotten, fail } = this.#options;
    const records = histories().flatMap((model) => model.records(before + 1, applied));
    const data = records.filter(({ kind }) => kind === Kind.write || kind === Kind.zero);
    for (const index of new Set(data.map(({ volume }) => volume))) {
      const path = volumes[index]!;
      const inode = machine.disk.findDurable(path);
      // What a sync gave up may lie behind the checkpoint, in a segment that rotted since.
      const isDurable = inode?.isSynced === true || (isRotten() && inode?.hasLost === true);
      if (isDurable && machine.disk.find(path) === inode) continue;
      const later = histories().flatMap((model) => model.records(applied + 1, Infinity));
      if (isOnlyDoneAgain(machine.disk, path, { index, records: data, later })) continue;
      fail(
        new Violation(
          'I6-checkpoint',
          `the checkpoint of ${machine.name} is at ${applied}; ${path} is not durable`,
        ),
      );
    }
  }
}

/** Where contents are not what they should be, in words. A file may have its new size before the record that says so. */
export function differenceOf(contents: readonly Buffer[], wanted: readonly Buffer[]): string | undefined {
  const index = wanted.findIndex(
    (right, volume) => !right.equals(contents[volume]!.subarray(0, right.length)),
  );
  if (index === -1) return undefined;
  const at = firstDifference(wanted[index]!, contents[index]!);
  return `volume ${index} (${contents[index]!.length} bytes) is not what was written: first at byte ${at}`;
}
