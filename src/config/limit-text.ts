/** What a link may do, as an administrator writes it: `closed`, `2 Mbit/s`, `250 KiB/s`, `30 s between files`. Pure. */
import type { Limit } from '../transfer/schedule/limit.ts';
import { FILE_DELAY, RATE } from './limits.ts';
import { parseAmount, parseDuration, type Parsed } from './units.ts';

/** Bytes a second. */
const BIT_UNITS: ReadonlyMap<string, number> = new Map([
  ['bit', 1 / 8],
  ['kbit', 125],
  ['mbit', 125e3],
  ['gbit', 125e6],
]);
const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
]);

export const LIMIT_FIX =
  'write closed, unlimited, a rate such as 2 Mbit/s or 250 KiB/s, or a pause such as 30 s between files';

export function parseLimit(text: string): Parsed<Limit> {
  const plain = text.trim();
  if (plain === 'closed' || plain === 'unlimited') return { value: { kind: plain } };
  const pause = /^(.*\S)\s+between files$/.exec(plain)?.[1];
  if (pause !== undefined) return parsePause(pause);
  const rate = /^(.*?)\s*\/\s*s$/.exec(plain)?.[1];
  if (rate !== undefined) return parseRate(rate);
  const perSecond = /^([\d.]+)\s*([kKmMgG])([bB])ps$/.exec(plain);
  if (perSecond === null) return { message: 'is no limit', fix: LIMIT_FIX };
  const [, amount = '', prefix = '', unit = ''] = perSecond;
  const word = `${prefix.toLowerCase() === 'k' ? 'k' : prefix.toUpperCase()}${unit === 'b' ? 'bit' : 'B'}`;
  return { message: 'is not how a rate is written', fix: `write ${amount} ${word}/s` };
}

function parsePause(text: string): Parsed<Limit> {
  const parsed = parseDuration(text);
  if (!('value' in parsed)) return parsed;
  const { value } = parsed;
  if (value < FILE_DELAY.min) return { message: 'is too short', fix: 'write at least 100 ms between files' };
  if (value > FILE_DELAY.max) return { message: 'is too long', fix: 'write at most 24 h between files' };
  return { value: { kind: 'delay', milliseconds: value } };
}

function parseRate(text: string): Parsed<Limit> {
  const unit = /[A-Za-z]*$/.exec(text)?.[0] ?? '';
  const factor = BIT_UNITS.get(unit.toLowerCase()) ?? BYTE_UNITS.get(unit);
  if (factor === undefined) return unknownUnit(unit);
  const parsed = parseAmount(text, factor);
  if (parsed === undefined) return { message: 'is no rate', fix: LIMIT_FIX };
  const value = Math.floor(parsed);
  if (value < RATE.min) return { message: 'is too low', fix: 'write at least 8 kbit/s, or closed' };
  if (value > RATE.max) return { message: 'is too high', fix: 'write unlimited' };
  return { value: { kind: 'rate', bytesPerSecond: value } };
}

function unknownUnit(unit: string): Parsed<Limit> {
  if (!/^[kmgt]?i?b$/i.test(unit)) return { message: 'has a unit that is not known', fix: LIMIT_FIX };
  const prefix = /^k/i.test(unit) ? 'k' : unit.slice(0, -1).replace(/i$/i, '').toUpperCase();
  return {
    message: `has the unit ${unit}, which some take for bits and some for bytes`,
    fix: `write ${prefix}bit/s or ${prefix}B/s`,
  };
}
