/**
 * What a link may do at a time. `closed`: nothing at all, not even a look at the destination's status. `rate`: so many bytes
 * of replication files a second, all streams of the link together. `delay`: one file at a time, and so many milliseconds
 * between the end of one and the beginning of the next.
 */
export type Limit =
  | { readonly kind: 'closed' }
  | { readonly kind: 'unlimited' }
  | { readonly kind: 'rate'; readonly bytesPerSecond: number }
  | { readonly kind: 'delay'; readonly milliseconds: number };

export const CLOSED: Limit = { kind: 'closed' };
export const UNLIMITED: Limit = { kind: 'unlimited' };

export function sameLimit(a: Limit, b: Limit): boolean {
  if (a.kind === 'rate') return b.kind === 'rate' && a.bytesPerSecond === b.bytesPerSecond;
  if (a.kind === 'delay') return b.kind === 'delay' && a.milliseconds === b.milliseconds;
  return a.kind === b.kind;
}
