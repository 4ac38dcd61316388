import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { getPriority } from 'node:os';

const MODULE = new URL('../../src/platform/node/priority.ts', import.meta.url).href;
/** A process whose only worker gives way, and works: prints each of its threads' nice value and name. */
const PROCESS = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { Worker } from 'node:worker_threads';
  const code = \`
    const { giveWayToHosts } = await import('${MODULE}');
    giveWayToHosts();
    await (await import('node:fs/promises')).stat('/');
    (await import('node:worker_threads')).parentPort.postMessage('done');
    setInterval(() => undefined, 1000);
  \`;
  const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)));
  worker.once('message', () => {
    for (const task of readdirSync('/proc/self/task')) {
      // "TID (NAME) STATE …"; behind the name the nice value is the 17th (proc(5)).
      const [, name, rest] = /\\((.*)\\) (.*)/.exec(readFileSync('/proc/self/task/' + task + '/stat', 'latin1'));
      console.log(rest.split(' ')[16] + ' ' + name);
    }
    process.exit();
  });
`;

/** The nice values of those threads of such a process, started with `more` than this one has. */
function nicesOf(thread: string, more: number): number[] {
  const args = ['-n', String(more), process.execPath, '--input-type=module', '-e', PROCESS];
  const lines = execFileSync('nice', args, { encoding: 'utf8' }).trim().split('\n');
  return lines.filter((line) => line.endsWith(thread)).map((line) => Number.parseInt(line, 10));
}

describe('giving way to hosts', () => {
  before(function (this: Mocha.Context) {
    if (process.platform !== 'linux' || getPriority(0) !== 0) this.skip();
  });

  it('makes the thread wait for others, and none that works for those', () => {
    assert.deepEqual(nicesOf('WorkerThread', 0), [5]);
    assert.deepEqual(nicesOf('MainThread', 0), [0]);
    assert.deepEqual([...new Set(nicesOf('libuv-worker', 0))], [0]);
  });

  it('leaves a process alone that is to wait for others anyway', () => {
    assert.deepEqual(nicesOf('WorkerThread', 15), [15]);
  });
});
