import type { OpenFile } from './files.ts';

/** Bytes. */
const PIECE = 1024 * 1024;

/**
 * Writes the first `length` bytes of a file again as they are, so that the next sync brings them to the medium. A sync that
 * fails makes Linux forget what it was to write: all programs go on seeing it until the power fails, and every later sync
 * succeeds without it.
 */
export function rewrite(file: OpenFile, length: number): void {
  const piece = Buffer.alloc(Math.min(length, PIECE));
  for (let at = 0; at < length;) {
    const count = file.read(piece.subarray(0, Math.min(PIECE, length - at)), at);
    if (count === 0) return;
    file.write(piece.subarray(0, count), at);
    at += count;
  }
}
