/** What the volumes hold when a run begins. */
import type { Dice } from '../platform/dice.ts';
import type { Machine } from '../platform/machine.ts';
import { isZero } from '../platform/zeros.ts';
import type { Scenario } from '../scenario.ts';
import { volumePath } from './configs.ts';

const PAGE = 4096;

/** Puts the source's volumes there, if they are there before; returns what each holds. */
export function makeVolumes(scenario: Scenario, machine: Machine, dice: Dice): Buffer[] {
  const { disk } = machine;
  disk.makeDirectory('/volumes');
  return scenario.volumes.map((size, index) => {
    const content = Buffer.alloc(size);
    if (!scenario.filled) return content;
    for (let i = 0; i < 4; i += 1) {
      const [start, length] = [dice.below(size), dice.below(20_000)];
      content.fill(0xa0 + i, start, Math.min(size, start + length));
    }
    const inode = disk.create(volumePath(index));
    inode.resize(size);
    for (let at = 0; at < size; at += PAGE) {
      const page = content.subarray(at, at + PAGE);
      if (!isZero(page)) inode.write(page, at);
    }
    inode.sync();
    disk.syncDirectory('/volumes');
    return content;
  });
}
