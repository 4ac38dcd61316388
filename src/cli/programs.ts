/** Programs of the system that make block devices of mounts, and change what is on them. */
import { execFile } from 'node:child_process';
import { errorCode } from '../platform/errors.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

/** Milliseconds. */
const TIME_LIMIT = 10_000;

/** Of those that --device needs. */
const PACKAGES: Readonly<Record<string, string>> = {
  nbdfuse: 'nbdfuse (in libnbd-bin on older systems)',
  fusermount3: 'fuse3',
  losetup: 'util-linux (mount)',
};

/** Of those that --new-uuid alone needs. */
const NEW_UUID_PACKAGES: Readonly<Record<string, string>> = {
  mount: 'mount',
  umount: 'mount',
  blkid: 'util-linux',
  blockdev: 'util-linux',
  partx: 'util-linux',
  sfdisk: 'fdisk',
  sgdisk: 'gdisk',
  dumpe2fs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  tune2fs: 'e2fsprogs',
  xfs_admin: 'xfsprogs',
};

export interface RunOptions {
  /** Milliseconds; 10 s unless given. */
  readonly timeLimit?: number;
  /** Exit codes that are no failure; 0 unless given. */
  readonly good?: readonly number[];
}

/** What it printed. @throws CommandError `PROGRAM_MISSING`, `DEVICE_FAILED`, `NEW_UUID_FAILED` */
export function runProgram(
  program: string,
  args: readonly string[],
  { timeLimit = TIME_LIMIT, good = [0] }: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: timeLimit }, (error, out, said) => {
      if (error === null || (typeof error.code === 'number' && good.includes(error.code))) resolve(out);
      // Some say on their standard output why they failed.
      else reject(programFailed(program, error, said.trim() === '' ? out.trim() : said.trim()));
    });
  });
}

export function programFailed(program: string, error: Error, said = ''): CommandError {
  const substitutes = NEW_UUID_PACKAGES[program];
  const option = substitutes === undefined ? '--device' : '--new-uuid';
  if (errorCode(error) === 'ENOENT') {
    return new CommandError(
      ExitCode.failure,
      'PROGRAM_MISSING',
      `${program} is not there, which ${option} needs`,
      `install the package ${substitutes ?? PACKAGES[program] ?? program}, or mount it without ${option}`,
    );
  }
  const message = `${program} failed: ${said === '' ? error.message : said}`;
  return substitutes === undefined ? deviceFailed(message) : idFailed(message);
}

export function deviceFailed(message: string): CommandError {
  return new CommandError(
    ExitCode.failure,
    'DEVICE_FAILED',
    message,
    'see whether you are root and /dev/fuse is there; without --device the NBD address serves',
  );
}

/** What is on a device could not be given other identifiers. */
export function idFailed(message: string): CommandError {
  return new CommandError(
    ExitCode.failure,
    'NEW_UUID_FAILED',
    message,
    'mount it without --new-uuid, and see what is on it',
  );
}
