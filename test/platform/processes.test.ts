import assert from 'node:assert/strict';
import { nodeProcesses } from '../../src/platform/node/processes.ts';
import type { CommandResult } from '../../src/platform/processes.ts';

describe('a program that is run', () => {
  async function run(script: string): Promise<{ result: CommandResult; lines: string[] }> {
    const lines: string[] = [];
    const { signal } = new AbortController();
    const result = await nodeProcesses.run({
      argv: ['/bin/sh', '-c', script],
      environment: {},
      timeLimit: 60_000,
      onLine: (line) => lines.push(line),
      signal,
    });
    return { result, lines };
  }

  it('has been read to the last line it printed when it ends', async () => {
    for (let time = 0; time < 5; time += 1) {
      const { result, lines } = await run('seq 20000; printf last >&2; exit 3');
      assert.deepEqual(result, { kind: 'exited', exitCode: 3 });
      assert.equal(lines.length, 20_001);
      assert.ok(lines.includes('last') && lines.includes('20000'));
    }
  });

  it('has ended though a child of it keeps its outputs open', async () => {
    const { result, lines } = await run('sleep 30 & echo $!');
    assert.deepEqual(result, { kind: 'exited', exitCode: 0 });
    process.kill(Number(lines[0]));
  });
});
