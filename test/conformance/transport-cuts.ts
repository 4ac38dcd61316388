/** A transfer that ends at any byte, by a cut or by a caller who changes his mind. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { TransportError } from '../../src/transfer/transport.ts';
import { MIB, rejectsWith } from './transport-bench.ts';
import type { Subject } from './transport-subject.ts';

/** Transfers under way when it is cut, and the longest of them, bytes. */
const AT_ONCE = 3;
const SIZE_MAX = 5 * MIB;
/** Many transfers are over before the cut reaches them. */
const ROUNDS_PER_CUT_MAX = 20;

interface Sending {
  readonly name: string;
  readonly content: Buffer;
  /** What was published under the name before. */
  readonly old: Buffer | undefined;
}

/** How a transport is cut. */
export interface Cutting {
  readonly cuts: number;
  /** Ends, from outside, whatever is under way. */
  readonly cut: () => Promise<void> | void;
}

export function describeCuts(subject: Subject, cutting: Cutting): void {
  describe('cut at random bytes', () => {
    it(`brings everything after ${cutting.cuts} cuts, once, and publishes nothing by halves (I6)`, async () => {
      const published = new Map<string, Buffer>();
      let cuts = 0;
      for (let round = 0; cuts < cutting.cuts; round++) {
        assert.ok(round < ROUNDS_PER_CUT_MAX * cutting.cuts, `only ${cuts} cuts met a transfer`);
        const sendings = Array.from({ length: AT_ONCE }, (_, index) => {
          // The last one replaces what is there.
          const name = `inbox/cut-${index === 0 ? 'again' : `${round}-${index}`}.seg`;
          return { name, content: randomBytes(randomSize()), old: published.get(name) };
        });
        const failed = await cutWhileSending(subject, sendings, cutting.cut);
        cuts += failed.length;
        for (const sending of failed) {
          loseUnsynced(subject, sending.name);
          await subject.put(sending.content, sending.name);
        }
        for (const { name, content } of sendings) {
          assert.ok(subject.bench.peek(name)?.equals(content), `${name} differs after the cut`);
          published.set(name, content);
        }
      }
      const names = subject.bench.names('inbox').filter((name) => name.startsWith('cut-'));
      assert.deepEqual(names.sort(), [...published.keys()].map((name) => name.slice('inbox/'.length)).sort());
    });
  });

  it('cancelled at any moment, leaves the old file or has published the new one', async () => {
    let old = randomBytes(1000);
    await subject.put(old, 'inbox/cancelled.seg');
    for (let round = 0; round < 25; round++) {
      const fresh = randomBytes(randomSize());
      const cancel = new AbortController();
      const source = subject.local.make(fresh);
      const sending = subject.transport.put(source, 'inbox/cancelled.seg', { signal: cancel.signal });
      const outcome = Promise.allSettled([sending]);
      for (let turns = randomInt(200); turns > 0; turns--) await turn();
      cancel.abort();
      const [{ status }] = await outcome;
      if (status === 'rejected') await rejectsWith('Cancelled', sending);
      else old = fresh;
      assert.ok(subject.bench.peek('inbox/cancelled.seg')?.equals(old), `round ${round}: ${status}`);
    }
    await subject.put(old, 'inbox/cancelled.seg');
    assert.ok(!subject.bench.names('inbox').includes('cancelled.seg.part'));
  });
}

/** Small ones as often as large ones. */
function randomSize(): number {
  return Math.floor(SIZE_MAX ** (randomInt(1_000_000) / 1_000_000));
}

/** Cuts when a random one of them has reached a random byte; returns those that were refused. */
async function cutWhileSending(
  subject: Subject,
  sendings: readonly Sending[],
  cut: () => Promise<void> | void,
): Promise<Sending[]> {
  let settled = 0;
  const results = sendings.map(({ name, content }) =>
    subject.put(content, name).then(
      () => void (settled += 1),
      (error: unknown) => {
        settled += 1;
        assert.ok(error instanceof TransportError, `not a TransportError: ${String(error)}`);
        assert.ok(error.retryable || error.code === 'Cancelled', `${error.code}: ${error.message}`);
        return error;
      },
    ),
  );
  const watched = sendings[randomInt(sendings.length)]!;
  const bytes = randomInt(watched.content.length + 1);
  while (settled === 0 && subject.bench.size(`${watched.name}.part`) < bytes) await turn();
  await cut();
  const errors = await Promise.all(results);
  return sendings.filter(({ name, content, old }, index) => {
    const seen = subject.bench.peek(name);
    // Of a publication the answer may have been lost.
    const whole = seen === undefined || (old !== undefined && seen.equals(old)) || seen.equals(content);
    assert.ok(whole, `${name} is published by halves after a cut at ${bytes} bytes`);
    return errors[index] !== undefined;
  });
}

/** A server that goes down may keep less of a part than it had said. */
function loseUnsynced(subject: Subject, name: string): void {
  const held = subject.bench.size(`${name}.part`);
  if (held > 0 && randomInt(2) === 0) subject.bench.shorten(`${name}.part`, randomInt(held));
}
