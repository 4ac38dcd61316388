import assert from 'node:assert/strict';
import { HostError } from '../../src/nbd/front-end.ts';
import { FailureLog } from '../../src/nbd/failure-log.ts';
import type { Log, LogFields } from '../../src/platform/log.ts';
import { SimulatedClock } from '../transfer/simulated-clock.ts';

describe('the log of requests that fail', () => {
  function watched(): {
    clock: SimulatedClock;
    failures: FailureLog;
    lines: [string, string, LogFields | undefined][];
  } {
    const lines: [string, string, LogFields | undefined][] = [];
    const line =
      (level: string) =>
      (message: string, fields?: LogFields): void =>
        void lines.push([level, message, fields]);
    const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    const clock = new SimulatedClock();
    return { clock, failures: new FailureLog(log, clock), lines };
  }

  it('tells a reason once a minute, however often a host repeats its request, and how often it was left unsaid', async () => {
    const { clock, failures, lines } = watched();
    const broken = (): void => failures.failed('disk', new HostError('EIO', 'the medium is broken'));
    for (let i = 0; i < 1000; i += 1) broken();
    await clock.pass(60_000);
    broken();
    const message = 'requests for volume disk are answered with EIO: the medium is broken';
    assert.deepEqual(lines, [
      ['warn', message, {}],
      ['warn', message, { unsaid: 999 }],
    ]);
  });

  it('keeps the stack of an error that nobody foresaw, and leaves out what hosts get wrong themselves', () => {
    const { failures, lines } = watched();
    failures.failed('disk', new HostError('EINVAL', 'not whole sectors'));
    const cause = new TypeError('x is undefined');
    failures.failed('disk', new HostError('EIO', cause.message, { cause }));
    assert.equal(lines.length, 1);
    assert.deepEqual(lines[0]![0], 'error');
    assert.match(String(lines[0]![2]?.['stack']), /failure-log\.test/);
  });

  it('remembers a bounded number of reasons, and each of them for its volume', () => {
    const { failures, lines } = watched();
    const reasons = Array.from({ length: 33 }, (_, i) => new HostError('EIO', `reason ${i}`));
    for (const reason of reasons) failures.failed('disk', reason);
    failures.failed('disk', reasons[32]!);
    assert.equal(lines.length, 33);
    failures.failed('disk', reasons[0]!);
    failures.failed('other', reasons[32]!);
    assert.equal(lines.length, 35);
  });
});
