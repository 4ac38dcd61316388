/** A server that is killed, frozen or restarted, and one that does not let this client in. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { LoggedTransport } from '../../src/transfer/logged-transport.ts';
import { TransportError, type Pace, type Transport } from '../../src/transfer/transport.ts';
import { arrived, MIB, never, rejectsWith, type ClientChanges, type ServerBench } from './transport-bench.ts';
import type { Subject } from './transport-subject.ts';

/**
 * Milliseconds, where a frozen server is waited for. The first is shorter than is wise outside of tests; on a machine that is
 * too slow for it the next one counts.
 */
const TIMEOUTS = [1_000, 10_000, 60_000];

/** Of one transport. */
interface Transfers {
  /** Of what is put. */
  readonly name: string;
  readonly put: (pace: Pace) => Promise<void>;
  readonly get: (pace: Pace, onProgress: (bytes: number) => void) => Promise<void>;
}

/** Again as long as the server has no room for it: a Samba has once said so right after it was started again. */
async function unlessBusy<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof TransportError && error.code === 'Busy')) throw error;
      await sleep(100);
    }
  }
}

export function describeTroubles(subject: Subject<ServerBench>): void {
  describe('with a server in trouble', () => {
    const content = randomBytes(8 * MIB);
    const opened: Transport[] = [];
    const open = (changes: ClientChanges = {}): Transport => {
      const transport = subject.bench.openWith(changes);
      opened.push(transport);
      return transport;
    };
    const put = (transport: Transport, name: string): Promise<void> =>
      transport.put(subject.local.make(content), name, { signal: never });
    afterEach(async () => {
      subject.bench.server.thaw();
      for (const transport of opened.splice(0)) await transport.close();
    });

    it('ConnectionLost: when the server is killed in mid-transfer; goes on from there when it is back', async () => {
      const transport = open();
      const refused = rejectsWith('ConnectionLost', put(transport, 'inbox/killed.seg'));
      await arrived(subject.bench, 'inbox/killed.seg', 4 * MIB);
      await subject.bench.server.kill();
      assert.ok((await refused).retryable);
      await rejectsWith('ConnectionLost', transport.list('inbox', never));
      assert.equal(subject.bench.peek('inbox/killed.seg'), undefined);
      await subject.bench.server.run();
      const told: number[] = [];
      await transport.put(subject.local.make(content), 'inbox/killed.seg', {
        signal: never,
        onProgress: (taken) => void told.push(taken),
      });
      assert.ok((told.find((taken) => taken > 0) ?? 0) >= MIB, `it began again: ${told.join()}`);
      assert.ok(subject.bench.peek('inbox/killed.seg')?.equals(content));
    });

    it('Timeout: when the server freezes in mid-transfer, either way; works when it thaws', async () => {
      // More than the sockets of both ends hold (32 and 4 MiB have been seen): else all of it may have left a server before it froze.
      const large = randomBytes(40 * MIB);
      subject.bench.plant('outbox/frozen.seg', large);
      const target = { path: subject.local.unused(), size: large.length };
      const transfers = (timeout: number): Transfers => {
        const transport = open({ timeout });
        const name = `inbox/frozen-${timeout}.seg`;
        const source = subject.local.make(content);
        return {
          name,
          put: (pace) => transport.put(source, name, { signal: never, pace }),
          get: (pace, onProgress) =>
            transport.get('outbox/frozen.seg', target, { signal: never, onProgress, pace }),
        };
      };
      const name = await frozenInTime(subject.bench, transfers);
      await open().get('outbox/frozen.seg', target, { signal: never });
      assert.ok(readFileSync(target.path).equals(large));
      await put(open(), name);
      assert.ok(subject.bench.peek(name)?.equals(content));
    });

    it('Timeout: when the server is frozen before it is asked; works when it thaws', async () => {
      for (const timeout of TIMEOUTS) {
        const transport = open({ timeout });
        const early = await transport.list('inbox', never).catch((error: unknown) => error);
        if (isTimeout(early)) continue;
        assert.ok(Array.isArray(early), inspect(early));
        subject.bench.server.freeze();
        await rejectsWith('Timeout', transport.list('inbox', never));
        subject.bench.server.thaw();
        assert.ok(Array.isArray(await open().list('inbox', never)));
        return;
      }
      assert.fail('no answer in time though the server was not frozen');
    });

    it('finds its kept connections dead after a restart and uses a fresh one', async () => {
      const transport = open();
      await Promise.all(['a', 'b', 'c'].map((name) => transport.readSmall(`status/${name}.json`, 10, never)));
      await subject.bench.server.kill();
      await subject.bench.server.run();
      assert.equal(await unlessBusy(() => transport.readSmall('status/none.json', 10, never)), undefined);
      await put(transport, 'inbox/restarted.seg');
    });

    it('uses a fresh connection when a kept one has died unnoticed', async () => {
      const transport = open();
      await transport.list('inbox', never);
      subject.bench.server.killSessions();
      // Asked at once, before this process can have seen the connection's end.
      assert.ok(Array.isArray(await transport.list('inbox', never)));
    });

    it('Auth: for a wrong password, which no error, log or process list tells', async () => {
      const logged: unknown[] = [];
      const keep = (...line: unknown[]): void => void logged.push(line);
      const log = { debug: keep, info: keep, warn: keep, error: keep };
      const wrong = new LoggedTransport(open({ password: 'wr0ng-secret' }), log, nodeClock);
      const refused = rejectsWith('Auth', wrong.list('inbox', never));
      const running = commandLines();
      const error = await refused;
      assert.ok(!error.retryable);
      assert.ok(logged.length > 0 && running.length > 0);
      const told = inspect([error, error.remedy, error.stack, wrong, logged, running], {
        depth: 8,
        showHidden: true,
      });
      assert.ok(!told.includes('wr0ng-secret'), told);
    });

    it('tells the right password to nobody either, whatever goes wrong', async () => {
      const logged: unknown[] = [];
      const keep = (...line: unknown[]): void => void logged.push(line);
      const log = { debug: keep, info: keep, warn: keep, error: keep };
      const transport = new LoggedTransport(open({ password: subject.bench.password }), log, nodeClock);
      const sending = rejectsWith('ConnectionLost', put(transport, 'inbox/secret.seg'));
      await arrived(subject.bench, 'inbox/secret.seg', 1);
      const running = commandLines();
      subject.bench.server.killSessions();
      const told = inspect([await sending, logged, running], { depth: 8, showHidden: true });
      assert.ok(!told.includes(subject.bench.password), told);
    });

    it('ConnectionLost: when nothing listens there, and names the server', async () => {
      const nobody = open({ port: 1 });
      const error = await rejectsWith('ConnectionLost', nobody.list('inbox', never));
      assert.ok(error.message.includes(nobody.description), error.message);
    });
  });
}

