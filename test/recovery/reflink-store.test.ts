import assert from 'node:assert/strict';
import { errorCode } from '../../src/platform/errors.ts';
import { memoryPlace } from './memory-place.ts';
import { hexId, replicaAfter, snapshot, throwsCode, write } from './replica.ts';
import { Death, watchedFiles, type Call } from './watched-files.ts';

const SIZES = [70_144, 4096];

function clonesOf(files: { list: (folder: string) => string[] }): string {
  const hidden = files.list('/images').filter((name) => name.startsWith('.blockferry-snapshots-'));
  assert.equal(hidden.length, 1);
  return `/images/${String(hidden[0])}`;
}

describe('the reflink store', () => {
  it('makes clones and their folders durable before the catalogue names them (I6)', () => {
    const calls: Call[] = [];
    const place = memoryPlace(SIZES, { clones: true });
    const replica = replicaAfter(place, write(0, 0, 512, 1));
    replica.store.close();
    replica.restart(watchedFiles(place.files, (call) => calls.push(call)));
    replica.store.list();
    calls.length = 0;
    replica.run(snapshot(1));
    const folder = `${clonesOf(place.files)}/${hexId(1)}`;
    const catalogued = calls.findIndex((call) => call.name === 'rename');
    const synced = calls
      .slice(0, catalogued)
      .filter((call) => call.name === 'syncNow' || call.name === 'syncDirectory');
    assert.deepEqual(
      synced.map((call) => call.path),
      [
        `${folder}/0.img`,
        `${folder}/1.img`,
        folder,
        clonesOf(place.files),
        '/images',
        '/snapshots/catalogue.json.new',
      ],
    );
  });

  it('says which clone is gone or cut', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const replica = replicaAfter(place, snapshot(1));
    const clone = `${clonesOf(place.files)}/${hexId(1)}/0.img`;
    place.disk.open(clone, 'write').truncate(1024);
    throwsCode('SNAPSHOT_DAMAGED', () => replica.check());
    place.disk.remove(clone);
    assert.throws(
      () => replica.store.open(hexId(1), 'volume0'),
      (error: Error) => errorCode(error) === 'SNAPSHOT_DAMAGED' && error.message.includes(clone),
    );
  });

  it('makes a snapshot at the second attempt that failed half way at the first', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const replica = replicaAfter(place, write(0, 0, 512, 1));
    let clones = 0;
    const clone = (from: string, to: string): boolean => {
      clones += 1;
      // The first two are what the opening tries.
      if (clones === 4) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      return place.files.clone(from, to);
    };
    replica.restart({ ...watchedFiles(place.files, () => undefined), clone });
    throwsCode('ENOSPC', () => replica.run(snapshot(1)));
    replica.run(snapshot(1));
    replica.check();
  });

  it('takes a failed snapshot out of the catalogue before it touches its clones again (I6)', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const replica = replicaAfter(place, write(0, 0, 512, 1));
    replica.store.close();
    let [armed, renamed, failing, dying] = [false, false, true, false];
    replica.restart(
      watchedFiles(place.files, (call) => {
        if (dying && call.name === 'clone') throw new Death('dead');
        if (renamed && failing && call.name === 'syncDirectory') {
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        }
        if (armed && call.name === 'rename') renamed = true;
      }),
    );
    replica.store.list();
    armed = true;
    throwsCode('EIO', () => replica.run(snapshot(1)));
    [failing, dying] = [false, true];
    assert.throws(() => replica.run(snapshot(1)), Death);
    replica.restart(place.files);
    replica.check();
  });

  it('says so when a volume has moved to where it cannot be cloned', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const replica = replicaAfter(place, snapshot(1));
    replica.restart({ ...watchedFiles(place.files, () => undefined), clone: () => false });
    throwsCode('SNAPSHOT_CLONE_REFUSED', () => replica.store.create(replica.info(hexId(2))));
    replica.restart(place.files);
    replica.check();
  });
});
