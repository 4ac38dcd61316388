/**
 * An ext4 file system on an exported volume, as a host has it: nbdfuse makes a file of the export, a loop device a disk of
 * that. Whoever serves the export may be gone at any moment.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../../support/site-pair.ts';

/** Milliseconds for what takes one on a machine that has nothing else to do. */
const PATIENCE = 300_000;
const INTERVAL = 50;

export class HostDisk {
  readonly place: string;
  readonly #file: string;
  #fuse: ChildProcess | undefined;
  #loop: string | undefined;

  /** `folder`: for what it needs itself. */
  constructor(folder: string) {
    this.place = join(folder, 'mounted');
    this.#file = join(folder, 'disk');
    mkdirSync(this.place, { recursive: true });
  }

  /** A disk without the file system on it being mounted. `size`: bytes. */
  async attach(uri: string, size: number): Promise<void> {
    writeFileSync(this.#file, '');
    const fuse = (this.#fuse = spawn('nbdfuse', ['-C', '4', this.#file, uri], { stdio: 'ignore' }));
    await until(`nbdfuse shows ${uri}`, () => {
      if (fuse.exitCode !== null) throw new Error(`nbdfuse ended for ${uri}`);
      return statSync(this.#file).size === size;
    });
    this.#loop = run('losetup', '-f', '--show', this.#file).trim();
  }

  format(): void {
    run('mkfs.ext4', '-qF', this.#device);
  }

  mount(): void {
    run('mount', this.#device, this.place);
  }

  /** Its journal replayed, then every structure of it looked at. @throws Error with what was found */
  checkAndMount(): void {
    this.mount();
    run('umount', this.place);
    run('e2fsck', '-fn', this.#device);
    this.mount();
  }

  /** Whether or not the other end is still there: what has not reached it is lost if it is not. */
  async detach(): Promise<void> {
    if (isMounted(this.place))
      await until(`${this.place} is let go`, () => spawnSync('umount', [this.place]).status === 0);
    if (this.#loop !== undefined) run('losetup', '-d', this.#loop);
    this.#loop = undefined;
    const fuse = this.#fuse;
    this.#fuse = undefined;
    if (fuse === undefined) return;
    // The loop device lets go of it a moment later.
    const isGone = (): boolean => {
      spawnSync('fusermount3', ['-u', this.#file]);
      return fuse.exitCode !== null || fuse.signalCode !== null;
    };
    await until(`${this.#file} is let go`, isGone);
  }

  get #device(): string {
    if (this.#loop === undefined) throw new Error('it is not attached');
    return this.#loop;
  }
}

/** What a program prints. @throws Error with what it says of its failure */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
}

function isMounted(place: string): boolean {
  return existsSync(place) && spawnSync('mountpoint', ['-q', place]).status === 0;
}

async function until(what: string, isDone: () => boolean): Promise<void> {
  const limit = performance.now() + PATIENCE;
  while (!isDone()) {
    if (performance.now() > limit) throw new Error(`not in ${PATIENCE / 1000} s: ${what}`);
    await pause(INTERVAL);
  }
}
