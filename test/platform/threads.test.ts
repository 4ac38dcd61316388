import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ThreadPool, type RemoteThread } from '../../src/platform/node/threads.ts';
import { temporaryFolder } from '../support/folder.ts';
import { openFiles } from '../support/open-files.ts';
import type { Lodger, LodgerOptions } from './lodger-thread.ts';

const MODULE = new URL('./lodger-thread.ts', import.meta.url);

describe('a pool of threads', () => {
  let folder: string;
  let pool: ThreadPool<LodgerOptions, Lodger>;
  let told: string[];
  let exits: string[];
  const made: RemoteThread<Lodger>[] = [];
  beforeEach(() => {
    folder = temporaryFolder();
    pool = new ThreadPool(MODULE, 2);
    [told, exits] = [[], []];
  });
  afterEach(async () => {
    for (const lodger of made.splice(0)) await lodger.terminate();
  });

  function start(name: string, more: Partial<LodgerOptions> = {}): RemoteThread<Lodger> {
    const events = { told: (line: string) => void told.push(line) };
    const options = { name, diary: join(folder, 'diary'), ...more };
    const lodger = pool.start(options, events, (error) => exits.push(`${name}: ${error.message}`));
    made.push(lodger);
    return lodger;
  }

  const diary = (): string =>
    existsSync(join(folder, 'diary')) ? readFileSync(join(folder, 'diary'), 'utf8') : '';

  it('gives each object a thread of its own up to its limit, and has the rest share the one with the fewest', async () => {
    const [a, b, c, d] = [start('a'), start('b'), start('c'), start('d')];
    const at = await Promise.all([a, b, c, d].map(({ call }) => call.where()));
    assert.equal(new Set(at).size, 2);
    assert.notEqual(at[0], at[1]);
    assert.notEqual(at[2], at[3]);
    await (at[2] === at[1] ? c : d).terminate();
    assert.equal(await start('e').call.where(), at[1]);
    await c.call.tell('here').catch(() => d.call.tell('here'));
    assert.match(told.join(), /^[cd]: here$/);
  });

  it('takes back what an object has when it ends, and leaves those that share its thread alone', async () => {
    pool = new ThreadPool(MODULE, 1);
    const [a, b] = [start('a'), start('b')];
    const path = join(folder, 'scribbled');
    await a.call.open(path);
    await a.call.scribble(1);
    const waits = assert.rejects(a.call.never(), { code: 'THREAD_ENDED' });
    const [one, two] = [a.terminate(), a.terminate()];
    await assert.rejects(a.call.where(), { code: 'THREAD_ENDED' });
    await Promise.all([one, two, waits]);
    assert.equal(diary(), 'a ended\n');
    assert.ok(!openFiles().includes(path), 'its file is closed');
    const before = told.length;
    assert.ok(before > 0);
    for (let i = 0; i < 20; i += 1) await b.call.where();
    assert.equal(told.length, before, 'nothing is heard of it any more');
    assert.deepEqual(exits, [], 'as it was asked to');
  });

  it('goes on beside an object that could not be built, which says why to whoever calls it', async () => {
    pool = new ThreadPool(MODULE, 1);
    const [a, b] = [start('a'), start('b', { fails: true })];
    await assert.rejects(b.call.where(), { code: 'NO_ROOM', message: 'b is full', remedy: 'leave' });
    await b.terminate();
    assert.equal(diary(), 'b ended\n');
    await a.call.tell('still here');
    assert.deepEqual(told, ['a: still here']);
  });

  it('tells every object of a thread that died, once, and starts another thread for the next', async () => {
    const [a, b, c] = [start('a'), start('b'), start('c')];
    const [died, lives] = [await a.call.where(), await b.call.where()];
    assert.equal(await c.call.where(), died);
    const waits = assert.rejects(c.call.never(), /nobody catches this/);
    await assert.rejects(a.call.throwUncaught(), /nobody catches this/);
    await waits;
    assert.deepEqual(exits, ['a: nobody catches this', 'c: nobody catches this']);
    await assert.rejects(c.call.where(), { code: 'THREAD_ENDED' });
    await Promise.all([a.terminate(), c.terminate()]);
    const next = await start('d').call.where();
    assert.ok(next !== died && next !== lives);
    assert.equal(await b.call.where(), lives);
    assert.equal(exits.length, 2);
  });

  it('ends a thread with its last object, whatever that is at', async () => {
    pool = new ThreadPool(MODULE, 1);
    const [a, b] = [start('a'), start('b')];
    await b.terminate();
    const spins = assert.rejects(a.call.spin(), { code: 'THREAD_ENDED' });
    await a.terminate();
    await spins;
    assert.deepEqual(exits, []);
    assert.ok((await start('c').call.where()) > 0);
  });
});
