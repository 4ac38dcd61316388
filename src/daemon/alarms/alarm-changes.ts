/** Of what waits now and what waited before: what is raised and what is cleared, each told once. Pure. */
import type { Wait } from '../../api/contract/status.ts';

/** Milliseconds: what comes and goes within them is work, not an alarm. */
export const SETTLED = 3000;

export interface Alarm {
  /** Undefined: the group's as a whole. */
  readonly destination: string | undefined;
  readonly wait: Wait;
}

interface KnownAlarm {
  readonly alarm: Alarm;
  /** Monotonic: since when it has stood without a break. */
  readonly since: number;
  /** Monotonic; undefined: it stands. */
  readonly goneAt: number | undefined;
  readonly isLogged: boolean;
  readonly isTold: boolean;
}

/** By destination and code. */
export type KnownAlarms = ReadonlyMap<string, KnownAlarm>;

export interface AlarmChange {
  readonly kind: 'raise' | 'clear';
  readonly alarm: Alarm;
}

export interface AlarmStep {
  readonly known: KnownAlarms;
  readonly logged: readonly AlarmChange[];
  /** To whoever is called when an alarm is raised and when it is cleared. */
  readonly told: readonly AlarmChange[];
}

/** `now`: monotonic milliseconds. An error is logged at once, for what it stops is not to be undone. */
export function nextAlarms(before: KnownAlarms, standing: readonly Alarm[], now: number): AlarmStep {
  const known = new Map<string, KnownAlarm>();
  const logged: AlarmChange[] = [];
  const told: AlarmChange[] = [];
  for (const alarm of standing) {
    const key = keyOf(alarm);
    const old = before.get(key);
    // Whoever was told already is not told again of what was only away for a moment.
    const isUnbroken = old !== undefined && (old.goneAt === undefined || old.isTold);
    const since = isUnbroken ? old.since : now;
    const hasSettled = now - since >= SETTLED;
    const entry = {
      alarm,
      since,
      goneAt: undefined,
      isLogged: old?.isLogged === true || hasSettled || alarm.wait.severity === 'error',
      isTold: old?.isTold === true || hasSettled,
    };
    known.set(key, entry);
    if (entry.isLogged && old?.isLogged !== true) logged.push({ kind: 'raise', alarm });
    if (entry.isTold && old?.isTold !== true) told.push({ kind: 'raise', alarm });
  }
  for (const [key, old] of before) {
    if (known.has(key) || !old.isLogged) continue;
    const goneAt = old.goneAt ?? now;
    if (now - goneAt < SETTLED) known.set(key, { ...old, goneAt });
    else {
      logged.push({ kind: 'clear', alarm: old.alarm });
      if (old.isTold) told.push({ kind: 'clear', alarm: old.alarm });
    }
  }
  return { known, logged, told };
}

function keyOf({ destination, wait }: Alarm): string {
  return JSON.stringify([destination, wait.code]);
}
