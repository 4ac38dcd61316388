/** IP addresses as text; `node:net` only tells their kind here. */
import { isIPv4, isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** A socket's address without the IPv6 form that a dual-stack socket gives to IPv4 (RFC 4291, section 2.5.5.2). */
export function plainAddress(address: string | undefined): string {
  return MAPPED.exec(address ?? '')?.[1] ?? address ?? '';
}

/** What limits are counted by: an IPv4 address, or the 64-bit network of an IPv6 one, which one host has all of. */
export function limitKey(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail = ''] = (address.split('%')[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === '' ? 0 : tail.split(':').length;
  while (address.includes('::') && groups.length + behind < 8) groups.push('0');
  const network = [...groups, ...tail.split(':')].slice(0, 4);
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
