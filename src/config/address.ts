/** `HOST:PORT` as it is written in a configuration. Pure; `node:net` only tells the kinds of addresses apart here. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Parsed } from './units.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Inclusive. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
const DOTTED_NUMBERS = /^[\d.]+$/;
const PORT_MAX = 65_535;

export const ADDRESS_FIX = 'write an address and a port, such as 127.0.0.1:10809 or "[::1]:10809"';

/** A name or an IP address, without brackets. */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (HOST_NAME.test(text) && !DOTTED_NUMBERS.test(text));
}

/** Port 0 is any free one. */
export function parseAddress(text: string): Parsed<Address> {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) {
    if (isIPv6(text)) return { message: 'is an IPv6 address without a port', fix: ADDRESS_FIX };
    return { message: 'is not an address and a port', fix: ADDRESS_FIX };
  }
  const [, inBrackets, bare, digits] = match;
  const host = inBrackets ?? bare ?? '';
  if (inBrackets !== undefined ? !isIPv6(host) : !isHost(host)) {
    return { message: `has no address or host name in front of its port`, fix: ADDRESS_FIX };
  }
  const port = Number(digits);
  if (port > PORT_MAX) return { message: `has a port above ${PORT_MAX}`, fix: ADDRESS_FIX };
  return { value: { host, port } };
}

const RANGE_FIX = 'write the first and the last port, such as 30000-30049';

export function parsePortRange(text: string): Parsed<PortRange> {
  const match = /^(\d{1,5}) ?- ?(\d{1,5})$/.exec(text);
  if (match === null) return { message: 'is not a range of ports', fix: RANGE_FIX };
  const [first, last] = [Number(match[1]), Number(match[2])];
  if (first < 1 || last > PORT_MAX) return { message: `has a port outside 1 to ${PORT_MAX}`, fix: RANGE_FIX };
  if (last < first) return { message: 'ends before it begins', fix: RANGE_FIX };
  return { value: { first, last } };
}

export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Whether two listeners would want the same port of the same address. */
export function collide(a: Address, b: Address): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  const [hostA, hostB] = [normalHost(a.host), normalHost(b.host)];
  return hostA === hostB || isWildcard(hostA) || isWildcard(hostB);
}

function normalHost(host: string): string {
  return host.toLowerCase() === 'localhost' ? '127.0.0.1' : host.toLowerCase();
}

export function formatAddress(address: Address): string {
  return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
}
