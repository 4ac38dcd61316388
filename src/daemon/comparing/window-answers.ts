/** What the destinations' statuses say of a window that a comparing copy asked about. Pure. */
import type { AskedWindow, WindowOutcome } from '../../capture/comparing-copy.ts';
import { pieceBits, type CompareAnswer } from '../../journal/compare-answer.ts';
import type { RegionBits } from '../../journal/region-bits.ts';
import type { DestinationStatus } from '../../journal/status.ts';

export type Answers = ReadonlyMap<
  string,
  Pick<DestinationStatus, 'applied' | 'comparison' | 'resync'> | undefined
>;

/** Of those that a copy compares with, which names this resync: whoever asks for another has nothing to compare before that. */
export function comparedWith(answers: Answers, resync: string | undefined): Answers {
  const some = new Map(
    [...answers].filter(([, status]) => status?.resync === undefined || status.resync.id === resync),
  );
  // With nobody there would be no end to it.
  return some.size === 0 ? answers : some;
}

/** Destinations that have not come to the window's end. */
export function waitsFor({ last }: AskedWindow, answers: Answers): string[] {
  return [...answers].flatMap(([name, status]) =>
    status === undefined || status.applied < last ? name : [],
  );
}

/** What all of them say, which have come to its end. What one of them does not speak of is neither equal nor differs. */
export function outcomeOf({ window, pieces }: AskedWindow, answers: Answers): WindowOutcome {
  const told = [...answers.values()].map((status) => bitsOf(status?.comparison, window, pieces));
  const [equal, differing] = [pieceBits('', pieces), pieceBits('', pieces)];
  for (let piece = 0; piece < pieces; piece += 1) {
    const isOther = told.some((answer) => answer?.differing.has(piece) === true);
    differing.set(piece, isOther);
    equal.set(piece, !isOther && told.every((answer) => answer?.compared.has(piece) === true));
  }
  return { window, equal: equal.bytes, differing: differing.bytes };
}

function bitsOf(
  answer: CompareAnswer | undefined,
  window: number,
  pieces: number,
): { readonly compared: RegionBits; readonly differing: RegionBits } | undefined {
  if (answer?.window !== window) return undefined;
  return { compared: pieceBits(answer.compared, pieces), differing: pieceBits(answer.differing, pieces) };
}
