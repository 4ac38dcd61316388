/** Reads the product's small files that are two copies (platform/two-copy-file.ts), written down anew. */
import { crc32 } from 'node:zlib';

export const COPY_SIZE = 64 * 1024;

interface Copy {
  readonly number: number;
  readonly text: string;
}

/** The newest whole copy's content; undefined when neither is whole. */
export function newestCopy(bytes: Buffer): unknown {
  const copies = [0, COPY_SIZE].map((at) => parse(bytes.subarray(at, at + COPY_SIZE)));
  const [newest] = copies.flatMap((copy) => copy ?? []).sort((a, b) => b.number - a.number);
  return newest === undefined ? undefined : JSON.parse(newest.text);
}

/** Whether the copy that begins there is one. */
export function isWholeCopy(bytes: Buffer, at: number): boolean {
  return parse(bytes.subarray(at, at + COPY_SIZE)) !== undefined;
}

/** Whether what was written at `at` made both copies the same: the other one is durable by then. */
export function isSecondCopy(content: Buffer, at: number): boolean {
  const [written, other] = [at, COPY_SIZE - at].map((place) =>
    parse(content.subarray(place, place + COPY_SIZE)),
  );
  return written !== undefined && written.number === other?.number;
}

function parse(bytes: Buffer): Copy | undefined {
  const end = bytes.indexOf('\n');
  if (end <= 0 || end > 128) return undefined;
  try {
    const line = JSON.parse(bytes.toString('latin1', 0, end)) as {
      number: number;
      length: number;
      crc: number;
    };
    const content = bytes.subarray(end + 1, end + 1 + line.length);
    if (crc32(content, crc32(String(line.number))) !== line.crc) return undefined;
    return { number: line.number, text: content.toString('utf8') };
  } catch {
    return undefined;
  }
}
