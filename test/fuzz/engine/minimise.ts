/** The shortest and plainest input that still shows the same. */

/** Executions spent on one input. */
const TRIES_MAX = 1000;
const PLAIN = 0x30;

/** `shows`: whether an input still does what `input` does. */
export async function minimise(input: Buffer, shows: (input: Buffer) => Promise<boolean>): Promise<Buffer> {
  let best = input;
  let tries = 0;
  const attempt = async (candidate: Buffer): Promise<boolean> => {
    tries += 1;
    if (tries > TRIES_MAX || !(await shows(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let piece = Math.ceil(best.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let at = 0; at < best.length && tries <= TRIES_MAX;) {
      const without = Buffer.concat([best.subarray(0, at), best.subarray(at + piece)]);
      if (!(await attempt(without))) at += piece;
    }
  }
  for (let at = 0; at < best.length && tries <= TRIES_MAX; at += 1) {
    if (best[at] === 0 || best[at] === PLAIN) continue;
    const zeroed = Buffer.from(best);
    zeroed[at] = 0;
    if (await attempt(zeroed)) continue;
    const plain = Buffer.from(best);
    plain[at] = PLAIN;
    await attempt(plain);
  }
  return best;
}
