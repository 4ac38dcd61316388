import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';

/** An XFS of so many bytes in a sparse file: files there may be of any size. Only root can mount it. */
export class Xfs {
  readonly folder: string;
  readonly #image: string;
  readonly #device: string;

  /** Mounted at `folder`, which is made. @throws Error where that cannot be done */
  constructor(folder: string, size: number) {
    this.folder = folder;
    this.#image = `${folder}.img`;
    writeFileSync(this.#image, '');
    truncateSync(this.#image, size);
    execFileSync('mkfs.xfs', ['-q', this.#image], { stdio: ['ignore', 'ignore', 'pipe'] });
    mkdirSync(folder);
    // Past the page cache of the file system below, which would hold everything once more.
    const attach = ['--find', '--show', '--direct-io=on', this.#image];
    this.#device = execFileSync('losetup', attach, { encoding: 'utf8' }).trim();
    try {
      execFileSync('mount', [this.#device, folder]);
    } catch (error) {
      execFileSync('losetup', ['--detach', this.#device]);
      throw error;
    }
  }

  end(): void {
    execFileSync('umount', [this.folder]);
    execFileSync('losetup', ['--detach', this.#device]);
    rmSync(this.#image);
  }
}
