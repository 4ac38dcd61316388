/** A source's own snapshots: at every marker of its journal, and those that were asked for; each is the model at its LSN (I3, I7, I9). */
import type { RunningGroup } from '../../../src/daemon/running-group.ts';
import type { SnapshotStore, SnapshotVolume } from '../../../src/recovery/snapshot-store.ts';
import type { Dice } from '../platform/dice.ts';
import { contentOf } from './content-of.ts';
import { Kind, type Model } from './model.ts';
import type { Oracle } from './oracle.ts';
import { Violation } from './violation.ts';

export class OwnSnapshots {
  readonly #oracle: Oracle;
  readonly #dice: Dice;
  /** Made on demand, and in which history. */
  readonly #made: { readonly id: string; readonly before: Model | undefined }[] = [];
  /** Perhaps gone by somebody's word. */
  readonly #deleted = new Set<string>();
  #givenUp = false;

  constructor(oracle: Oracle, dice: Dice) {
    this.#oracle = oracle;
    this.#dice = dice;
  }

  /** By an operator; where it cannot be done now, it is not. */
  do(group: RunningGroup | undefined, action: 'create' | 'delete'): void {
    const { before } = this.#oracle;
    const work = async (): Promise<void> => {
      if (action === 'create') {
        const made = await group?.createSnapshot('asked');
        if (made === undefined || this.#oracle.before !== before) return;
        this.#oracle.promised(made.lsn);
        this.#made.push({ id: made.id, before });
        return;
      }
      const all = (await group?.snapshots()) ?? [];
      if (all.length === 0) return;
      const { id } = this.#dice.pick(all);
      this.#deleted.add(id);
      await group?.deleteSnapshot(id);
    };
    work().catch(() => undefined);
  }

  /** The source logged this. */
  said(message: string): void {
    if (message.includes('so that hosts need not wait')) this.#givenUp = true;
  }

  /** When the pair is in step. */
  check(store: SnapshotStore, volumes: readonly SnapshotVolume[]): void {
    const { model, before } = this.#oracle;
    const kept = store.list();
    const wanted = new Set(this.#made.flatMap((made) => (made.before === before ? made.id : [])));
    for (let lsn = 1; lsn <= model.last; lsn += 1) {
      const record = model.record(lsn);
      if (record?.kind !== Kind.marker) continue;
      const { id, kind } = JSON.parse(record.payload.toString('utf8')) as { id: string; kind: string };
      if (kind === 'snapshot') wanted.add(id);
      const found = kept.filter((snapshot) => snapshot.id === id);
      if (found.some((snapshot) => snapshot.lsn !== lsn) || found.length > 1)
        this.#fail('I9-own', `marker ${id} at ${lsn} has another snapshot at the source`);
    }
    for (const id of wanted) {
      if (this.#givenUp || this.#deleted.has(id) || kept.some((snapshot) => snapshot.id === id)) continue;
      this.#fail('I9-own', `the source has no snapshot ${id}, which nobody deleted`);
    }
    const cursor = model.cursor();
    for (const { id, name, lsn } of kept) {
      if (lsn > model.last) {
        this.#fail('I2-own', `the source's snapshot ${name} is at ${lsn}; its journal ends at ${model.last}`);
        return;
      }
      const then = cursor.at(lsn);
      for (const [index, content] of contentOf(store, id, volumes).entries()) {
        const right = then[index]!;
        // A volume's file may have its new size before the record that says so.
        const isRight = content.subarray(0, right.length).equals(right);
        if (isRight && content.subarray(right.length).every((byte) => byte === 0)) continue;
        this.#fail('I7-own', `the source's snapshot ${name} at ${lsn}: volume ${index} is wrong`);
      }
    }
  }

  #fail(code: string, text: string): void {
    this.#oracle.fail(new Violation(code, text));
  }
}
