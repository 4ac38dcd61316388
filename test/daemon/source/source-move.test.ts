import assert from 'node:assert/strict';
import { announceMove, beginMove, commitMove, findGroup } from '../../../src/daemon/buffer/buffer-place.ts';
import { SourceMove, type MovingSource } from '../../../src/daemon/source/source-move.ts';
import type { SourceWorker } from '../../../src/daemon/source-back/source-worker.ts';
import { epoch } from '../../../src/journal/ids.ts';
import { writeGroupFile } from '../../../src/journal/source-files.ts';
import type { Remote } from '../../../src/platform/node/threads.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { silentLog } from '../../support/silent-log.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const [OLD, NEW] = ['/old/g', '/new/g'];

describe('a buffer that is to move back', () => {
  it('while what it left there is removed starts again with that configuration, killed before it moves (I6)', async () => {
    const [files, clock] = [new MemoryDisk({ clones: false }), new SimulatedClock()];
    const id = '34'.repeat(16);
    for (const folder of [OLD, NEW]) {
      files.makeDirectory(folder);
      if (folder === NEW) announceMove(files, 'g', OLD, NEW);
      writeGroupFile(files, folder, { id, epoch: { number: epoch(1), id }, volumes: [] });
    }
    beginMove(files, OLD, NEW);
    commitMove(files, OLD, NEW);
    const clearing = Promise.withResolvers<boolean>();
    const cleared: string[] = [];
    const back = {
      clearFolder: (folder: string) => {
        cleared.push(folder);
        return clearing.promise;
      },
    };
    const source: MovingSource = {
      name: 'g',
      folder: () => NEW,
      back: () => back as unknown as Remote<SourceWorker>,
      lock: () => assert.fail('the move does not begin yet'),
      unlock: () => undefined,
      check: () => undefined,
      switchTo: () => assert.fail('nor end'),
    };
    const move = new SourceMove({ clock, files }, silentLog, source, NEW);
    move.start();
    await clock.pass(0);
    assert.deepEqual(cleared, [OLD]);
    move.announce(OLD);
    move.want(OLD);
    clearing.resolve(false);
    await clock.pass(0);
    assert.ok(move.waits.list().some(({ code }) => code === 'buffer-move-failed'));
    for (const wanted of [OLD, NEW]) assert.equal(findGroup(files, 'g', wanted).live, NEW);
    await move.stop();
  });
});
