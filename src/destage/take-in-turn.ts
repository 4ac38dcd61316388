import { parseSealedName, type SegmentRange } from '../journal/names.ts';
import { SegmentRefused } from '../journal/segment/segment.ts';

export interface RefusedName {
  readonly name: string;
  readonly error: SegmentRefused;
}

/**
 * Does this with each of the segments, in order, up to one that is refused, or fails: that comes again, as the first. Returns why
 * the first is refused. @throws RangeError it is no segment's name; and what `act` throws, of the first
 */
export function takeInTurn(
  names: readonly string[],
  act: (name: string, range: SegmentRange) => void,
): RefusedName | undefined {
  for (const [at, name] of names.entries()) {
    const range = parseSealedName(name);
    try {
      if (range === undefined) throw new RangeError(`not a segment's name: ${name}`);
      act(name, range);
    } catch (error) {
      if (at > 0) return undefined;
      if (error instanceof SegmentRefused) return { name, error };
      throw error;
    }
  }
  return undefined;
}
