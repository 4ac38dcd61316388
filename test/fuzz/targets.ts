/** Every parser that is fuzzed. */
import type { TargetEntry } from './engine/target.ts';

const segment =
  (compressed: boolean, encrypted: boolean): TargetEntry['load'] =>
  async () =>
    (await import('./targets/segment.ts')).segmentTarget({ compressed, encrypted });

export const TARGETS: readonly TargetEntry[] = [
  { name: 'segment-plain', covers: ['src/journal/'], load: segment(false, false), inTests: 2000 },
  { name: 'segment-compressed', covers: ['src/journal/'], load: segment(true, false), inTests: 2000 },
  { name: 'segment-encrypted', covers: ['src/journal/'], load: segment(true, true), inTests: 2000 },
];
