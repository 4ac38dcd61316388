/** A server that is killed, frozen or restarted, and one that does not let this client in. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { LoggedTransport } from '../../src/transfer/logged-transport.ts';
import type { Transport } from '../../src/transfer/transport.ts';
import { arrived, MIB, never, rejectsWith, type ClientChanges, type ServerBench } from './transport-bench.ts';
import type { Subject } from './transport-subject.ts';

/** Milliseconds, where a frozen server is waited for. Shorter than is wise outside of tests. */
const SHORT_TIMEOUT = 1_000;

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
      const transport = open({ timeout: SHORT_TIMEOUT });
      subject.bench.plant('outbox/frozen.seg', content);
      const target = { path: subject.local.unused(), size: content.length };
      const { promise: begun, resolve: begins } = Promise.withResolvers<undefined>();
      // Seconds each: on a busy machine the one takes long to begin, and the other is not to be over before.
      const pace = async (wanted: number): Promise<number> => {
        await sleep(10);
        return Math.min(wanted, MIB / 32);
      };
      const onProgress = (bytes: number): void => (bytes > 0 ? begins(undefined) : undefined);
      const getting = transport.get('outbox/frozen.seg', target, { signal: never, onProgress, pace });
      const refused = [
        rejectsWith(
          'Timeout',
          transport.put(subject.local.make(content), 'inbox/frozen.seg', { signal: never, pace }),
        ),
        rejectsWith('Timeout', getting),
      ];
      await Promise.all([arrived(subject.bench, 'inbox/frozen.seg', MIB / 4), begun]);
      subject.bench.server.freeze();
      for (const { retryable } of await Promise.all(refused)) assert.ok(retryable);
      subject.bench.server.thaw();
      await open().get('outbox/frozen.seg', target, { signal: never });
      assert.ok(readFileSync(target.path).equals(content));
      await put(open(), 'inbox/frozen.seg');
      assert.ok(subject.bench.peek('inbox/frozen.seg')?.equals(content));
    });

    it('Timeout: when the server is frozen before it is asked; works when it thaws', async () => {
      const transport = open({ timeout: SHORT_TIMEOUT });
      await transport.list('inbox', never);
      subject.bench.server.freeze();
      await rejectsWith('Timeout', transport.list('inbox', never));
      subject.bench.server.thaw();
      assert.ok(Array.isArray(await open().list('inbox', never)));
    });

    it('finds its kept connections dead after a restart and uses a fresh one', async () => {
      const transport = open();
      await Promise.all(['a', 'b', 'c'].map((name) => transport.readSmall(`status/${name}.json`, 10, never)));
      await subject.bench.server.kill();
      await subject.bench.server.run();
      assert.equal(await transport.readSmall('status/none.json', 10, never), undefined);
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
