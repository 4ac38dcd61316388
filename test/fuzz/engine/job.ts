/** What the watching thread and the one that fuzzes say to each other. */
import type { Finding } from './finding.ts';

/** Bytes of the current input that the watching thread can see. */
export const INPUT_MAX = 1024 * 1024;

/** Places in {@link Job.progress}. */
export const STARTED = 0;
export const INPUT_LENGTH = 1;

export interface Job {
  /** Module that exports `TARGETS`. */
  readonly targets: string;
  readonly name: string;
  readonly executions: number;
  readonly seed: number;
  /** Whether branches are counted; without it inputs are chosen blindly, from the corpus. */
  readonly guided: boolean;
  readonly saveCorpus: boolean;
  /** Shared: executions begun, and the current input's length. */
  readonly progress: Int32Array;
  /** Shared: the current input. */
  readonly input: Uint8Array;
}

export interface Outcome {
  readonly executions: number;
  readonly seconds: number;
  /** Branches that were taken, of those that there are. */
  readonly taken: number;
  readonly branches: number;
  /** Inputs that together take every branch that was taken. */
  readonly corpus: number;
  /** Of these inputs: the same for the same seed and program. */
  readonly digest: string;
}

export type Message =
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'done'; readonly outcome: Outcome };
