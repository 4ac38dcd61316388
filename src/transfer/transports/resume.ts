/**
 * Whether a transfer goes on from what a cut one left in the part: an FTP upload, and whatever is brought here.
 *
 * FTP cannot tell what the part holds, only how long it is. Going on is right for a file that never changes under its
 * name, which is what a sealed segment is (I4); and should the part hold something else after all (a file sealed again
 * after a crash, blocks that the server lost in a power cut), then the receiver's digest check refuses the whole, asks
 * for it again, and finds no part that time. Small files, such as the status file, do change under their name, and are
 * sent again sooner than asked about: they are always begun again. The same holds of a part on this side, of which a power
 * cut may have lost what was not synced yet.
 */

/** Bytes; no file that is rewritten under its name is as long (a status file has at most 960 KiB). */
export const RESUME_MIN = 1 << 20;

/** Bytes to leave out, because the part has them. `held`: the part's size, undefined when there is none. */
export function resumeOffset(held: number | undefined, size: number): number {
  return held === undefined || held < RESUME_MIN || held > size ? 0 : held;
}
