/** Values from outside that a schema (zod) refuses: it may have as much against one as it is long, and all of it in memory. */
import { z } from 'zod';
import { describeError } from './errors.ts';

const ISSUES_MAX = 3;
const LENGTH_MAX = 500;

/** What is wrong, in few words. */
export function whyInvalid(error: unknown): string {
  const text = error instanceof z.ZodError ? firstIssues(error) : describeError(error);
  return text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}…` : text;
}

function firstIssues({ issues }: z.ZodError): string {
  const told = z.prettifyError(new z.ZodError(issues.slice(0, ISSUES_MAX)));
  return issues.length > ISSUES_MAX ? `${told}\nand ${issues.length - ISSUES_MAX} more` : told;
}

/** A list of at most `max` entries. It is refused by its length before any of them is looked at. */
export function shortList<T extends z.ZodType>(entry: T, max: number) {
  return z
    .custom<z.input<T>[]>((value) => Array.isArray(value) && value.length <= max, `no list of at most ${max}`)
    .pipe(z.array(entry));
}
