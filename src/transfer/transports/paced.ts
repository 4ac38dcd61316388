import type { Pace } from '../transport.ts';

/** The pieces of a chunk in the order and at the times that `pace` lets them go; the whole at once without one. */
export async function* paced(chunk: Buffer, pace: Pace | undefined): AsyncGenerator<Buffer> {
  let position = 0;
  while (position < chunk.length) {
    const wanted = chunk.length - position;
    const granted = pace === undefined ? wanted : await pace(wanted);
    yield chunk.subarray(position, position + granted);
    position += granted;
  }
}
