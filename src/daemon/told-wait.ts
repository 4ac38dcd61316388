import type { Wait } from '../api/contract/status.ts';
import { factsOf } from '../platform/wait-codes.ts';

/** As whoever asks for a status is told of it. */
export function toldWait(wait: Omit<Wait, 'severity' | 'endsAt'> & { readonly endsAt?: number }): Wait {
  return { ...wait, severity: factsOf(wait.code).severity, endsAt: wait.endsAt ?? null };
}
