import type { MountEntry } from './mounts.ts';

/** https://github.com/NetworkBlockDevice/nbd/blob/master/doc/uri.md */
export function uriOf({ address }: Pick<MountEntry, 'address'>, exportName: string): string {
  const path = encodeURI(exportName);
  if (address.kind === 'socket') return `nbd+unix:///${path}?socket=${encodeURIComponent(address.path)}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `nbd://${host}:${address.port}/${path}`;
}
