/** What loading a configuration asks of the machine: it reads, and never makes anything. */
import * as fs from 'node:fs';
import { errorCode } from '../platform/errors.ts';

export interface ConfigWorld {
  readonly platform: 'posix' | 'win32';
  /** The whole of a regular file of at most `limit` bytes. Never waits, as opening a pipe would. */
  readFile(path: string, limit: number): FileRead;
  /**
   * The same for two paths exactly when they lead to the same file or device, through links too: what keeps one disk
   * from being two volumes under two names. Of what is not there, the path itself.
   */
  identity(path: string): string;
}

export type FileRead =
  | {
      readonly kind: 'content';
      readonly content: Buffer;
      /** Whether group or others may read or change it; false on Windows, whose rights are not told by a mode. */
      readonly shared: boolean;
      /** Permission bits. */
      readonly mode: number;
    }
  | { readonly kind: 'failed'; readonly reason: string };

/** Read, write and execute of group and others. */
const SHARED_BITS = 0o077;

function readFile(path: string, limit: number): FileRead {
  let fd;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error) };
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile())
      return { kind: 'failed', reason: stat.isDirectory() ? 'is a folder' : 'is not a regular file' };
    if (stat.size > limit)
      return { kind: 'failed', reason: `has ${stat.size} bytes, and at most ${limit} are taken` };
    // One byte more than it has, so that a file that grows meanwhile is not taken for whole.
    const content = Buffer.alloc(Math.min(stat.size, limit) + 1);
    const length = fs.readSync(fd, content, 0, content.length, 0);
    if (length > stat.size) return { kind: 'failed', reason: 'changed while it was read' };
    const shared = process.platform !== 'win32' && (stat.mode & SHARED_BITS) !== 0;
    return { kind: 'content', content: content.subarray(0, length), shared, mode: stat.mode & 0o777 };
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error) };
  } finally {
    fs.closeSync(fd);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'cannot be read by this user',
  EPERM: 'cannot be read by this user',
  EISDIR: 'is a folder',
  ELOOP: 'is a link that leads to itself',
};

/** An operating system's error in words that follow a path. */
export function reasonOf(error: unknown): string {
  const code = errorCode(error);
  return REASONS[code] ?? `cannot be read (${code})`;
}

function identity(path: string): string {
  let stat;
  try {
    stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return path;
  }
  if (stat === undefined) return process.platform === 'win32' ? path.toLowerCase() : path;
  if (stat.isBlockDevice()) return `device ${stat.rdev}`;
  return `inode ${stat.dev}:${stat.ino}`;
}

export const nodeConfigWorld: ConfigWorld = {
  platform: process.platform === 'win32' ? 'win32' : 'posix',
  readFile,
  identity,
};
