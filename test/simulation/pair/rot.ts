/** Media that rot: bits that flip in files that were whole and on the medium, unnoticed by whoever wrote them. */
import { FOLDER } from './configs.ts';
import { parseOpenName, parseSealedName } from '../../../src/journal/names.ts';
import type { Dice } from '../platform/dice.ts';
import type { Inode } from '../platform/inode.ts';
import type { Machine } from '../platform/machine.ts';
import { COPY_SIZE, isWholeCopy } from '../oracle/two-copies.ts';
import type { RotPlace, SiteName } from '../steps.ts';

export interface RotOracle {
  readonly sourceFolder: string;
  /** Before it does; `lasting`: nobody may be left who has what it was. */
  rots(path: string, lasting: boolean): void;
}

export class Rot {
  readonly #machines: Readonly<Record<SiteName, Machine>>;
  readonly #oracle: RotOracle;
  readonly #dice: Dice;

  constructor(machines: Readonly<Record<SiteName, Machine>>, oracle: RotOracle, dice: Dice) {
    this.#machines = machines;
    this.#oracle = oracle;
    this.#dice = dice;
  }

  /** What was hit, if there was anything to hit. */
  strike(place: RotPlace): string | undefined {
    const found = this.#find(place);
    if (found.length === 0) return undefined;
    const { path, inode } = this.#dice.pick(found);
    this.#oracle.rots(path, place !== 'state');
    const [from, length] = place === 'state' ? [this.#dice.below(2) * COPY_SIZE, 100] : [0, inode.size];
    inode.flipBit(from + this.#dice.below(length), this.#dice.below(8));
    return path;
  }

  #find(place: RotPlace): { readonly path: string; readonly inode: Inode }[] {
    switch (place) {
      case 'sealed':
        return this.#in('source', 'journal', (name) => parseSealedName(name) !== undefined);
      case 'received':
        return ['inbox', 'journal'].flatMap((folder) =>
          this.#in('destination', folder, (name) => parseSealedName(name) !== undefined),
        );
      case 'raw':
        // The newest is appended to.
        return this.#in('source', 'journal', (name) => parseOpenName(name) !== undefined)
          .sort((a, b) => (a.path < b.path ? -1 : 1))
          .slice(0, -1);
      case 'state':
        return [
          ...this.#in('destination', '', (name) => name === 'destination-state.json'),
          ...this.#in('source', '', (name) => name === 'checkpoint.json' || name === 'group.json'),
        ].filter(({ inode }) => [0, COPY_SIZE].every((at) => isWholeCopy(inode.content(), at)));
    }
  }

  #in(
    site: SiteName,
    folder: string,
    isIt: (name: string) => boolean,
  ): { readonly path: string; readonly inode: Inode }[] {
    const { disk } = this.#machines[site];
    const group = site === 'source' ? this.#oracle.sourceFolder : FOLDER;
    const directory = folder === '' ? group : `${group}/${folder}`;
    if (disk.stat(directory) === undefined) return [];
    return disk
      .list(directory)
      .filter(isIt)
      .sort()
      .flatMap((name) => {
        const path = `${directory}/${name}`;
        const inode = disk.find(path);
        return inode?.isSynced === true && inode.size > 0 ? [{ path, inode }] : [];
      });
  }
}
