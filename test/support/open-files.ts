import { readdirSync, readlinkSync } from 'node:fs';

/** Paths of what this process has open (proc(5), fd). */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      // Of the reading itself.
      return [];
    }
  });
}
