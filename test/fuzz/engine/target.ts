/** What is fuzzed: one parser, or a group of them that belong together. */
import type { Prng } from './prng.ts';

export interface FuzzTarget {
  /** Inputs to begin with, made by the real encoders, so that a change of format changes them too. */
  readonly seeds: readonly Buffer[];
  /** Words of the format, besides those that the parser's own text has. */
  readonly dictionary?: readonly Buffer[];
  /** Bytes of an input at most. */
  readonly lengthMax: number;
  /** Bytes of memory that the execution of an input may ask for, all of it together; more is a finding. */
  readonly memory: (input: Buffer) => number;
  /** Milliseconds that one execution may take; more, every time it is tried again, is a finding. Default 2000. */
  readonly timeLimit?: number;
  /** A mutation that knows the format; used in turn with those that do not. */
  readonly mutate?: Mutate;
  /** Throws when the parser breaks one of its promises. Parsers' own refusals are expected, and checked, here. */
  run(input: Buffer): void | Promise<void>;
  close?(): void | Promise<void>;
}

export interface MutationTools {
  readonly prng: Prng;
  /** Words of the format and of the parser's text. */
  readonly words: readonly Buffer[];
  /** Another input that did something new. */
  readonly other: Buffer;
}

export type Mutate = (input: Buffer, tools: MutationTools) => Buffer;

/** Where a target is, and what of the product it makes run. */
export interface TargetEntry {
  readonly name: string;
  /** Modules whose branches are counted, by the beginnings of their paths below the repository's root. */
  readonly covers: readonly string[];
  readonly load: () => Promise<FuzzTarget>;
  /** Executions in the tests, which take a second or less. */
  readonly inTests: number;
}