/** Freezes the server in the middle of both transfers, which end with Timeout, and thaws it. Returns the name of what is put. */
async function frozenInTime(
  bench: ServerBench,
  transfersWith: (timeout: number) => Transfers,
): Promise<string> {
  // Seconds for all of it: neither is to be over when the other one has begun.
  const pace = async (wanted: number): Promise<number> => {
    await sleep(10);
    return Math.min(wanted, MIB / 32);
  };
  for (const timeout of TIMEOUTS) {
    const { name, put, get } = transfersWith(timeout);
    let [isGetting, isOver] = [false, false];
    const both = [put(pace), get(pace, (bytes) => (isGetting ||= bytes > 0))];
    for (const one of both) void one.catch(() => undefined).finally(() => (isOver = true));
    while (!isOver && (!isGetting || bench.size(`${name}.part`) < MIB / 4)) await turn();
    if (isOver) {
      for (const end of await Promise.allSettled(both))
        assert.ok(end.status === 'fulfilled' || isTimeout(end.reason), inspect(end));
      continue;
    }
    bench.server.freeze();
    for (const { retryable } of await Promise.all(both.map((one) => rejectsWith('Timeout', one))))
      assert.ok(retryable);
    bench.server.thaw();
    return name;
  }
  assert.fail('they were over before the server was frozen');
}

function isTimeout(error: unknown): boolean {
  return error instanceof TransportError && error.code === 'Timeout';
}

/** What everyone on this machine sees of each process. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      } catch {
        // It ended while this looked.
        return '';
      }
    });
}
