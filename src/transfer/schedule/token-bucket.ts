/**
 * Bytes that may go out at a rate. Pure: times are monotonic milliseconds.
 *
 * What is not used is saved up to the burst, so that a timer that fires late does not lower the average; no second ever
 * carries more than the rate and one burst.
 */
export interface TokenBucket {
  readonly bytesPerSecond: number;
  /** The most that is saved up, bytes. */
  readonly burst: number;
  readonly tokens: number;
  readonly at: number;
}

/** Of the rate, in seconds. */
const BURST_SECONDS = 0.5;
/** Bytes: less would be a packet for a few bytes. */
const BURST_MIN = 1024;
/** Pieces in which a burst goes out. */
const PIECES = 8;
const PIECE_MAX = 256 * 1024;

/** Half a second's worth, at least 1 KiB, and never more than `burstMax`: a segment. */
export function burstOf(bytesPerSecond: number, burstMax: number): number {
  return Math.min(burstMax, Math.max(BURST_MIN, Math.floor(bytesPerSecond * BURST_SECONDS)));
}

/** The most that is granted at once. */
export function pieceOf({ burst }: TokenBucket): number {
  return Math.max(1, Math.min(PIECE_MAX, Math.floor(burst / PIECES)));
}

export function newBucket(bytesPerSecond: number, burstMax: number, now: number): TokenBucket {
  return { bytesPerSecond, burst: burstOf(bytesPerSecond, burstMax), tokens: 0, at: now };
}

/** The bucket after `bytes` went out, or the milliseconds until they may. `bytes` is at most the burst. */
export function take(
  bucket: TokenBucket,
  bytes: number,
  now: number,
): { readonly bucket: TokenBucket; readonly wait: number } {
  const { bytesPerSecond, burst } = bucket;
  const saved = (Math.max(0, now - bucket.at) / 1000) * bytesPerSecond;
  const tokens = Math.min(burst, bucket.tokens + saved);
  const filled = { ...bucket, tokens, at: Math.max(now, bucket.at) };
  if (tokens < bytes) return { bucket: filled, wait: ((bytes - tokens) / bytesPerSecond) * 1000 };
  return { bucket: { ...filled, tokens: tokens - bytes }, wait: 0 };
}
