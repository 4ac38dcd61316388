/** Starting programs: an argument vector, never a shell. */
export interface Processes {
  run(command: Command): Promise<CommandResult>;
}

export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** Added to this process's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds; then the program and its children get SIGTERM, and SIGKILL five seconds later. */
  readonly timeLimit: number;
  /** Called with every line that the program prints on either output. */
  readonly onLine: (line: string) => void;
  /** Ends the program as the time limit does. */
  readonly signal: AbortSignal;
}

/** `exited` with its code; `killed` by a signal that was not ours; `timed-out`; `aborted`; `not-started` with the reason. */
export type CommandResult =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'not-started'; readonly reason: string };
