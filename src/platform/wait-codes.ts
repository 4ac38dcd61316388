/** Every reason for which something stands still, and every alarm: the one list of codes, which stay what they are. Pure. */
import { DESTINATION } from './destination-wait-codes.ts';
import { facts, ITSELF, type WaitFacts } from './wait-facts.ts';

const BUFFER = {
  'buffer-80': facts(
    'warning',
    'The buffer is 80 % full, or its file system has that little left.',
    'See what keeps the backlog from going over, make the quota or the disk larger, or open the link’s schedule.',
  ),
  'buffer-95': facts(
    'error',
    'The buffer is 95 % full; when it is full, what `when-full` says happens, and a destination receives nothing more.',
    'As for buffer-80, now.',
  ),
} as const;

const LAG = {
  lag: facts(
    'warning',
    'The newest write that the destination has applied is older than the group’s objective.',
    'See the other waits for what holds it up; if there is none, the line or the destination is too slow for what hosts write.',
  ),
} as const;

const VOLUMES = {
  'volume-offline': facts(
    'error',
    'A volume cannot be opened or written: nothing is destaged into it.',
    'Bring it back under the path that the configuration names; it is tried again every two seconds.',
  ),
  'volume-unreadable': facts(
    'error',
    'A destination’s disk gave an error where a volume was read to be compared: the range counts as differing, and the source sends it again.',
    'Check the disk that the message names. Writing there often mends a sector; it is over when the range was read again.',
  ),
  'volume-full': facts(
    'error',
    'There is no room on the file system of a volume or of its snapshots.',
    'Make room there, or delete snapshots.',
  ),
} as const;

const SOURCE = {
  'initial-copy': facts('info', 'What the volumes held before is being brought over.', ITSELF),
  delta: facts(
    'info',
    'What was marked, while the buffer was full or for an interval, is being brought over.',
    ITSELF,
  ),
  'interval-skipped': facts(
    'warning',
    'An interval passed without a delta, because the one before it was still on its way.',
    'Make the interval longer, or see what keeps the delta before from getting over.',
  ),
  'delta-given-up': facts(
    'warning',
    'A delta was given up on its way: most often, there was no room to keep what hosts overwrote meanwhile.',
    'Make room where the message says; the next interval brings over all that is marked.',
  ),
  'seed-drive': facts(
    'warning',
    'The drive that a seed is written to is full.',
    'Bring the next one, and say `blockferry seed export` with its folder.',
  ),
  'seed-failed': facts(
    'error',
    'The seed cannot be written.',
    'See the message; the same command goes on where it was.',
  ),
  'copy-failed': facts(
    'error',
    'A volume cannot be read to bring over what it holds.',
    'Mend the volume; it is tried again every two seconds.',
  ),
  comparing: facts(
    'warning',
    'A copy that sends what differs waits until every destination has said what it holds.',
    'See why the destination that the message names does not get on, or say `blockferry initialize` without `--compare`.',
  ),
  verifying: facts('info', 'The volumes are being compared with the destinations’ copies.', ITSELF),
  'verify-failed': facts(
    'error',
    'A volume cannot be read to be compared with the destinations’ copies.',
    'Mend the volume; it is tried again every two seconds.',
  ),
  'source-differs': facts(
    'error',
    'A volume of the source holds what no host wrote: its disk, or something else on the machine, changed it.',
    'Write the good data back, out of a mount of a recovery point say, or leave it; then `blockferry verify GROUP --accept`. Check the disk.',
  ),
  'snapshots-given-up': facts(
    'error',
    'The source gave up snapshots of its own, the oldest first, because there was no room to keep what hosts overwrite; it is over with the next that is made.',
    'Make room where the message says, or give the group a `retention` that keeps less.',
  ),
  'hosts-waiting': facts(
    'info',
    'What hosts write waits, because every journal segment is in use until the source’s own volumes have caught up.',
    'If it stays, the volumes are slower than the hosts, or one of them is offline.',
  ),
  'buffer-full': facts(
    'error',
    'The buffer has reached its quota and hosts’ writes are refused.',
    'See what keeps the backlog from going over, or make the quota larger and `blockferry reload`.',
  ),
  'buffer-disk-full': facts(
    'error',
    'The file system of the buffer is full.',
    'Make room on it; nothing in the group’s folder may be removed by hand.',
  ),
  'buffer-moving': facts(
    'info',
    'The buffer is being moved to the folder that the configuration names.',
    ITSELF,
  ),
  'buffer-move-failed': facts(
    'warning',
    'The buffer cannot be moved to the folder that the configuration names: the group goes on where it was.',
    'Do what the message says, and it is tried again every minute; or name the old folder again and `blockferry reload`.',
  ),
  'change-map': facts(
    'error',
    'The buffer or its disk was full: what hosts change is marked in the change map, and is brought over later.',
    'See what keeps the backlog from going over; what is marked follows by itself when the buffer is half empty.',
  ),
  'journal-failed': facts(
    'error',
    'The journal cannot be relied on any more; hosts’ writes are refused.',
    'Check the disk of the buffer, and restart blockferry.',
  ),
  'seal-failed': facts(
    'error',
    'A replication file cannot be written.',
    'Check the disk of the buffer; it is tried again every two seconds.',
  ),
  'source-stalled': facts(
    'error',
    'A step has not ended for more than half a minute, or the thread that serves hosts does not answer.',
    'See whether the disks of the buffer and the volumes answer.',
  ),
  'destage-failed': facts(
    'error',
    'What hosts wrote cannot be brought into the source’s own volumes.',
    'Check the disks of the volumes; it is tried again every two seconds.',
  ),
  'release-failed': facts(
    'error',
    'A file of the journal, all of which is in the source’s own volumes, cannot be used again.',
    'Check the disk of the buffer; it is tried again every two seconds.',
  ),
} as const;

