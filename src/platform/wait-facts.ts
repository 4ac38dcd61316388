/** What is told of a code: how bad it is, what it means, what to do. Pure. */

export const SEVERITIES = ['info', 'warning', 'error'] as const;
/** `info`: goes on by itself, as it should. `warning`: worth knowing, or soon worse. `error`: somebody must do something. */
export type Severity = (typeof SEVERITIES)[number];

export interface WaitFacts {
  readonly severity: Severity;
  /** What it means, a sentence. */
  readonly meaning: string;
  /** What to do about it, a sentence. */
  readonly remedy: string;
}

export const facts = (severity: Severity, meaning: string, remedy: string): WaitFacts => ({
  severity,
  meaning,
  remedy,
});

export const ITSELF = 'Nothing: it goes on by itself.';
