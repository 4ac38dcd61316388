/** What a figure is, and how what was measured for it is told. */
import { median } from './turns.ts';

export interface Setting {
  /** Smaller volumes, shorter and fewer runs. */
  readonly quick: boolean;
  /** Of each way, in turns. */
  readonly rounds: number;
  /** For images, buffers and what the file server gets. */
  readonly folder: string;
}

/** Of one kind, which share servers and images. */
export interface Figure {
  /** As they are chosen by and told. */
  readonly names: readonly string[];
  readonly measure: (setting: Setting, wanted: readonly string[]) => Promise<readonly Measured[]>;
}

/** Where `aim` is the lower one, less is better. */
export interface Bounds {
  readonly must: number;
  readonly aim: number;
}

export interface Measured extends Bounds {
  readonly name: string;
  readonly unit: string;
  /** A value for each round. */
  readonly ours: readonly number[];
  readonly peer: { readonly name: string; readonly values: readonly number[] } | undefined;
  /** In the sense of `must` and `aim`. */
  readonly ratio: number;
}

export type Verdict = 'aim reached' | 'reached' | 'BELOW';

export function verdictOf({ ratio, must, aim }: Measured): Verdict {
  const reaches = (bound: number): boolean => (aim < must ? ratio <= bound : ratio >= bound);
  return reaches(aim) ? 'aim reached' : reaches(must) ? 'reached' : 'BELOW';
}

/** A line for people. */
export function lineOf(measured: Measured): string {
  const { name, unit, ours, peer, ratio, must, aim } = measured;
  const against = peer === undefined ? '' : `  ${peer.name} ${spread(peer.values)} ${unit}`;
  return `${name.padEnd(52)} ${ratio.toFixed(2).padStart(7)}  must ${must}  aim ${aim}  ${verdictOf(measured)}  ours ${spread(ours)} ${unit}${against}\n`;
}

/** The median, and the least and the most. */
function spread(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${short(median(values))} (${short(least)}–${short(most)})`;
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