const ROLE = {
  turning: facts('info', 'This side changes its part in the group.', ITSELF),
  'handing-over': facts(
    'info',
    'The source serves nobody any more and waits until its destination has everything and serves.',
    'See what keeps the link or the destination; if it does not come back, `blockferry failover` here.',
  ),
  'handing-back': facts(
    'info',
    'The volumes are restored here, and the other side is to serve them again: this side does until that follows.',
    'Start it, and say `blockferry rejoin` there if it waits for that; `blockferry switchover` there later changes its mind.',
  ),
  deposed: facts(
    'error',
    'The other side took over; here hosts wrote what it does not have, so that this side neither serves nor follows.',
    'Look at what was written, then `blockferry rejoin` here, which keeps it aside, or `blockferry failover` here.',
  ),
  'group-lost': facts(
    'error',
    'The group’s folder is new on this side, its source, but the destination holds what an earlier one wrote: nobody is served.',
    'To get that back: `blockferry failover` at the destination, if it does not serve yet, and then `blockferry rejoin` here. To begin anew with what is here, move the group’s folder away at the destination.',
  ),
  'rolling-back': facts(
    'info',
    'The volumes are being brought back to a recovery point: nobody is served until they are.',
    'Nothing: hosts are served then. To call it off, `blockferry rollback` to the snapshot of what was before, which the message names.',
  ),
  'rollback-failed': facts(
    'error',
    'The volumes cannot be brought back to the recovery point now: nobody is served.',
    'See the message; it is tried again every few seconds. Or `blockferry rollback` to another point.',
  ),
  'turn-failed': facts(
    'error',
    'This side is to change its part in the group, and cannot.',
    'See the message; it is tried again every few seconds.',
  ),
} as const;

const LINK = {
  'schedule-closed': facts('info', 'The schedule has the link closed.', ITSELF),
  backlog: facts('info', 'Replication files wait to be sent, and are being sent.', ITSELF),
  'link-down': facts(
    'warning',
    'The server cannot be reached, or a connection to it broke.',
    'Start the server, or mend the line; `blockferry link test` tries every step.',
  ),
  'link-auth': facts(
    'error',
    'The server does not take the login, or does not let it do what is needed.',
    'Correct the user, the password or the rights, and try them with `blockferry link test`.',
  ),
  'link-busy': facts(
    'warning',
    'The server has no connection to spare.',
    'Let it take more, or lower `parallel`.',
  ),
  'link-error': facts(
    'error',
    'The server answers in a way that is of no use.',
    'Read what it says; `blockferry link test` tries every step.',
  ),
  'destination-full': facts('warning', 'The destination, or the server, has no room.', 'Make room there.'),
  'segment-unreadable': facts(
    'error',
    'A replication file in the buffer is not what was written there.',
    'Check the disk of the buffer; the destination needs a full copy if the file cannot be got back.',
  ),
  'no-status': facts(
    'warning',
    'The destination has not written a status file yet.',
    'Start the destination, and see that both sides mean the same folder.',
  ),
  'status-refused': facts(
    'error',
    'The destination’s status file is not authentic, or of another group, or damaged.',
    'Give both sides the same key, and each group a folder of its own.',
  ),
  'status-replayed': facts(
    'error',
    'The destination’s status file is older than one that was seen before.',
    'Find out who put it back; after a restore, see that the destination’s clock is right.',
  ),
  'status-unnoted': facts(
    'warning',
    'What the destination said cannot be noted on this disk.',
    'Make room on the disk of the buffer, or mend it.',
  ),
  'peer-serves': facts(
    'warning',
    'The other side serves hosts, in an epoch of its own, and receives nothing.',
    'Nothing while it is giving way; else see `blockferry status` there: only one of the two may serve hosts.',
  ),
  'records-gone': facts(
    'error',
    'The destination lacks records that are kept nowhere any more.',
    'Say `blockferry rejoin` at the destination: it keeps what it holds aside, and all that differs is brought over. Or restore it from a newer backup.',
  ),
} as const;

export const WAIT_CODES = {
  ...BUFFER,
  ...LAG,
  ...SOURCE,
  ...ROLE,
  ...LINK,
  ...VOLUMES,
  ...DESTINATION,
} as const;

export type WaitCode = keyof typeof WAIT_CODES;

/** What a source says of a destination's own wait. */
export const FROM_DESTINATION = 'destination: ';

/** Of a code of ours, or of one that a destination sent, whose version may know more of them than this one. */
export function factsOf(code: string): WaitFacts {
  const own = code.startsWith(FROM_DESTINATION) ? code.slice(FROM_DESTINATION.length) : code;
  return Object.hasOwn(WAIT_CODES, own) ? WAIT_CODES[own as WaitCode] : UNKNOWN;
}

const UNKNOWN = facts(
  'warning',
  'The other side waits for a reason that this version does not know.',
  'See the message.',
);
