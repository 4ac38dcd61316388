/** How long hosts can go on while nothing is destaged: the raw segments are given out one by one, and none comes back. Pure. */
import { countText, durationText } from '../../platform/words.ts';

export interface JournalRoom {
  /** Raw segments at most, the open one included. */
  readonly segmentsMax: number;
  /** Of them, those that are closed and not destaged. */
  readonly closed: number;
  /** Closed in a millisecond, at the present rate; undefined: not known. */
  readonly rate: number | undefined;
}

export function journalRoomText({ segmentsMax, closed, rate }: JournalRoom): string {
  const left = Math.max(0, segmentsMax - 1 - closed);
  if (left === 0)
    return `all ${segmentsMax} journal segments are in use: what hosts write waits as soon as the open one is full`;
  const time =
    rate === undefined || rate <= 0 ? '' : ` (about ${durationText(left / rate / 1000)} at the present rate)`;
  return `hosts can write on, and what they write is sealed and sent, for ${countText(left, 'more journal segment', 'more journal segments')}${time}; after that their writes wait`;
}
