/** Reading the destination's word, and refusing what is not. */
import type { EpochIdentity } from '../journal/ids.ts';
import { STATUS_FILE, STATUS_FOLDER } from '../journal/names.ts';
import {
  STATUS_SIZE_MAX,
  type DestinationStatus,
  type ServingStatus,
  type SiteStatus,
} from '../journal/status.ts';
import { describeError, OperatorError } from '../platform/errors.ts';
import { TransportError, type Transport } from './transport.ts';

export type StatusReading =
  | { readonly kind: 'accepted'; readonly status: DestinationStatus }
  /** It is no destination any more, but the source of an epoch of its own. */
  | { readonly kind: 'serving'; readonly status: ServingStatus }
  | { readonly kind: 'absent'; readonly code: 'no-status'; readonly message: string }
  /** Its size, its bytes or what they say: `status-refused`, or `status-replayed` for one older than `known`. */
  | {
      readonly kind: 'refused';
      readonly code: 'status-refused' | 'status-replayed';
      readonly message: string;
      /** It is authentic, and of another group. */
      readonly foreign?: SiteStatus;
    };

export interface StatusExpected {
  readonly groupId: string;
  /** What this source serves in: of one that follows another, nothing is taken. */
  readonly epoch: EpochIdentity;
  /** @throws OperatorError when the status file is damaged or not authentic */
  readonly decode: (bytes: Buffer) => SiteStatus;
  /** The newest status seen. */
  readonly known: () => DestinationStatus | undefined;
}

const ABSENT: StatusReading = {
  kind: 'absent',
  code: 'no-status',
  message: 'the destination has not written a status file yet: is it running?',
};

/**
 * I12: a status that is forged, of another group, or written before the newest one known is not accepted, and whatever is
 * in its place stops nothing. @throws TransportError when the server cannot be asked
 */
export async function readStatus(
  transport: Transport,
  expected: StatusExpected,
  signal: AbortSignal,
): Promise<StatusReading> {
  try {
    const bytes = await transport.readSmall(`${STATUS_FOLDER}/${STATUS_FILE}`, STATUS_SIZE_MAX, signal);
    return bytes === undefined ? ABSENT : judge(expected.decode(bytes), expected);
  } catch (error) {
    const isRefusal =
      error instanceof OperatorError || (error instanceof TransportError && error.code === 'TooLarge');
    if (!isRefusal) throw error;
    return { kind: 'refused', code: 'status-refused', message: describeError(error) };
  }
}

/** Of one that lost its group's folder, or was given the folder of another group of this name. */
function ofAnother(status: SiteStatus): string {
  const upTo = status.role === 'destination' ? `, up to record ${status.applied}` : '';
  return `the status file is of another group (id ${status.groupId}): the destination holds what another source wrote${upTo}, and takes nothing from here. If this side lost the group's folder, \`blockferry failover\` there and then \`blockferry rejoin\` here get that back, and keep aside what hosts wrote here; to go on with what is here, move the group's folder away there; or let each group have a folder of its own at the destination`;
}

function judge(status: SiteStatus, { groupId, epoch, known }: StatusExpected): StatusReading {
  if (status.groupId !== '' && status.groupId !== groupId) {
    return { kind: 'refused', code: 'status-refused', message: ofAnother(status), foreign: status };
  }
  if (status.role === 'destination' && status.epoch !== undefined && status.epoch.id !== epoch.id) {
    const message = `the other side still follows epoch ${status.epoch.number}; this side serves in epoch ${epoch.number}`;
    return { kind: 'refused', code: 'status-refused', message };
  }
  const newest = known()?.sequence ?? 0;
  if (status.sequence >= newest)
    return status.role === 'source' ? { kind: 'serving', status } : { kind: 'accepted', status };
  const what = `the destination's status file is older (number ${status.sequence}) than one already seen (${newest})`;
  const todo =
    'find out who put it back; or, if the destination was restored from a backup while its clock was behind, set that clock right and restart blockferry there';
  return { kind: 'refused', code: 'status-replayed', message: `${what}; ${todo}` };
}
