import type { LinkLimit } from '../api/contract/status.ts';
import { bytesText, durationText } from './text.ts';

/** `closed`, `unlimited`, `2 Mbit/s (244.1 KiB/s)`, `one file at a time, 30 s between files` */
export function limitText(limit: LinkLimit): string {
  switch (limit.kind) {
    case 'closed':
    case 'unlimited':
      return limit.kind;
    case 'rate':
      return `${bitsText(limit.bytesPerSecond * 8)}/s (${bytesText(limit.bytesPerSecond)}/s)`;
    case 'delay':
      return `one file at a time, ${durationText(limit.milliseconds / 1000)} between files`;
  }
}

const BIT_UNITS = ['kbit', 'Mbit', 'Gbit', 'Tbit'] as const;

function bitsText(bits: number): string {
  let value = bits / 1000;
  let unit = 0;
  for (; value >= 1000 && unit < BIT_UNITS.length - 1; unit += 1) value /= 1000;
  return `${Number(value.toPrecision(4))} ${BIT_UNITS[unit] ?? ''}`;
}
