/**
 * Views: recovery points opened to look at while destage goes on.
 *
 * I7: everything here runs on the thread that destages. A read looks up what was kept and reads the volume in one turn, so
 * that what it needs is never preserved and overwritten in between.
 *
 * A store is closed and opened anew when the source attaches its volumes again. What is open here goes on in the new
 * one: `follow` is called before that one is given anything to do.
 */
import { assert, describeError, OperatorError } from '../platform/errors.ts';
import type { Lsn } from '../journal/ids.ts';
import type { HostVolume } from '../nbd/front-end.ts';
import type { Log } from '../platform/log.ts';
import { changedBytes } from './changed-bytes.ts';
import type { Scratch } from './scratch.ts';
import { ScratchVolume } from './scratch-volume.ts';
import type { SnapshotInfo, SnapshotReader, SnapshotStore } from './snapshot-store.ts';
import { ViewedVolume } from './viewed-volume.ts';

/** Open at once, in one group. */
export const VIEWS_MAX = 16;

/** A state behind a snapshot, made of it and of what came then. */
export interface Past {
  readonly lsn: Lsn;
  /** The source's clock, milliseconds since 1970. */
  readonly time: number;
  over(base: SnapshotReader, volume: string): SnapshotReader;
}

export interface ViewOptions {
  readonly writable: boolean;
  readonly past?: Past;
  /** Called once, when the view is closed or cannot be opened. */
  readonly onClose?: () => void;
}

export interface View {
  /** The recovery point's, with a number behind it when another view has that already. */
  readonly name: string;
  /** The snapshot that it is, or begins at. */
  readonly point: SnapshotInfo;
  /** Of what is seen. */
  readonly lsn: Lsn;
  readonly time: number;
  readonly onClose: (() => void) | undefined;
  readonly volumes: readonly ViewVolume[];
  /** What is written to it; undefined: it is read only. */
  readonly scratch: Scratch | undefined;
}

export interface ViewVolume {
  readonly name: string;
  /** As it is offered. */
  readonly volume: HostVolume;
  readonly base: ViewedVolume;
}

export class Views {
  readonly #group: string;
  readonly #log: Log;
  readonly #makeScratch: () => Scratch;
  readonly #views = new Map<string, View>();
  #store: SnapshotStore | undefined;

  constructor(group: string, log: Log, makeScratch: () => Scratch) {
    this.#group = group;
    this.#log = log;
    this.#makeScratch = makeScratch;
  }

  /** What is open is read from this store from now on. */
  follow<T extends SnapshotStore>(store: T): T {
    this.#store = store;
    for (const { name, volumes } of this.#views.values()) {
      for (const { base } of volumes) {
        try {
          base.renew();
        } catch (error) {
          this.#log.error(`${base.name} of mount ${name} cannot be read: ${describeError(error)}`);
        }
      }
    }
    return store;
  }

  /** As `changedBytes`, of the store. */
  changedSince(id: string): number | undefined {
    assert(this.#store !== undefined, 'the store was opened before it is looked into');
    return changedBytes(this.#store, id);
  }

  /** As the store's. */
  used(): ReadonlyMap<string, number> {
    return this.#store?.used() ?? new Map<string, number>();
  }

  /** @throws OperatorError `SNAPSHOT_NOT_FOUND` */
  volumesOf(id: string): string[] {
    assert(this.#store !== undefined, 'the store was opened before it is looked into');
    return this.#store.volumesOf(id);
  }

  /**
   * Opens every volume of a snapshot of the store; nothing is read or copied. As long as it is open the snapshot cannot be
   * deleted. @throws OperatorError `MOUNTS_MAX`, and as `SnapshotStore.open` does; the operating system's
   */
  open(point: SnapshotInfo, options: ViewOptions): View {
    try {
      return this.#openAt(point, options);
    } catch (error) {
      options.onClose?.();
      throw error;
    }
  }

  #openAt(point: SnapshotInfo, options: ViewOptions): View {
    const store = this.#store;
    assert(store !== undefined, 'the store was opened before it is looked into');
    if (this.#views.size >= VIEWS_MAX) throw tooMany(this.#group);
    const { past } = options;
    const name = this.#freeName(past === undefined ? point.name : `lsn-${past.lsn}`);
    const bases: { name: string; base: ViewedVolume }[] = [];
    let scratch: Scratch | undefined;
    try {
      for (const volume of store.volumesOf(point.id)) {
        const open = (): SnapshotReader => {
          const reader = this.#open(point.id, volume);
          return past?.over(reader, volume) ?? reader;
        };
        bases.push({ name: volume, base: new ViewedVolume(`${this.#group}/${volume}@${name}`, open) });
      }
      if (options.writable) scratch = this.#makeScratch();
    } catch (error) {
      for (const { base } of bases) base.close();
      throw error;
    }
    const volumes = bases.map(({ name: volume, base }, number): ViewVolume => {
      const offered = scratch === undefined ? base : new ScratchVolume(base, scratch, number);
      return { name: volume, base, volume: offered };
    });
    const { lsn, time } = past ?? point;
    const view = { name, point, lsn, time, volumes, scratch, onClose: options.onClose };
    this.#views.set(name, view);
    return view;
  }

  /** @throws OperatorError `MOUNT_NOT_FOUND` */
  find(name: string): View {
    const view = this.#views.get(name);
    if (view !== undefined) return view;
    throw new OperatorError('MOUNT_NOT_FOUND', `group ${this.#group} has no mount ${name}`, {
      remedy: `\`blockferry status ${this.#group}\` lists those that it has`,
    });
  }

  /** Nobody asks its volumes for anything any more; what was written to them is thrown away. */
  close(view: View): void {
    this.#views.delete(view.name);
    for (const { base } of view.volumes) base.close();
    view.scratch?.close();
    view.onClose?.();
  }

  list(): View[] {
    return [...this.#views.values()];
  }

  #open(id: string, volume: string): SnapshotReader {
    assert(this.#store !== undefined, 'a store that was opened');
    return this.#store.open(id, volume);
  }

  #freeName(wanted: string): string {
    let name = wanted;
    for (let number = 2; this.#views.has(name); number += 1) name = `${wanted}-${number}`;
    return name;
  }
}

function tooMany(group: string): OperatorError {
  return new OperatorError('MOUNTS_MAX', `group ${group} has ${VIEWS_MAX} mounts, which is the most it may`, {
    remedy: 'unmount one of them first',
  });
}
