import assert from 'node:assert/strict';
import { SourceThreads } from '../../../src/daemon/source/source-threads.ts';
import type { World } from '../../../src/daemon/world.ts';
import { quiet } from '../../recovery/replica.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

describe('the hosts’ thread', () => {
  it('that does not answer keeps nobody waiting, and is asked once until it does', async () => {
    const clock = new SimulatedClock();
    const answers: ((status: unknown) => void)[] = [];
    const status = (): Promise<unknown> => new Promise((resolve) => answers.push(resolve));
    const threads = { sourceHost: () => ({ call: { status } }) };
    const world = { platform: { clock }, threads } as unknown as World;
    const source = new SourceThreads(world, quiet, () => undefined);
    assert.equal(await source.hostStatus(), undefined, 'before there is one');
    source.startHost(undefined as never, {});
    const [first, second] = [source.hostStatus(), source.hostStatus()];
    await clock.pass(5000);
    assert.deepEqual(await Promise.all([first, second]), ['stalled', 'stalled']);
    const third = source.hostStatus();
    assert.equal(answers.length, 1);
    answers[0]?.({ lsn: 7 });
    assert.deepEqual(await third, { lsn: 7 });
    void source.hostStatus();
    assert.equal(answers.length, 2);
  });
});
