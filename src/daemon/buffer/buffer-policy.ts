/**
 * What a source does about its buffer. Pure.
 *
 * `open`: writes are taken and replicated. `refusing`: writes fail with "no space" until there is room. `change-map`: writes
 * are taken and go to the source's own volumes alone; what they change is marked, and brought over when there is room.
 */
export type BufferState = 'open' | 'refusing' | 'change-map';

export interface BufferFacts {
  readonly state: BufferState;
  /** Bytes of sealed segments. */
  readonly used: number;
  /** Bytes of the journal that are closed and not sealed. */
  readonly unsealed: number;
  /** Bytes that the file system has left. */
  readonly free: number;
  readonly quota: number;
  /** The most that one more segment can take, bytes. */
  readonly segmentBytesMax: number;
  readonly whenFull: 'refuse-writes' | 'change-map';
}

/** Of the quota: below this it is worth beginning again. */
export const REFUSING_LEFT_AT = 0.8;
export const CHANGE_MAP_LEFT_AT = 0.5;
/** Segments that can still come after writes are refused: those that are open or waiting to be sealed. */
const SEGMENTS_IN_FLIGHT = 2;
/** Of what the buffer takes before it is full: as far as a copy may fill it. */
const COPY_SHARE = 0.5;

export function bufferDecision(facts: BufferFacts): BufferState {
  const { state, used, quota, unsealed, whenFull } = facts;
  // What was acknowledged is sealed after writes are refused, too; with a change map it is marked instead.
  const full = used + (whenFull === 'refuse-writes' ? unsealed : 0) > usable(facts);
  if (state === 'open') return full ? (whenFull === 'refuse-writes' ? 'refusing' : 'change-map') : 'open';
  // A disk that is full for another reason would end a new copy as it ended the journal.
  const room = state === 'refusing' || facts.free >= SEGMENTS_IN_FLIGHT * facts.segmentBytesMax;
  return room && !full && used < quota * (state === 'refusing' ? REFUSING_LEFT_AT : CHANGE_MAP_LEFT_AT)
    ? 'open'
    : state;
}

/** Bytes that may be journalled, what waits to be sealed included, until a copy stands still: it never fills the buffer alone. */
export function copyRoom(facts: Pick<BufferFacts, 'used' | 'quota' | 'segmentBytesMax'>): number {
  return Math.max(0, COPY_SHARE * usable(facts) - facts.used);
}

function usable({ quota, segmentBytesMax }: Pick<BufferFacts, 'quota' | 'segmentBytesMax'>): number {
  return quota - SEGMENTS_IN_FLIGHT * segmentBytesMax;
}
