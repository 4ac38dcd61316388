/** What a long run says of itself, line by line, and at its end. */
import { closeSync, openSync, readSync } from 'node:fs';

const MIB = 1024 * 1024;
let failed = 0;

export function verdict(good: boolean, line: string): void {
  if (!good) failed += 1;
  process.stdout.write(`${good ? 'ok    ' : 'FAILED'} ${line}\n`);
}

/** The last line, and the exit code: 1 when any verdict was bad. */
export function conclude(): void {
  process.stdout.write(failed === 0 ? 'all as it must be\n' : `${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

export function sameFiles(a: string, b: string): boolean {
  const files = [openSync(a, 'r'), openSync(b, 'r')] as const;
  const buffers = [Buffer.alloc(MIB), Buffer.alloc(MIB)] as const;
  try {
    for (let at = 0; ; at += MIB) {
      const counts = files.map((fd, i) => readSync(fd, buffers[i] ?? Buffer.alloc(0), 0, MIB, at));
      if (counts[0] !== counts[1] || !buffers[0].equals(buffers[1])) return false;
      if ((counts[0] ?? 0) < MIB) return true;
    }
  } finally {
    files.forEach(closeSync);
  }
}
