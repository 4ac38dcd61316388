import assert from 'node:assert/strict';
import { OperatorError } from '../../src/platform/errors.ts';
import { CATALOGUE_SIZE_MAX } from '../../src/recovery/catalogue.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { memoryPlace, STORE_FOLDER, type MemoryPlace } from './memory-place.ts';
import { hexId, quiet, replicaAfter, snapshot, throwsCode, write } from './replica.ts';
import { Death, watchedFiles } from './watched-files.ts';

const SIZES = [70_144, 4096];
const CATALOGUE = `${STORE_FOLDER}/catalogue.json`;

const hidden = (place: MemoryPlace): string[] =>
  place.disk.list('/images').filter((name) => name.startsWith('.'));

function replaceCatalogue(place: MemoryPlace, change: (text: string) => string): void {
  const file = place.disk.open(CATALOGUE, 'write');
  const text = Buffer.alloc(file.size());
  file.read(text, 0);
  file.truncate(0);
  file.write(Buffer.from(change(text.toString('utf8'))), 0);
}

function failsToOpen(place: MemoryPlace, code: string): OperatorError {
  try {
    openSnapshotStore(place.files, quiet, place);
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    assert.equal(error.code, code);
    assert.notEqual(error.remedy, '');
    return error;
  }
  assert.fail(`it should have been refused with ${code}`);
}

