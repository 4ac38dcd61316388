/** Mutations of JSON that stay JSON: a value becomes another, goes, or comes twice. */
import type { Prng } from '../engine/prng.ts';
import type { MutationTools } from '../engine/target.ts';

const VALUES: readonly unknown[] = [
  ...[null, true, false, '', 'a', 'x'.repeat(300), '\u0000', '\ud800', '__proto__', {}, [], [[]], [null]],
  ...[0, -0, 1, -1, 0.5, 1e-300, 1e300, 2 ** 31, 2 ** 32, 2 ** 32 - 1, 2 ** 53, 2 ** 53 - 1, -(2 ** 53)],
  ...['0'.repeat(32), 'f'.repeat(32), '0'.repeat(64), 'F'.repeat(32), '0'.repeat(31)],
];
const NAMES = ['__proto__', 'constructor', 'toString', 'version', 'id', ''];

interface Slot {
  readonly holder: Record<string, unknown> | unknown[];
  readonly key: string | number;
}

/** Bytes in front of the text that stay as they are; `undefined` when what is behind them is no JSON. */
export function mutateJson(
  input: Buffer,
  prefix: number,
  { prng, other }: MutationTools,
): Buffer | undefined {
  const root = { root: parse(input.subarray(prefix)) };
  if (root.root === undefined) return undefined;
  for (let steps = 1 + prng.below(3); steps > 0; steps -= 1) {
    const slots = collect(root, []);
    change(prng.pick(slots), slots, { prng, donor: parse(other.subarray(prefix)) });
  }
  const text = JSON.stringify(root.root, undefined, prng.oneIn(8) ? 1 : undefined) as string | undefined;
  return Buffer.concat([input.subarray(0, prefix), Buffer.from(text ?? 'null')]);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function collect(value: unknown, slots: Slot[]): Slot[] {
  if (typeof value !== 'object' || value === null) return slots;
  const holder = value as Slot['holder'];
  for (const key of Array.isArray(holder) ? holder.keys() : Object.keys(holder)) {
    slots.push({ holder, key });
    collect(get({ holder, key }), slots);
  }
  return slots;
}

function get({ holder, key }: Slot): unknown {
  return (holder as Record<string | number, unknown>)[key];
}

function set({ holder, key }: Slot, value: unknown): void {
  // Not by assignment, which would change the prototype where the key says so.
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function change(
  slot: Slot,
  slots: readonly Slot[],
  { prng, donor }: { readonly prng: Prng; readonly donor: unknown },
): void {
  const value = get(slot);
  const { holder, key } = slot;
  switch (prng.below(8)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else if (holder[key] !== undefined && key !== 'root') Reflect.deleteProperty(holder, key);
      break;
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(value));
      else set({ holder, key: prng.pick(NAMES) }, structuredClone(value));
      break;
    case 2:
      set(slot, structuredClone(get(prng.pick(slots))));
      break;
    case 3:
      if (donor !== undefined) set(slot, structuredClone(get(prng.pick(collect({ donor }, [])))));
      break;
    case 4:
      if (typeof value === 'number') set(slot, value + prng.below(5) - 2);
      else if (typeof value === 'string') set(slot, mutateText(value, prng));
      break;
    case 5:
      set(slot, Array.isArray(value) ? repeat(value, 1 + prng.below(80)) : [value]);
      break;
    default:
      set(slot, structuredClone(prng.pick(VALUES)));
  }
}

function repeat(list: readonly unknown[], times: number): unknown[] {
  return Array.from({ length: times }, () => structuredClone(list)).flat(1);
}

function mutateText(text: string, prng: Prng): string {
  const at = prng.below(text.length + 1);
  const piece = prng.pick(['', 'f', 'é', '\u2028', '-', '/', '0'.repeat(prng.below(40))]);
  return text.slice(0, at) + piece + text.slice(at + prng.below(2));
}
