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
import type { Log } from '../platform/log.ts';
import type { SnapshotInfo, SnapshotStore } from './snapshot-store.ts';
import { ViewedVolume } from './viewed-volume.ts';

/** Open at once, in one group. */
export const VIEWS_MAX = 16;

export interface View {
  /** The recovery point's, with a number behind it when another view has that already. */
  readonly name: string;
  readonly point: SnapshotInfo;
  readonly volumes: readonly { readonly name: string; readonly volume: ViewedVolume }[];
}

export class Views {
  readonly #group: string;
  readonly #log: Log;
  readonly #views = new Map<string, View>();
  #store: SnapshotStore | undefined;

  constructor(group: string, log: Log) {
    this.#group = group;
    this.#log = log;
  }

  /** What is open is read from this store from now on. */
  follow<T extends SnapshotStore>(store: T): T {
    this.#store = store;
    for (const { name, volumes } of this.#views.values()) {
      for (const { volume } of volumes) {
        try {
          volume.renew();
        } catch (error) {
          this.#log.error(`${volume.name} of mount ${name} cannot be read: ${describeError(error)}`);
        }
      }
    }
    return store;
  }

  /**
   * Opens every volume of a snapshot of the store; nothing is read or copied. As long as it is open the snapshot cannot be
   * deleted. @throws OperatorError `MOUNTS_MAX`, and as `SnapshotStore.open` does
   */
  open(point: SnapshotInfo): View {
    const store = this.#store;
    assert(store !== undefined, 'the store was opened before it is looked into');
    if (this.#views.size >= VIEWS_MAX) throw tooMany(this.#group);
    const name = this.#freeName(point.name);
    const volumes: { name: string; volume: ViewedVolume }[] = [];
    try {
      for (const volume of store.volumesOf(point.id)) {
        const open = (): ReturnType<SnapshotStore['open']> => this.#open(point.id, volume);
        volumes.push({
          name: volume,
          volume: new ViewedVolume(`${this.#group}/${volume}@${name}`, open),
        });
      }
    } catch (error) {
      for (const { volume } of volumes) volume.close();
      throw error;
    }
    const view = { name, point, volumes };
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

  /** Nobody asks its volumes for anything any more. */
  close(view: View): void {
    this.#views.delete(view.name);
    for (const { volume } of view.volumes) volume.close();
  }

  list(): View[] {
    return [...this.#views.values()];
  }

  #open(id: string, volume: string): ReturnType<SnapshotStore['open']> {
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