describe('opening a snapshot store', () => {
  it('takes reflink where every volume can be cloned, and removes what it tried with', () => {
    const place = memoryPlace(SIZES, { clones: true });
    assert.equal(openSnapshotStore(place.files, quiet, place).kind, 'reflink');
    assert.deepEqual(place.disk.list(`/images/${String(hidden(place)[0])}`), []);
  });

  it('takes copy-on-write where one cannot, and leaves nothing beside the images', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const files = watchedFiles(place.files, () => undefined);
    const clone = (from: string, to: string): boolean => from.endsWith('/0.img') && files.clone(from, to);
    assert.equal(openSnapshotStore({ ...files, clone }, quiet, place).kind, 'copy-on-write');
    assert.deepEqual(hidden(place), []);
  });

  it('takes copy-on-write where nothing may be written beside the images', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const files = watchedFiles(place.files, (call) => {
      if (call.name !== 'makeDirectory' || !call.path.startsWith('/images')) return;
      throw Object.assign(new Error('EROFS'), { code: 'EROFS' });
    });
    assert.equal(openSnapshotStore(files, quiet, place).kind, 'copy-on-write');
  });

  it('does not settle for copy-on-write because a disk is full at the moment', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const clone = (): boolean => {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    const files = { ...watchedFiles(place.files, () => undefined), clone };
    throwsCode('ENOSPC', () => openSnapshotStore(files, quiet, place));
    assert.equal(openSnapshotStore(place.files, quiet, place).kind, 'reflink');
  });

  it('keeps the kind of a store with snapshots, and chooses anew while it has none', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const without = { ...watchedFiles(place.files, () => undefined), clone: () => false };
    assert.equal(openSnapshotStore(without, quiet, place).kind, 'copy-on-write');
    assert.equal(openSnapshotStore(place.files, quiet, place).kind, 'reflink');
    const store = openSnapshotStore(without, quiet, place);
    assert.equal(store.kind, 'copy-on-write');
    store.create({ id: hexId(1), name: '', lsn: 1 as never, time: 0 });
    store.close();
    assert.equal(openSnapshotStore(place.files, quiet, place).kind, 'copy-on-write');
  });

  it('keeps the clones of two groups apart whose images share a folder', () => {
    const place = memoryPlace(SIZES, { clones: true });
    const [first, second] = place.volumes.map((volume, number) => ({
      ...place,
      folder: `/store${number}`,
      volumes: [volume],
    }));
    const a = replicaAfter(first!, write(0, 0, 512, 1), snapshot(1));
    const b = replicaAfter(second!, write(0, 0, 512, 2), snapshot(2));
    for (const replica of [a, b, a]) {
      replica.restart();
      replica.check();
    }
  });

  for (const [what, change] of [
    ['is cut', (text: string) => text.slice(0, -20)],
    ['is of a later version', (text: string) => text.replace('"version": 2', '"version": 3')],
    ['has a snapshot twice', (text: string) => text.replace(hexId(1), hexId(2))],
    ['has an id that leads elsewhere', (text: string) => text.replace(hexId(1), '../../etc/passwd')],
    ['is too long', (text: string) => text + ' '.repeat(CATALOGUE_SIZE_MAX)],
  ] as const) {
    it(`refuses a catalogue that ${what}, and removes nothing`, () => {
      for (const clones of [true, false]) {
        const place = memoryPlace(SIZES, { clones });
        const replica = replicaAfter(
          place,
          write(0, 0, 512, 1),
          snapshot(1),
          snapshot(2),
          write(0, 0, 512, 2),
        );
        replica.store.close();
        let saved = '';
        replaceCatalogue(place, (text) => change((saved = text)));
        const error = failsToOpen(place, 'SNAPSHOT_CATALOGUE_DAMAGED');
        assert.ok(error.message.includes(CATALOGUE));
        replaceCatalogue(place, () => saved);
        replica.restart();
        replica.check();
      }
    });
  }

  it('refuses to begin anew where there are snapshots without a catalogue, and removes nothing', () => {
    for (const clones of [true, false]) {
      const place = memoryPlace(SIZES, { clones });
      const replica = replicaAfter(place, write(0, 0, 512, 1), snapshot(1), write(0, 0, 512, 2));
      replica.store.close();
      place.disk.rename(CATALOGUE, '/images/saved');
      failsToOpen(place, 'SNAPSHOT_CATALOGUE_MISSING');
      place.disk.rename('/images/saved', CATALOGUE);
      replica.restart();
      replica.check();
    }
  });

  it('refuses a copy-on-write catalogue that is older than what was kept', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, write(0, 0, 512, 1), snapshot(1));
    let saved = '';
    replaceCatalogue(place, (text) => (saved = text));
    for (const step of [snapshot(2), write(0, 0, 512, 2)]) replica.run(step);
    replica.store.close();
    let newest = '';
    replaceCatalogue(place, (text) => {
      newest = text;
      return saved;
    });
    failsToOpen(place, 'SNAPSHOT_CATALOGUE_STALE');
    replaceCatalogue(place, () => newest);
    replica.restart();
    replica.check();
  });

  it('relies on a catalogue whose maker died before its name was durable only once it is', () => {
    const place = memoryPlace([4096]);
    const replica = replicaAfter(place, write(0, 0, 512, 1));
    let renamed = false;
    const dying = watchedFiles(place.files, ({ name }) => {
      if (renamed) throw new Death();
      renamed = name === 'rename';
    });
    replica.store.close();
    replica.restart(dying);
    assert.throws(() => openSnapshotStore(dying, quiet, place).create(replica.info(hexId(1))), Death);
    replica.restart(place.files);
    for (const step of [snapshot(1), write(0, 0, 512, 2)]) replica.run(step);
    replica.store.close();
    place.crash();
    replica.restart();
    replica.assertSnapshot(hexId(1), 0, Buffer.alloc(4096).fill(1, 0, 512));
  });

  it('removes what an interrupted snapshot left, and says so', () => {
    for (const clones of [true, false]) {
      const place = memoryPlace(SIZES, { clones });
      const replica = replicaAfter(place, snapshot(1));
      let saved = '';
      replaceCatalogue(place, (text) => (saved = text));
      replica.run(snapshot(2));
      replica.store.close();
      replaceCatalogue(place, () => saved);
      const warnings: string[] = [];
      openSnapshotStore(place.files, { ...quiet, warn: (message) => warnings.push(message) }, place).close();
      assert.equal(warnings.length, 1);
      const left = clones
        ? place.disk.list(`/images/${String(hidden(place)[0])}`)
        : place.disk.list(STORE_FOLDER);
      assert.ok(left.some((name) => name.includes(hexId(1))));
      assert.ok(!left.some((name) => name.includes(hexId(2))));
    }
  });
});
