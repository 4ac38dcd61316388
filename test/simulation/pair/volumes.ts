/** What the volumes hold when a run begins. */
import type { Dice } from '../platform/dice.ts';
import type { Machine } from '../platform/machine.ts';
import { isZero } from '../platform/zeros.ts';
import type { Settings } from '../scenario.ts';
import { volumePath } from './configs.ts';

const PAGE = 4096;

interface Machines {
  readonly source: Machine;
  readonly destination: Machine;
}

/** Puts the volumes there, if they are there before; returns what each of the source's holds. */
export function makeVolumes(scenario: Settings, { source, destination }: Machines, dice: Dice): Buffer[] {
  for (const { disk } of [source, destination]) disk.makeDirectory('/volumes');
  const contents = scenario.volumes.map((size, index) => {
    const content = Buffer.alloc(size);
    if (!scenario.filled) return content;
    for (let i = 0; i < 4; i += 1) {
      const [start, length] = [dice.below(size), dice.below(20_000)];
      content.fill(0xa0 + i, start, Math.min(size, start + length));
    }
    put(source, index, content);
    return content;
  });
  if (scenario.initialCopy === 'compare' && scenario.filled) makeOldCopies(contents, destination, dice);
  return contents;
}

/** Of each an old one, which differs here and there. */
function makeOldCopies(contents: readonly Buffer[], machine: Machine, dice: Dice): void {
  for (const [index, content] of contents.entries()) {
    const old = Buffer.from(content);
    for (let i = dice.below(3); i > 0; i -= 1) {
      const start = dice.below(old.length);
      old.fill(0xb0 + i, start, Math.min(old.length, start + dice.below(4 * PAGE)));
    }
    put(machine, index, old);
  }
}

function put({ disk }: Machine, index: number, content: Buffer): void {
  const inode = disk.create(volumePath(index));
  inode.resize(content.length);
  for (let at = 0; at < content.length; at += PAGE) {
    const page = content.subarray(at, at + PAGE);
    if (!isZero(page)) inode.write(page, at);
  }
  inode.sync();
  disk.syncDirectory('/volumes');
}
