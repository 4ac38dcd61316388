/**
 * What a load's clients were told of their transactions: each client numbers them from 1, in its own column of a table, and
 * has one under way at a time. So what a database holds of a load is, of each client, how many of its first transactions.
 */

/** Of one client, in order: when each of its transactions was confirmed, by the clock of this machine. Milliseconds since 1970. */
export type Confirmed = readonly number[];

/** Of each client. */
export type Ledger = readonly Confirmed[];

/** What a database holds of one client's transactions. */
export interface Held {
  readonly count: number;
  readonly highest: number;
}

export interface Compared {
  readonly confirmed: number;
  /** Confirmed before the time that was asked about; each of them must be there. */
  readonly due: number;
  /** Confirmed, but not there: none of them due. */
  readonly lost: number;
  /** What is not as it must be. */
  readonly wrong: readonly string[];
}

/**
 * pgbench takes the wall clock once, when it begins, and counts on from there by a clock that nobody sets; what a time server
 * slews the wall clock by in the seconds since must not count. Milliseconds.
 */
const CLOCK_SLACK = 5;

/** The lines of a client's log: client, transaction, latency or why it failed, script, seconds and microseconds since 1970. */
export function readLog(text: string, clients: number): Ledger {
  const ledger = Array.from({ length: clients }, (): number[] => []);
  for (const line of text.split('\n')) {
    // What was being written when the client died.
    const [client, , latency, , seconds, micros] = line.split(' ');
    if (micros === undefined) continue;
    if (!/^\d+$/.test(latency ?? '')) throw new Error(`a transaction failed: ${line}`);
    const confirmed = ledger[Number(client)];
    if (confirmed === undefined) throw new Error(`there is no such client: ${line}`);
    confirmed.push(Number(seconds) * 1000 + Number(micros) / 1000);
  }
  return ledger;
}

/**
 * `before`: milliseconds since 1970, Infinity for all. A transaction that was under way may be there without having been
 * confirmed: one of each client.
 */
export function compareLedger(ledger: Ledger, held: ReadonlyMap<number, Held>, before: number): Compared {
  const wrong: string[] = [];
  let [confirmedInAll, dueInAll, lost] = [0, 0, 0];
  for (const [client, confirmed] of ledger.entries()) {
    const { count, highest } = held.get(client) ?? { count: 0, highest: 0 };
    const due = confirmed.filter((time) => time < before - CLOCK_SLACK).length;
    const says = `client ${client}: ${confirmed.length} confirmed, ${due} of them due, ${count} there`;
    if (highest !== count) wrong.push(`${says}, the highest is ${highest}: there are gaps`);
    if (count < due) wrong.push(`${says}: ${due - count} lost`);
    if (count > confirmed.length + 1) wrong.push(`${says}: more than it ever began`);
    confirmedInAll += confirmed.length;
    dueInAll += due;
    lost += Math.max(0, confirmed.length - count);
  }
  return { confirmed: confirmedInAll, due: dueInAll, lost, wrong };
}
