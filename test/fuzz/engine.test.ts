import assert from 'node:assert/strict';
import { compileFunction } from 'node:vm';
import { crc32 } from 'node:zlib';
import type { Finding } from './engine/finding.ts';
import { instrument } from './engine/instrument.ts';
import { fuzz, type FuzzOptions, type Report } from './engine/run.ts';

const toy = (name: string, options: Partial<FuzzOptions> = {}): Promise<Report> =>
  fuzz({
    targets: new URL('toys/targets.ts', import.meta.url).href,
    name: `toy-${name}`,
    executions: 10_000,
    seed: 1,
    guided: true,
    ...options,
  });

/** The only one. */
function found({ findings }: Report): Finding {
  assert.equal(findings.length, 1, JSON.stringify(findings));
  return findings[0]!;
}

describe('The fuzzer', () => {
  it('finds a mistake behind a magic number, a checksum and two values, and cuts its input down', async () => {
    const { kind, message, input } = found(await toy('exception'));
    assert.equal(kind, 'exception');
    assert.match(message, /^RangeError: the exception/);
    assert.equal(input.length, 12);
    assert.notEqual(input.readUInt32BE(4), crc32(input.subarray(8)), 'mended by the target, not by luck');
    assert.ok(input.readUInt16BE(10) > 0xff00);
  });

  it('does the same again for the same seed, and something else for another', async () => {
    const [first, again, other] = [
      await toy('exception'),
      await toy('exception'),
      await toy('exception', { seed: 2, executions: 2000 }),
    ];
    assert.equal(first.outcome?.digest, again.outcome?.digest);
    assert.deepEqual(found(first).input, found(again).input);
    assert.notEqual(first.outcome?.digest, other.outcome?.digest);
  });

  it('needs the counters for that: blindly it finds nothing', async () => {
    const report = await toy('exception', { guided: false });
    assert.equal(report.outcome?.branches, 0);
    assert.deepEqual(report.findings, []);
  });

  it('ends what never ends, and tells the input', async () => {
    const report = await toy('hang', { hangLimit: 3000 });
    const { kind, input } = found(report);
    assert.equal(kind, 'hang');
    assert.equal(input.readUInt16BE(10), 4096);
    assert.equal(report.outcome, undefined);
  });

  it('tells what asks for too much memory', async () => {
    assert.equal(found(await toy('memory', { executions: 5000 })).kind, 'memory');
  });

  it('tells what takes too long, every time', async () => {
    assert.equal(found(await toy('slow', { executions: 5000 })).kind, 'slow');
  });
});

describe('Instrumentation', () => {
  const run = (text: string): unknown => (compileFunction(text) as () => unknown)();

  const counted = (text: string): { value: unknown; counts: number[] } => {
    const { text: instrumented, count } = instrument(text, 'x.ts', 0);
    const counts = new Array<number>(count).fill(0);
    (globalThis as Record<string, unknown>)['__fuzzCounters'] = counts;
    return { value: run(instrumented), counts };
  };

  it('changes nothing of what a module does, however its branches are written', () => {
    const text = `
      'use strict';
      const object = { a: 1 };
      const pick = (x) => ({ x });
      function f(n) { if (n > 1) if (n > 2) return 'b'; else return 'c'
        else return n ? 'd' : n ?? 'e'; }
      let sum = 0
      for (const i of [1, 2]) sum += i
      do sum++; while (sum < 9)
      switch (sum) { case 1: sum = 5; break; case 9: { sum += 1; } default: sum += 100 }
      try { null.x } catch { sum += 1000 }
      return [pick(3).x, f(3), f(2), f(1), f(0), sum, object?.a && sum || 0, typeof (function () { return this })()];
    `;
    const expected: unknown = run(text);
    assert.deepEqual(counted(text).value, expected);
  });

  it('counts each branch by itself', () => {
    const { counts } = counted('const f = (x) => x ? 1 : 2; f(1); f(1); f(0);');
    assert.deepEqual(counts, [3, 2, 1]);
  });
});
