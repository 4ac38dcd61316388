/** What the decorators add; that they are transports is the conformance suite's to show. */
import assert from 'node:assert/strict';
import type { LogFields } from '../../src/platform/log.ts';
import { LoggedTransport } from '../../src/transfer/logged-transport.ts';
import { RetryingTransport } from '../../src/transfer/retrying-transport.ts';
import { TransportError, type TransportErrorCode } from '../../src/transfer/transport.ts';
import { FaultyTransport } from '../support/faulty-transport.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { SimulatedClock } from './simulated-clock.ts';

const never = new AbortController().signal;

/** A transport whose next operations are refused with these codes. */
function refusing(...codes: TransportErrorCode[]): { transport: FaultyTransport; left: () => number } {
  const transport = new FaultyTransport(
    new MemoryTransport(new Map([['status/a.json', Buffer.from('a')]])),
    () => {
      const code = codes.shift();
      return code === undefined ? undefined : { kind: 'refused', code };
    },
  );
  return { transport, left: () => codes.length };
}

const isCode = (code: TransportErrorCode) => (error: unknown) =>
  error instanceof TransportError && error.code === code;

describe('a transport that tries again', () => {
  const clock = new SimulatedClock();

  it('reads, lists and removes though the connection is lost twice', async () => {
    for (const work of [
      (to: RetryingTransport) => to.readSmall('status/a.json', 10, never),
      (to: RetryingTransport) => to.list('status', never),
      (to: RetryingTransport) => to.remove('status/a.json', never),
    ]) {
      const { transport, left } = refusing('ConnectionLost', 'Busy');
      const working = work(new RetryingTransport(transport, clock));
      await clock.pass(3_000);
      await working;
      assert.equal(left(), 0);
    }
  });

  it('gives up after the third time, with the last reason', async () => {
    const { transport, left } = refusing('Busy', 'Busy', 'ConnectionLost', 'Auth');
    const refused = assert.rejects(
      new RetryingTransport(transport, clock).list('status', never),
      isCode('ConnectionLost'),
    );
    await clock.pass(3_000);
    await refused;
    assert.equal(left(), 1);
  });

  it('tries nothing again that does not pass by itself, or that took a time limit to fail', async () => {
    for (const code of ['Auth', 'NotFound', 'Integrity', 'NoSpace', 'Timeout'] as const) {
      const { transport, left } = refusing(code, 'Protocol');
      await assert.rejects(new RetryingTransport(transport, clock).list('status', never), isCode(code));
      assert.equal(left(), 1);
    }
  });

  it('leaves it to the link when a file is sent or fetched again', async () => {
    const file = { path: '/nowhere', size: 1 };
    for (const work of [
      (to: RetryingTransport) => to.put(file, 'inbox/a.seg', { signal: never }),
      (to: RetryingTransport) => to.get('outbox/a.seg', file, { signal: never }),
    ]) {
      const { transport, left } = refusing('ConnectionLost', 'Protocol');
      await assert.rejects(work(new RetryingTransport(transport, clock)), isCode('ConnectionLost'));
      assert.equal(left(), 1);
    }
  });

  it('stops waiting when it is cancelled', async () => {
    const { transport } = refusing('ConnectionLost');
    const cancel = new AbortController();
    const listing = new RetryingTransport(transport, clock).list('status', cancel.signal);
    await clock.pass(1);
    cancel.abort();
    await assert.rejects(listing, isCode('Cancelled'));
  });
});

describe('a transport that logs', () => {
  it('tells what was asked, how long it took and what came of it', async () => {
    const lines: { readonly message: string; readonly fields: LogFields | undefined }[] = [];
    const keep = (message: string, fields?: LogFields): void => void lines.push({ message, fields });
    const { transport } = refusing('Auth');
    const log = { debug: keep, info: keep, warn: keep, error: keep };
    const logged = new LoggedTransport(transport, log, new SimulatedClock());
    await assert.rejects(logged.list('status', never), isCode('Auth'));
    assert.equal((await logged.readSmall('status/a.json', 10, never))?.toString(), 'a');
    assert.deepEqual(lines, [
      {
        message: 'memory:: list status: memory:: status: a planned fault',
        fields: { bytes: undefined, took: 0, code: 'Auth' },
      },
      {
        message: 'memory:: read status/a.json: done',
        fields: { bytes: undefined, took: 0, code: undefined },
      },
    ]);
  });
});
