/** A small ext4 file system on a loop device that can be filled to the last byte and freed again. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;

export class SmallFileSystem {
  readonly folder: string;
  readonly #ballast: string;

  /** Mounted at `folder`, which is made; its image lies beside it. */
  constructor(folder: string, mib: number) {
    const image = `${folder}.img`;
    this.folder = folder;
    this.#ballast = join(folder, 'ballast');
    writeFileSync(image, '');
    truncateSync(image, mib * MIB);
    execFileSync('mkfs.ext4', ['-q', '-m', '0', image], { stdio: ['ignore', 'ignore', 'pipe'] });
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-o', 'loop', image, folder]);
  }

  /** Nothing is left: whoever frees something himself finds it taken with the next call. */
  fill(): void {
    const file = openSync(this.#ballast, 'a');
    try {
      for (let piece = MIB; piece >= 4096;) {
        try {
          writeSync(file, Buffer.alloc(piece, 1));
        } catch {
          piece /= 2;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#ballast);
  }

  unmount(): void {
    execFileSync('umount', [this.folder]);
  }
}
