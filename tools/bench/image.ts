import { randomFillSync } from 'node:crypto';
import { closeSync, copyFileSync, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/**
 * Small pieces: ext4 keeps what was written in large ones in large folios, on which later small writes are slow. Every
 * server gets an image that was made in the same way.
 */
const PIECE = 64 * 1024;
const MIB = 1024 * 1024;

/** An image of `size` bytes, of which the first `filled` of every MiB hold random data and the rest is a hole. */
export function makeImage(path: string, size: number, filled = MIB): void {
  const file = openSync(path, 'w');
  const piece = Buffer.alloc(PIECE);
  try {
    ftruncateSync(file, size);
    for (let at = 0; at < size; at += PIECE) {
      if (at % MIB < filled) writeSync(file, randomFillSync(piece), 0, PIECE, at);
    }
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** As durable as the first: what is still to be written would be so while something is measured. */
export function copyImage(from: string, to: string): void {
  copyFileSync(from, to);
  const file = openSync(to, 'r+');
  try {
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}
