/** What `blockferry` exits with. A contract with scripts: a number never changes its meaning. */
export const ExitCode = {
  ok: 0,
  /** Something that no other code names; the reason is on standard error. */
  failure: 1,
  usage: 2,
  unreachable: 3,
  groupUnknown: 4,
  /** A configuration, segment, report or answer that fails a check. */
  invalid: 5,
  /** The daemon understood and cannot do it: a marker on a destination, a group that stands still. */
  declined: 6,
  /** A replica is not what its source is, or not all of it was compared. */
  differs: 7,
  /** A drive is full, and the next one is wanted. */
  nextDrive: 8,
  /** A rehearsal failed: the recovery point is not proven to be of use. */
  notProven: 9,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends every --help. 69 is the launcher's. */
export const EXIT_CODES_HELP = `
Exit codes:
  0   done
  1   failed; the reason is on standard error
  2   the command line is wrong
  3   the daemon cannot be reached
  4   the daemon has no such group
  5   a configuration, a segment, a report or an answer failed a check
  6   the daemon declined: the group cannot do this (now)
  7   a replica differs from its source, or not all of it could be compared
  8   the drive is full: go on with the next one
  9   the rehearsal failed: its recovery point is not proven
  69  this Node is too old`;
