/**
 * A file system on a block device that records every write and flush: our NBD server in a thread, nbdfuse, which makes a
 * file of it, and a loop device on that. (The kernel's own dm-log-writes is not there on every machine.)
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ThreadPool, type RemoteThread } from '../../../src/platform/node/threads.ts';
import { pause } from '../../support/site-pair.ts';
import type { LogEntry, Note } from './device-log.ts';
import { EXPORT, type RecordingOptions, type RecordingServer } from './recording-server.ts';

export type FileSystem = 'ext4' | 'xfs' | 'btrfs';

/** XFS takes no less. Bytes. */
export const DEVICE_SIZE = 320 * 1024 * 1024;
const MAKE: Readonly<Record<FileSystem, readonly string[]>> = {
  ext4: ['-q', '-F'],
  xfs: ['-q'],
  btrfs: ['-q'],
};

export class RecordingDevice {
  readonly #file: string;
  readonly #mountPoint: string;
  readonly #thread: RemoteThread<RecordingServer>;
  #fuse: ChildProcess | undefined;
  #loop: string | undefined;
  #mounted = false;

  /** `folder`: for what it needs itself. */
  private constructor(folder: string, mountPoint: string) {
    mkdirSync(folder, { recursive: true });
    mkdirSync(mountPoint, { recursive: true });
    this.#file = join(folder, 'disk');
    this.#mountPoint = mountPoint;
    const options: RecordingOptions = { socket: join(folder, 'socket'), size: DEVICE_SIZE };
    const pool = new ThreadPool<RecordingOptions, RecordingServer>(
      new URL('./recording-thread.ts', import.meta.url),
      1,
    );
    this.#thread = pool.start(options, {}, (error) => {
      throw error;
    });
  }

  static async start(folder: string, kind: FileSystem, mountPoint: string): Promise<RecordingDevice> {
    const device = new RecordingDevice(folder, mountPoint);
    try {
      await device.#attach(join(folder, 'socket'), kind);
      return device;
    } catch (error) {
      await device.end();
      throw error;
    }
  }

  async note(note: Note): Promise<void> {
    await this.#thread.call.note(note);
  }

  /** Nobody uses it any more. Returns all it was told; harmless a second time. */
  async end(): Promise<LogEntry[]> {
    if (this.#mounted) run('umount', this.#mountPoint);
    this.#mounted = false;
    if (this.#loop !== undefined) run('losetup', '-d', this.#loop);
    this.#loop = undefined;
    if (this.#fuse === undefined) return [];
    // The loop device lets go of the file a little later.
    await retried(() => run('fusermount3', '-u', this.#file));
    this.#fuse = undefined;
    const log = await this.#thread.call.finish();
    await this.#thread.terminate();
    return log;
  }

  async #attach(socket: string, kind: FileSystem): Promise<void> {
    await this.#thread.call.listen();
    writeFileSync(this.#file, '');
    // One connection, so that the log has the order in which the kernel sent things.
    this.#fuse = spawn('nbdfuse', ['-C', '1', this.#file, `nbd+unix:///${EXPORT}?socket=${socket}`], {
      stdio: 'ignore',
    });
    for (let i = 0; statSync(this.#file).size !== DEVICE_SIZE; i += 1) {
      if (i === 2000) throw new Error('nbdfuse does not show the export');
      await pause(50);
    }
    this.#loop = run('losetup', '-f', '--show', this.#file).trim();
    run(`mkfs.${kind}`, ...MAKE[kind], this.#loop);
    run('mount', this.#loop, this.#mountPoint);
    this.#mounted = true;
  }
}

export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

async function retried(action: () => unknown): Promise<void> {
  for (let left = 1000; ; left -= 1) {
    try {
      action();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await pause(100);
    }
  }
}
