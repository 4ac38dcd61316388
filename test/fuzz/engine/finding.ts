/** Something that a parser must not do, and the input that makes it. */
export interface Finding {
  readonly target: string;
  /** `hang` and `out-of-memory` end the run of their target. */
  readonly kind: 'exception' | 'memory' | 'slow' | 'hang' | 'out-of-memory';
  /** The same for what is most likely the same mistake. */
  readonly signature: string;
  readonly message: string;
  readonly input: Buffer;
}

/** What is wrong with one execution, or nothing. */
export type Verdict = Omit<Finding, 'target' | 'input'> | undefined;

/** The error's class and the innermost functions that are not Node's: messages hold numbers that differ. */
export function signatureOf(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${typeof error}`;
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !line.includes('node:'));
  const places = frames.slice(0, 3).map((line) =>
    line
      .trim()
      .replace(/^at (?:async )?/, '')
      .replace(/file:\/\/\S*?\/(?=src|test|node_modules)/, ''),
  );
  return [error.name, ...places].join(' < ');
}

export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
