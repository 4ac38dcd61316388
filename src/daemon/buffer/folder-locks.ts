import type { World } from '../world.ts';

/** The folders that a group holds for itself: one, or while it moves two. */
export class FolderLocks {
  readonly #group: string;
  readonly #world: Pick<World, 'lockGroup'>;
  readonly #held = new Map<string, { release(): void }>();

  constructor(group: string, world: Pick<World, 'lockGroup'>) {
    this.#group = group;
    this.#world = world;
  }

  /** No effect on one that is held. @throws OperatorError `GROUP_LOCKED` */
  take(folder: string): void {
    if (!this.#held.has(folder)) this.#held.set(folder, this.#world.lockGroup(this.#group, folder));
  }

  release(folder: string): void {
    this.#held.get(folder)?.release();
    this.#held.delete(folder);
  }

  releaseAll(): void {
    for (const folder of this.#held.keys()) this.release(folder);
  }
}
