/**
 * What a source does about its buffer. Pure.
 *
 * `open`: writes are taken and replicated. `refusing`: writes fail with "no space" until there is room. `suspended`: writes
 * are taken and go to the source's own volumes alone; a full copy follows.
 */
export type BufferState = 'open' | 'refusing' | 'suspended';

export interface BufferFacts {
  readonly state: BufferState;
  /** Bytes of sealed segments. */
  readonly used: number;
  /** Bytes that the file system has left. */
  readonly free: number;
  readonly quota: number;
  /** The most that one more segment can take, bytes. */
  readonly segmentBytesMax: number;
  readonly whenFull: 'refuse-writes' | 'suspend-replication';
}

/** Of the quota: below this it is worth beginning again. */
const REFUSING_LEFT_AT = 0.8;
const SUSPENDED_LEFT_AT = 0.5;
/** Segments that can still come after writes are refused: those that are open or waiting to be sealed. */
const SEGMENTS_IN_FLIGHT = 2;

export function bufferDecision(facts: BufferFacts): BufferState {
  const { state, used, quota } = facts;
  const full = used + SEGMENTS_IN_FLIGHT * facts.segmentBytesMax > quota;
  if (state === 'open')
    return full ? (facts.whenFull === 'refuse-writes' ? 'refusing' : 'suspended') : 'open';
  // A disk that is full for another reason would end a new copy as it ended the journal.
  const room = state === 'refusing' || facts.free >= SEGMENTS_IN_FLIGHT * facts.segmentBytesMax;
  return room && !full && used < quota * (state === 'refusing' ? REFUSING_LEFT_AT : SUSPENDED_LEFT_AT)
    ? 'open'
    : state;
}
