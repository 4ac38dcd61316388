import * as fs from 'node:fs';
import { basename } from 'node:path';

/** Bytes of a Linux block device, from /sys, where sizes are in sectors of 512 whatever the device's own are. */
export function blockDeviceSize(path: string): number {
  const name = basename(fs.realpathSync(path));
  return Number(fs.readFileSync(`/sys/class/block/${name}/size`, 'utf8').trim()) * 512;
}
