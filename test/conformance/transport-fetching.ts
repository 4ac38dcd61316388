/** The part of the suite of {@link Transport} that is about files that are brought here. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { TransportError, type LocalFile } from '../../src/transfer/transport.ts';
import { cancelled } from '../../src/transfer/transports/refusals.ts';
import { MIB, never, rejectsWith } from './transport-bench.ts';
import type { Cutting } from './transport-cuts.ts';
import type { Subject } from './transport-subject.ts';

/** What every setting of a server is put to, and what is the same code over all of them and is tested over one alone. */
export function describeFetching(
  subject: Subject,
  { cuts, cut }: Cutting,
  { isThorough }: { readonly isThorough: boolean },
): void {
  describe('fetching', () => {
    describeBytes(subject, { cuts, cut });
    if (isThorough) describeRefusals(subject);
  });
}

const get = (subject: Subject, name: string, target: LocalFile): Promise<void> =>
  subject.transport.get(name, target, { signal: never });

/** What a cut transfer left here of a file of `size` bytes. */
const targetWith = (subject: Subject, held: Buffer, size: number): LocalFile => ({
  ...subject.local.make(held),
  size,
});

const freshTarget = (subject: Subject, size: number): LocalFile => ({ path: subject.local.unused(), size });

function describeBytes(subject: Subject, { cuts, cut }: Cutting): void {
  it('brings a file here byte by byte, an empty one too, several at once, and leaves it at the server', async () => {
    const contents = [0, 1, 300_001].map((size) => randomBytes(size));
    for (const [index, content] of contents.entries()) subject.bench.plant(`outbox/${index}.seg`, content);
    const targets = contents.map(({ length }) => freshTarget(subject, length));
    await Promise.all(targets.map((target, index) => get(subject, `outbox/${index}.seg`, target)));
    for (const [index, content] of contents.entries()) {
      assert.ok(readFileSync(targets[index]!.path).equals(content));
      assert.ok(subject.bench.peek(`outbox/${index}.seg`)?.equals(content));
    }
  });

  it('goes on from what is here, and begins again when that is more than there is, or little', async () => {
    const content = randomBytes(3 * MIB);
    subject.bench.plant('outbox/resumed.seg', content);
    const told: number[] = [];
    const resumed = targetWith(subject, content.subarray(0, 2 * MIB), content.length);
    await subject.transport.get('outbox/resumed.seg', resumed, {
      signal: never,
      onProgress: (bytes) => void told.push(bytes),
    });
    assert.ok(told[0]! >= MIB && told.at(-1) === content.length, `it began again: ${told.join()}`);
    assert.ok(readFileSync(resumed.path).equals(content));
    const small = content.subarray(0, 100_000);
    subject.bench.plant('outbox/small.seg', small);
    for (const held of [randomBytes(MIB), randomBytes(50_000)]) {
      const target = targetWith(subject, held, small.length);
      await get(subject, 'outbox/small.seg', target);
      assert.ok(readFileSync(target.path).equals(small));
    }
  });

  it(`brings the whole after being cut at random bytes`, async () => {
    const content = randomBytes(2 * MIB);
    subject.bench.plant('outbox/cut.seg', content);
    for (let round = 0; round < cuts; round++) {
      const target = freshTarget(subject, content.length);
      const at = randomInt(content.length);
      let cutting: Promise<void> | undefined;
      const getting = subject.transport.get('outbox/cut.seg', target, {
        signal: never,
        onProgress: (bytes) => {
          if (bytes >= at) cutting ??= Promise.resolve(cut());
        },
      });
      const failure = await getting.catch((error: unknown) => error);
      await cutting;
      // It may have been whole before the cut came through.
      if (failure !== undefined) {
        assert.ok(failure instanceof TransportError);
        assert.ok(failure.retryable || failure.code === 'Cancelled', `${failure.code}: ${failure.message}`);
        await get(subject, 'outbox/cut.seg', target);
      }
      assert.ok(readFileSync(target.path).equals(content), `round ${round}: it differs after a cut at ${at}`);
    }
  });
}

function describeRefusals(subject: Subject): void {
  it('NotFound: of a file that is absent, and makes none here', async () => {
    const target = freshTarget(subject, 10);
    await rejectsWith('NotFound', get(subject, 'outbox/absent.seg', target));
    await rejectsWith('NotFound', get(subject, 'folderless/absent.seg', target));
    assert.equal(existsSync(target.path), false);
  });

  it('TooLarge, Integrity: of a file that is longer or shorter than was listed, of which it writes nothing (I12)', async () => {
    subject.bench.plant('outbox/sized.seg', Buffer.alloc(1000));
    const target = freshTarget(subject, 999);
    await rejectsWith('TooLarge', get(subject, 'outbox/sized.seg', target));
    await rejectsWith('Integrity', get(subject, 'outbox/sized.seg', { ...target, size: 1001 }));
    assert.equal(existsSync(target.path), false);
  });

  it('takes in no more than it was granted before it asks again', async () => {
    const content = randomBytes(300_000);
    subject.bench.plant('outbox/paced.seg', content);
    const target = freshTarget(subject, content.length);
    let granted = 0;
    await subject.transport.get('outbox/paced.seg', target, {
      signal: never,
      pace: async (wanted) => {
        assert.ok(wanted > 0 && granted + wanted <= content.length, `${wanted} after ${granted}`);
        await turn();
        const here = existsSync(target.path) ? readFileSync(target.path).length : 0;
        assert.ok(here <= granted, `${here} bytes are here where ${granted} were granted`);
        const grant = Math.min(wanted, 10_007);
        granted += grant;
        return grant;
      },
    });
    assert.equal(granted, content.length);
    assert.ok(readFileSync(target.path).equals(content));
  });

  it('is cancelled before it begins, or while it waits for its turn, and goes on the next time', async () => {
    const content = randomBytes(300_000);
    subject.bench.plant('outbox/cancelled.seg', content);
    const target = freshTarget(subject, content.length);
    const aborted = { signal: AbortSignal.abort() };
    await rejectsWith('Cancelled', subject.transport.get('outbox/cancelled.seg', target, aborted));
    const cancel = new AbortController();
    let asked = 0;
    const getting = subject.transport.get('outbox/cancelled.seg', target, {
      signal: cancel.signal,
      pace: (wanted) => {
        if (asked++ < 3) return Promise.resolve(Math.min(wanted, 50_000));
        setImmediate(() => cancel.abort());
        return new Promise((_resolve, reject) => {
          cancel.signal.addEventListener('abort', () => reject(cancelled('a test')));
        });
      },
    });
    await assert.rejects(getting, { name: 'TransportError', code: 'Cancelled' });
    await get(subject, 'outbox/cancelled.seg', target);
    assert.ok(readFileSync(target.path).equals(content));
  });

  it('names a local file that cannot be written', async () => {
    subject.bench.plant('outbox/unwritten.seg', Buffer.alloc(10));
    const target = { path: '/nowhere/x.seg.part', size: 10 };
    const error = await rejectsWith('NotFound', get(subject, 'outbox/unwritten.seg', target));
    assert.match(error.message, /\/nowhere\/x\.seg\.part/);
    await rejectsWith('BadName', get(subject, '../x', target));
  });
}
