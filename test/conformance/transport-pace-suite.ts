/** The part of the suite of {@link Transport} that is about its pace. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { cancelled } from '../../src/transfer/transports/refusals.ts';
import { MIB, never } from './transport-bench.ts';
import type { Subject } from './transport-subject.ts';

export function describePace(subject: Subject): void {
  describe('at a pace', () => {
    it('sends no more than it was granted before it asks again, and the whole file in the end', async () => {
      const { bench, transport, local } = subject;
      const content = randomBytes(300_000);
      const source = local.make(content);
      let granted = 0;
      await transport.put(source, 'inbox/paced.seg', {
        signal: never,
        pace: async (wanted) => {
          assert.ok(wanted > 0 && granted + wanted <= source.size, `${wanted} after ${granted}`);
          await turn();
          const there = bench.size('inbox/paced.seg.part');
          assert.ok(there <= granted, `${there} bytes are there where ${granted} were granted`);
          const grant = Math.min(wanted, 10_007);
          granted += grant;
          return grant;
        },
      });
      assert.equal(granted, source.size);
      assert.ok(bench.peek('inbox/paced.seg')?.equals(content));
    });

    it('counts no byte that the server has already', async () => {
      const { bench, transport, local } = subject;
      const content = randomBytes(6 * MIB);
      bench.plant('inbox/paced-on.seg.part', content.subarray(0, 5 * MIB));
      let granted = 0;
      await transport.put(local.make(content), 'inbox/paced-on.seg', {
        signal: never,
        pace: (wanted) => {
          granted += wanted;
          return Promise.resolve(wanted);
        },
      });
      // A transport may send the end of a part once more.
      assert.ok(granted >= MIB && granted < 4 * MIB, `${granted} bytes`);
      assert.ok(bench.peek('inbox/paced-on.seg')?.equals(content));
    });

    it('is cancelled while it waits for its turn, publishes nothing, and goes on the next time', async () => {
      const { bench, transport, local } = subject;
      const content = randomBytes(300_000);
      const cancel = new AbortController();
      let asked = 0;
      const putting = transport.put(local.make(content), 'inbox/paced-cut.seg', {
        signal: cancel.signal,
        pace: (wanted) => {
          if (asked++ < 3) return Promise.resolve(Math.min(wanted, 50_000));
          setImmediate(() => cancel.abort());
          return new Promise((_resolve, reject) => {
            cancel.signal.addEventListener('abort', () => reject(cancelled('a test')));
          });
        },
      });
      await assert.rejects(putting, { name: 'TransportError', code: 'Cancelled' });
      assert.equal(bench.peek('inbox/paced-cut.seg'), undefined);
      await transport.put(local.make(content), 'inbox/paced-cut.seg', { signal: never });
      assert.ok(bench.peek('inbox/paced-cut.seg')?.equals(content));
    });
  });
}
