/** Sizes and times as an administrator writes them: `20 GiB`, `512`, `2 s`, `10 min`. Pure. */

export type Parsed<T> = { readonly value: T } | { readonly message: string; readonly fix: string };

/** Bytes. Letters of either case: nobody means bits on a disk. */
const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
  ['pib', 2 ** 50],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['pb', 1e15],
]);

/** Milliseconds. */
const TIME_UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const NUMBER_AND_UNIT = /^(\d{1,16})(?:\.(\d{1,9}))? ?([A-Za-z]*)$/;

const SIZE_FIX =
  'write a number and a unit, such as 512, 16 MiB or 20 GiB (powers of 1024), 20 GB (powers of 1000)';
const TIME_FIX = 'write a number and a unit: ms, s, min, h or d, such as 500 ms, 2 s or 10 min';

/** Bytes. A number without a unit is bytes. */
export function parseSize(text: string): Parsed<number> {
  const match = NUMBER_AND_UNIT.exec(text.trim());
  if (match === null) return { message: 'is not a size', fix: SIZE_FIX };
  const unit = (match[3] ?? '').toLowerCase();
  const factor = unit === '' ? 1 : SIZE_UNITS.get(unit);
  if (factor === undefined) return unknownSizeUnit(unit);
  return multiply(match, factor, { message: 'is not a whole number of bytes', fix: SIZE_FIX });
}

function unknownSizeUnit(unit: string): Parsed<number> {
  if (!/^[kmgtp]$/.test(unit)) return { message: 'has a unit that is not known', fix: SIZE_FIX };
  const [binary, decimal] = [unit.toUpperCase(), unit === 'k' ? 'k' : unit.toUpperCase()];
  return {
    message: `has the unit ${decimal}, which some take for a power of 1000 and some for one of 1024`,
    fix: `write ${binary}iB (1024) or ${decimal}B (1000)`,
  };
}

/** Milliseconds. The unit must be there. */
export function parseDuration(text: string): Parsed<number> {
  const match = NUMBER_AND_UNIT.exec(text.trim());
  if (match === null) return { message: 'is not a time', fix: TIME_FIX };
  const unit = match[3] ?? '';
  if (unit === '') return { message: 'has no unit', fix: TIME_FIX };
  const factor = TIME_UNITS.get(unit);
  if (factor !== undefined) {
    return multiply(match, factor, { message: 'is not a whole number of milliseconds', fix: TIME_FIX });
  }
  if (unit === 'm' || unit === 'M') {
    return { message: `has the unit ${unit}`, fix: 'write min for minutes, ms for milliseconds' };
  }
  return { message: 'has a unit that is not known', fix: TIME_FIX };
}

/** A number with a unit, times the unit's factor; undefined when it is none. The unit itself is not looked at. */
export function parseAmount(text: string, factor: number): number | undefined {
  const match = NUMBER_AND_UNIT.exec(text.trim());
  return match === null ? undefined : Number(`${match[1] ?? ''}.${match[2] ?? '0'}`) * factor;
}

/** Exact where the result is: 1.5 KiB is 1536 bytes, 1.0001 KiB is refused. */
function multiply(
  match: RegExpExecArray,
  factor: number,
  fractional: { readonly message: string; readonly fix: string },
): Parsed<number> {
  const [, whole = '0', fraction = ''] = match;
  const scale = 10n ** BigInt(fraction.length);
  const product = BigInt(whole + fraction) * BigInt(factor);
  if (product % scale !== 0n) return fractional;
  const value = product / scale;
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    return { message: 'is more than 2^53', fix: 'write a smaller number' };
  return { value: Number(value) };
}

const BINARY_UNITS_DOWN = [...SIZE_UNITS].filter(([unit]) => unit.endsWith('ib')).toReversed();

/** In powers of 1024, rounded to two digits behind the point: `20 GiB`, `1.95 MiB`. */
export function formatSize(bytes: number): string {
  const found = BINARY_UNITS_DOWN.find(([, factor]) => bytes >= factor);
  if (found === undefined) return `${bytes} B`;
  const [unit, factor] = found;
  return `${Number((bytes / factor).toFixed(2))} ${unit.slice(0, 1).toUpperCase()}iB`;
}

const TIME_UNITS_DOWN = [...TIME_UNITS].toReversed();

/** In the largest unit that gives a whole number: `90 s`, `10 min`. */
export function formatDuration(milliseconds: number): string {
  const found = TIME_UNITS_DOWN.find(([, factor]) => milliseconds >= factor && milliseconds % factor === 0);
  return found === undefined ? `${milliseconds} ms` : `${milliseconds / found[1]} ${found[0]}`;
}
