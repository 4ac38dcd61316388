/** A parser with four mistakes, each behind conditions that blind luck does not meet: what the fuzzer must find. */
import { crc32 } from 'node:zlib';

export class ToyRefused extends Error {}

export function parseToy(bytes: Buffer): void {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 4) !== 'TOY!') throw new ToyRefused('no toy');
  if (crc32(bytes.subarray(8)) !== bytes.readUInt32BE(4)) throw new ToyRefused('damaged');
  const kind = bytes.readUInt8(8);
  const value = bytes.readUInt16BE(10);
  if (kind === 1 && value > 0xff00) throw new RangeError('the exception');
  if (kind === 2 && value === 4096) for (;;);
  if (kind === 3 && value >= 512) Buffer.alloc(64 * 1024 * 1024);
  if (kind === 4 && value >= 512) {
    const end = performance.now() + 150;
    while (performance.now() < end);
  }
}
