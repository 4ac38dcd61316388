import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync } from 'node:fs';

/** Whom the files of a group's folder belong to. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A folder on a file system of its own. */
export interface SmallFolder {
  readonly folder: string;
  /** Bytes. */
  readonly resize: (size: number) => void;
  readonly makeReadOnly: () => void;
  readonly unmount: () => void;
}

/** Mounts a file system of `size` bytes; root alone may. The caller unmounts it. */
export function mountSmall(folder: string, size: number, owner: Owner): SmallFolder {
  makeOwnedFolder(folder, owner);
  const options = `size=${size},mode=755,uid=${owner.uid},gid=${owner.gid}`;
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'blockferry-test', folder]);
  return {
    folder,
    resize: (bytes) => void execFileSync('mount', ['-o', `remount,size=${bytes}`, folder]),
    makeReadOnly: () => void execFileSync('mount', ['-o', 'remount,ro', folder]),
    // Lazily: a session that was just ended may still stand in it.
    unmount: () => void execFileSync('umount', ['-l', folder]),
  };
}

export function makeOwnedFolder(folder: string, { uid, gid }: Owner): void {
  if (!existsSync(folder)) mkdirSync(folder);
  chownSync(folder, uid, gid);
}
