/** The formats on disk, in both directions. `GOLDEN=rewrite` writes the files anew; what they hold then is to be reviewed. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHUNK_SIZE } from '../../src/recovery/granules.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { memoryPlace, STORE_FOLDER, type MemoryPlace } from './memory-place.ts';
import { hexId, quiet, replicaAfter, snapshot, write } from './replica.ts';

const GOLDEN = join(import.meta.dirname, '../golden/snapshot-store');
const NAMES = ['catalogue.json', `${hexId(1)}.chunks`, `${hexId(2)}.chunks`];
const SIZES = [2 * CHUNK_SIZE + 512];

function content(place: MemoryPlace, name: string): Buffer {
  const file = place.disk.open(join(STORE_FOLDER, name), 'read');
  const bytes = Buffer.alloc(file.size());
  file.read(bytes, 0);
  return bytes;
}

describe('the copy-on-write formats on disk', () => {
  const tail = 2 * CHUNK_SIZE;

  it('are written as ever', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(
      place,
      write(0, tail, 512, 0xab),
      snapshot(1),
      write(0, tail, 512, 0xcd),
      snapshot(2),
    );
    replica.run(write(0, CHUNK_SIZE - 512, 1024, 0xef));
    replica.store.close();
    for (const name of NAMES) {
      const path = join(GOLDEN, name);
      if (process.env['GOLDEN'] === 'rewrite') writeFileSync(path, content(place, name));
      assert.ok(content(place, name).equals(readFileSync(path)), `${name} differs from ${path}`);
    }
  });

  it('are read as ever', () => {
    const place = memoryPlace(SIZES);
    place.disk.makeDirectory(STORE_FOLDER);
    for (const name of NAMES) {
      place.disk.open(join(STORE_FOLDER, name), 'create').write(readFileSync(join(GOLDEN, name)), 0);
    }
    const volume = place.disk.open('/images/0.img', 'write');
    volume.write(Buffer.alloc(1024, 0xff), CHUNK_SIZE - 512);
    volume.write(Buffer.alloc(512, 0xff), tail);
    const store = openSnapshotStore(place.files, quiet, place);
    const last = [1, 2].map((id) => {
      const reader = store.open(hexId(id), 'volume0');
      const bytes = Buffer.alloc(SIZES[0]!);
      reader.read(0, bytes);
      reader.close();
      assert.ok(bytes.subarray(0, tail).equals(Buffer.alloc(tail)));
      return bytes[tail];
    });
    assert.deepEqual(last, [0xab, 0xff]);
    assert.deepEqual(store.list(), [
      { id: hexId(1), name: `snapshot ${hexId(1)}`, lsn: 1, time: 1_700_000_000_000, kind: 'copy-on-write' },
      { id: hexId(2), name: `snapshot ${hexId(2)}`, lsn: 2, time: 1_700_000_000_000, kind: 'copy-on-write' },
    ]);
  });
});
