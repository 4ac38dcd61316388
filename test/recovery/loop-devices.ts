import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file system of its own in `folder`, on a sparse image. Returns where it is mounted. */
export function mountFileSystem(folder: string, kind: 'xfs' | 'btrfs' | 'ext4', mib: number): string {
  const image = join(folder, `${kind}.img`);
  const mountPoint = join(folder, kind);
  writeFileSync(image, '');
  truncateSync(image, mib * 1024 * 1024);
  execFileSync(`mkfs.${kind}`, ['-q', image], { stdio: ['ignore', 'ignore', 'pipe'] });
  mkdirSync(mountPoint);
  execFileSync('mount', ['-o', 'loop', image, mountPoint]);
  return mountPoint;
}

export function unmount(mountPoint: string): void {
  execFileSync('umount', [mountPoint]);
}

/** A block device of `size` bytes on a sparse file in `folder`. */
export function attachLoopDevice(folder: string, name: string, size: number): string {
  const image = join(folder, name);
  writeFileSync(image, '');
  truncateSync(image, size);
  return execFileSync('losetup', ['--find', '--show', image], { encoding: 'utf8' }).trim();
}

export function detachLoopDevice(device: string): void {
  execFileSync('losetup', ['--detach', device]);
}
