/** What a destination waits for; one of the tables of wait-codes.ts. Pure. */
import { facts, ITSELF } from './wait-facts.ts';

export const DESTINATION = {
  'not-consistent': facts(
    'info',
    'Existing data is still being brought over, or what was being applied was cut off: the volumes are no recovery point yet.',
    ITSELF,
  ),
  'seed-awaited': facts(
    'warning',
    'What the source’s volumes held comes on drives, and has not all been imported; what follows is received and waits.',
    'Import the drives: `blockferry seed import`.',
  ),
  'seed-import-failed': facts(
    'error',
    'A file of the seed cannot be read, or is not what was written.',
    'Try the drive again, or bring that file anew; then import it.',
  ),
  'seed-given-up': facts(
    'error',
    'The seed was given up: the volumes lack what it was to bring.',
    'Say `blockferry initialize` or `blockferry seed export` at the source.',
  ),
  'source-silent': facts(
    'info',
    'Nothing new has come for longer than the group’s objective: hosts are idle, or the source is away.',
    'Look at the source.',
  ),
  'disk-full': facts(
    'error',
    'There is no room for what arrives, so nothing is received.',
    'Make room, or raise the quota.',
  ),
  'receive-failed': facts('error', 'What arrives cannot be received.', 'Check the disk of the buffer.'),
  hole: facts(
    'warning',
    'Records have not arrived, and what follows them waits.',
    'Nothing for a minute: the source sends them again; then look at the link there.',
  ),
  'segment-refused': facts(
    'warning',
    'What comes next fails a check, and is set aside and asked for again.',
    'If it lasts, nobody may have it whole any more: look at the disks and the line, then begin again with a full copy.',
  ),
  'replica-differs': facts(
    'error',
    'A comparison found that a replica is not what its source has.',
    'The ranges are sent again by themselves; check the disks on both sides.',
  ),
  'inbox-crowded': facts(
    'warning',
    'Far more files lie in the inbox than are looked at.',
    'See who puts them there.',
  ),
  'volume-unknown': facts(
    'error',
    'The source sends a volume that has no place here.',
    'Name it in the configuration, and restart.',
  ),
  'volume-too-small': facts(
    'error',
    'A volume here is smaller than the source’s, as after a `volume resize` there; what was received waits.',
    'Make the device as large, at least; it goes on by itself.',
  ),
  'volume-not-sent': facts(
    'warning',
    'A volume is configured here that the source does not send.',
    'Add it at the source, or remove it here.',
  ),
  'snapshot-limit': facts(
    'error',
    'No further snapshot, or no more of what one keeps, can be held.',
    'Delete the snapshots that the message names.',
  ),
  'apply-failed': facts('error', 'What was received cannot be applied.', 'Check the disks of the volumes.'),
  'marker-running': facts(
    'info',
    'A marker’s program runs, and the volumes stand still meanwhile.',
    'Nothing: it ends at its time limit at the latest.',
  ),
  'markers-crowded': facts(
    'warning',
    'As many programs of earlier markers run as may, and the volumes stand still until one ends.',
    'Place markers less often, or give the programs shorter time limits.',
  ),
  'marker-stuck': facts(
    'error',
    'That a marker’s program runs or ran cannot be noted, so that the volumes stand still.',
    'Check the disk of the buffer.',
  ),
  'marker-failed': facts('warning', 'A marker’s program failed.', 'See in the log what it printed.'),
  'rehearsal-failed': facts(
    'error',
    'The last rehearsal failed: the recovery point could not be mounted, or its check did not pass.',
    'See the message, and in the log what the check printed; it is over when a rehearsal passes.',
  ),
  'snapshots-untidy': facts(
    'warning',
    'Deleted snapshots keep their room.',
    'Check the disk of the snapshots; it is tried again.',
  ),
  'destination-failed': facts(
    'error',
    'The destination cannot do its work.',
    'See the message; check its disks.',
  ),
  'destination-stalled': facts(
    'error',
    'A step has not ended for more than half a minute.',
    'See whether the disks of the group’s folder and volumes answer.',
  ),
} as const;
