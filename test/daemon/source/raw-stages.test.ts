import assert from 'node:assert/strict';
import { RawStages, type QueuedRaw, type RawStage } from '../../../src/daemon/source/raw-stages.ts';
import { isSettled } from '../../capture/journal.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

describe('the stages of a raw segment', () => {
  const item = (generation: number): QueuedRaw => ({ raw: undefined as never, generation });

  /** Steps fail while their stage is in `failing`, and never end while it is in `hanging`. So many are sealed `together` at most. */
  function watched(together = 1): {
    stages: RawStages;
    clock: SimulatedClock;
    done: string[];
    failed: string[];
    failing: Set<RawStage>;
    hanging: Set<RawStage>;
  } {
    const clock = new SimulatedClock();
    const [done, failed]: string[][] = [[], []];
    const [failing, hanging] = [new Set<RawStage>(), new Set<RawStage>()];
    const step =
      (stage: RawStage) =>
      async ({ generation }: QueuedRaw): Promise<void> => {
        if (hanging.has(stage)) await new Promise(() => undefined);
        if (failing.has(stage)) throw new Error(`${stage} ${generation}`);
        done?.push(`${stage} ${generation}`);
      };
    const onFailed = (stage: RawStage): void => void failed?.push(stage);
    const seal = async (items: readonly QueuedRaw[]): Promise<number> => {
      for (const one of items.slice(0, together)) await step('seal')(one);
      return Math.min(together, items.length);
    };
    const stages = new RawStages(clock, {
      seal,
      destage: step('destage'),
      release: step('release'),
      onFailed,
    });
    return { stages, clock, done: done ?? [], failed: failed ?? [], failing, hanging };
  }

  const releases = (done: readonly string[]): string[] => done.filter((step) => step.startsWith('release'));
  const others = (done: readonly string[]): string[] => done.filter((step) => !step.startsWith('release'));

  it('are sealing and then destaging, in turn, in order, and then giving back', async () => {
    const { stages, clock, done } = watched();
    for (const generation of [1, 2, 3]) stages.add(item(generation));
    await clock.pass(0);
    assert.deepEqual(others(done), ['seal 1', 'destage 1', 'seal 2', 'destage 2', 'seal 3', 'destage 3']);
    assert.deepEqual(releases(done), ['release 1', 'release 2', 'release 3']);
    assert.deepEqual(stages.left(), { seal: 0, destage: 0 });
  });

  it('are destaged before more are sealed, where several were sealed together', async () => {
    const { stages, clock, done } = watched(2);
    for (const generation of [1, 2, 3, 4, 5]) stages.add(item(generation));
    await clock.pass(0);
    // The first came alone.
    const order = ['seal 1', 'destage 1', 'seal 2', 'seal 3', 'destage 2', 'destage 3', 'seal 4', 'seal 5'];
    assert.deepEqual(others(done), [...order, 'destage 4', 'destage 5']);
    assert.deepEqual(
      releases(done),
      [1, 2, 3, 4, 5].map((generation) => `release ${generation}`),
    );
  });

  it('go on while one is given back, which counts as left', async () => {
    const { stages, clock, done, hanging } = watched();
    hanging.add('release');
    for (const generation of [1, 2]) stages.add(item(generation));
    await clock.pass(0);
    assert.deepEqual(done, ['seal 1', 'destage 1', 'seal 2', 'destage 2']);
    assert.deepEqual(stages.left(), { seal: 0, destage: 2 });
    assert.equal(await isSettled(stages.settled()), false);
    await clock.pass(30_000);
    assert.equal(stages.takesLonger(30_000), 'release');
  });

  it('give back in order, again and again where that fails, and none that is not destaged', async () => {
    const { stages, clock, done, failed, failing } = watched();
    failing.add('release');
    for (const generation of [1, 2]) stages.add(item(generation));
    await stages.settled();
    assert.deepEqual([releases(done), failed], [[], ['release']]);
    failing.clear();
    failing.add('destage');
    stages.add(item(3));
    await clock.pass(2000);
    assert.deepEqual(releases(done), ['release 1', 'release 2']);
    failing.clear();
    await clock.pass(2000);
    assert.deepEqual(releases(done), ['release 1', 'release 2', 'release 3']);
  });

  it('do not hold each other up: what cannot be destaged is sealed, and destaged in order when it can be', async () => {
    const { stages, clock, done, failed, failing } = watched();
    failing.add('destage');
    for (const generation of [1, 2, 3]) stages.add(item(generation));
    await clock.pass(0);
    assert.deepEqual(done, ['seal 1', 'seal 2', 'seal 3']);
    assert.deepEqual(stages.left(), { seal: 0, destage: 3 });
    await clock.pass(10_000);
    assert.ok(failed.length > 3 && failed.length < 8, `${failed.length} attempts in 10 s`);
    failing.clear();
    stages.add(item(4));
    await clock.pass(2000);
    assert.deepEqual(others(done), [
      'seal 1',
      'seal 2',
      'seal 3',
      'seal 4',
      'destage 1',
      'destage 2',
      'destage 3',
      'destage 4',
    ]);
  });

  it('destage nothing that is not sealed', async () => {
    const { stages, clock, done, failing } = watched();
    failing.add('seal');
    stages.add(item(1));
    await clock.pass(5000);
    assert.deepEqual(done, []);
    failing.clear();
    await clock.pass(2000);
    assert.deepEqual(done, ['seal 1', 'destage 1', 'release 1']);
  });

  it('are settled when nothing is left, or when what is left has failed, and not while a step is under way', async () => {
    const { stages, clock, failing, hanging } = watched();
    await stages.settled();
    failing.add('destage');
    stages.add(item(1));
    await stages.settled();
    assert.deepEqual(stages.left(), { seal: 0, destage: 1 });
    hanging.add('destage');
    await clock.pass(2000);
    assert.equal(await isSettled(stages.settled()), false);
  });

  it('begin nothing once they are stopped', async () => {
    const { stages, clock, done, failing } = watched();
    failing.add('seal');
    stages.add(item(1));
    await clock.pass(0);
    stages.stop();
    failing.clear();
    stages.add(item(2));
    await clock.pass(10_000);
    assert.deepEqual(done, []);
  });

  it('tell which step has been under way for how long', async () => {
    const { stages, clock, hanging } = watched();
    hanging.add('destage');
    stages.add(item(1));
    await clock.pass(29_999);
    assert.equal(stages.takesLonger(30_000), undefined);
    await clock.pass(1);
    assert.equal(stages.takesLonger(30_000), 'destage');
    const { stages: idle, clock: later } = watched();
    idle.add(item(1));
    await later.pass(60_000);
    assert.equal(idle.takesLonger(1), undefined);
  });
});
