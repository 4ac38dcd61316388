import assert from 'node:assert/strict';
import { join } from 'node:path';
import { hasToApply } from '../../src/destage/destination-facts.ts';
import { writeDestinationState } from '../../src/destage/state-file.ts';
import { lsn } from '../../src/journal/ids.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { Site, Stream, write } from './stream.ts';

const BEFORE = 'a'.repeat(32);
const BEHIND = 'b'.repeat(32);

describe('a destination that was the source of a history that is left', () => {
  it('calls what lies behind the fork point apart from the first, and keeps nothing where hosts wrote nothing (I3)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    const first = site.start();
    const begin = stream.seal({ kind: 'attach', names: ['a', 'b'] }, write(0, 0, 1));
    await first.receive([site.deliver(begin)]);
    const { state } = await first.applySome();
    await first.close();
    site.snapshots.create({ id: BEFORE, name: 'before', lsn: state.applied, time: 0 });
    // As a source it came further: a marker, and no write that the other side lacks.
    const left = lsn(state.applied + 2);
    site.snapshots.create({ id: BEHIND, name: 'behind', lsn: left, time: 0 });
    const divergence = { epoch: state.epoch!, lsn: left, time: 0 };
    writeDestinationState(nodeFiles, site.folder, { ...state, divergence });
    const back = site.start();
    const apart = async (): Promise<unknown> => (await back.snapshots()).map((known) => known.apart);
    assert.deepEqual(await apart(), [undefined, true]);
    assert.equal(hasToApply(await back.facts()), true, 'before anything arrives');
    assert.equal((await back.applySome()).state.divergence, undefined);
    assert.deepEqual(await apart(), [undefined, true]);
    assert.deepEqual(
      [...site.snapshots.taken.keys()],
      [BEFORE, BEHIND],
      'nothing was written that is to be kept',
    );
    await back.receive([site.deliver(stream.seal(write(0, 0, 7)))]);
    assert.equal((await back.applySome()).state.applied, state.applied + 1);
    await back.close();
  });
});
