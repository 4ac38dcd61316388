/** Every parser that is fuzzed. */
import type { TargetEntry } from './engine/target.ts';

export const TARGETS: readonly TargetEntry[] = [];
