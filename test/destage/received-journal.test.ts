import assert from 'node:assert/strict';
import { ReceivedJournal } from '../../src/destage/received-journal.ts';
import { DESTINATION_START } from '../../src/destage/state-file.ts';
import { LSN_NONE } from '../../src/journal/ids.ts';
import { parseSealedName, type SegmentRange } from '../../src/journal/names.ts';
import { openSegment } from '../../src/journal/segment/reader.ts';
import { EPOCH, FACTS, GROUP, journalRecords, sampleSegment } from '../fuzz/targets/samples.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { systemError } from '../support/tampered-files.ts';

const NAME = '00000003-0000000000000001-000000000000000a.seg';
const STATE = {
  ...DESTINATION_START,
  ...{ groupId: GROUP.id, epoch: EPOCH, applied: LSN_NONE, digest: FACTS.digestBefore },
};

/** Received, and after a crash there by another name too, through which `bytes` came since. */
function recovered(
  alias: string,
  bytes: Buffer,
): { readonly taken: number; readonly names: readonly string[] } {
  const disk = new MemoryDisk({ clones: false });
  for (const folder of ['/g', '/g/journal', '/g/inbox']) disk.makeDirectory(folder);
  for (const [path, content] of [
    [`/g/journal/${NAME}`, bytes],
    [`/g/inbox/${alias}`, bytes],
  ] as const) {
    const file = disk.open(path, 'create-new');
    file.write(content, 0);
    file.close();
  }
  const refused: SegmentRange[] = [];
  const journal = new ReceivedJournal(disk, {
    groupName: GROUP.name,
    folder: '/g',
    openSegment: (path) => openSegment(disk, path, undefined),
  });
  journal.recover(STATE, (_, range) => refused.push(range));
  assert.equal(journal.segments.length + refused.length, 1);
  return { taken: journal.segments.length, names: disk.list('/g/inbox') };
}

describe('a received segment that a crash left with another name', () => {
  const whole = sampleSegment(journalRecords());
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 80]! ^= 1;

  for (const alias of [NAME, `${NAME}.part`]) {
    it(`loses ${alias}, and is looked at whole again: somebody may have written to it (I4, I5)`, () => {
      assert.deepEqual(recovered(alias, whole), { taken: 1, names: [] });
      assert.deepEqual(recovered(alias, damaged), { taken: 0, names: [] });
    });
  }
});

describe('a segment that is joined', () => {
  class Disk extends MemoryDisk {
    isFailing = false;

    override stat(path: string): ReturnType<MemoryDisk['stat']> {
      if (this.isFailing) throw systemError('EIO');
      return super.stat(path);
    }
  }

  it('is asked for nothing once it lies among what is received: were that to fail, nobody would know of it (I6)', () => {
    const disk = new Disk({ clones: false });
    for (const folder of ['/g', '/g/journal', '/g/inbox']) disk.makeDirectory(folder);
    const file = disk.open(`/g/inbox/${NAME}`, 'create-new');
    file.write(sampleSegment(journalRecords()), 0);
    file.close();
    const journal = new ReceivedJournal(disk, {
      groupName: GROUP.name,
      folder: '/g',
      openSegment: (path) => openSegment(disk, path, undefined),
    });
    const range = parseSealedName(NAME)!;
    journal.check(NAME, range, STATE);
    disk.isFailing = true;
    journal.join();
    assert.deepEqual([disk.list('/g/inbox'), disk.list('/g/journal')], [[], [NAME]]);
    assert.deepEqual(
      journal.segments.map(({ bytes }) => bytes),
      [sampleSegment(journalRecords()).length],
    );
  });
});
