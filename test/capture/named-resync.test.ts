import assert from 'node:assert/strict';
import { parseInitBegin } from '../../src/journal/init-begin.ts';
import { RecordKind } from '../../src/journal/record.ts';
import { Engine, freshDisk } from './engine.ts';
import { settle } from './journal.ts';

describe('the resync that a copy names', () => {
  it('is named again by one that goes on with another’s, or may, and anew once it is wanted again', async () => {
    const engine = new Engine(freshDisk());
    const [one, two] = ['1'.repeat(32), '2'.repeat(32)];
    for (const id of [undefined, one, undefined, two, undefined, two]) {
      if (id !== undefined) engine.host.setResync(id);
      await engine.host.beginCopy();
    }
    const point = { lsn: engine.host.writer.last, time: 0 };
    await engine.host.points.begin(point);
    await engine.host.drain();
    await settle();
    const said = engine.closed.flatMap(({ raw }) =>
      [...engine.records(raw)].filter(({ kind }) => kind === RecordKind.initBegin).map(parseInitBegin),
    );
    assert.deepEqual(said, [
      {},
      { resync: one },
      { resync: one, again: true },
      { resync: two },
      { resync: two, again: true },
      { resync: two },
      { resync: two, again: true, point },
    ]);
    engine.host.stop();
  });
});
