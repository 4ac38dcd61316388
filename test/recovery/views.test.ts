import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../../src/nbd/front-end.ts';
import { lsn } from '../../src/journal/ids.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { CHUNK_SIZE } from '../../src/recovery/granules.ts';
import { choosePoint } from '../../src/recovery/choose-point.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { Views, VIEWS_MAX, type View } from '../../src/recovery/views.ts';
import { temporaryFolder } from '../support/folder.ts';
import { memoryPlace } from './memory-place.ts';
import type { Replica } from './replica.ts';
import { hexId, quiet, replicaAfter, snapshot, throwsCode, write } from './replica.ts';
import { watchedFiles } from './watched-files.ts';

const SIZES = [4 * CHUNK_SIZE, 2 * CHUNK_SIZE];
const TIB = 2 ** 40;

function contents({ volumes }: View): Buffer[] {
  return volumes.map(({ volume }) => {
    const content = Buffer.alloc(volume.size);
    volume.read(0, content);
    return content;
  });
}

function open(views: Views, replica: Replica, id: number): View {
  return views.open(choosePoint(replica.store.list(), { kind: 'snapshot', called: hexId(id) }), {
    writable: false,
  });
}

const noScratch = (): never => assert.fail('nothing is writable');

describe('views of recovery points', () => {
  for (const clones of [false, true]) {
    const kind = clones ? 'reflink' : 'copy-on-write';
    it(`stay what they are while volumes are written and the store is opened anew, and hold their snapshot (${kind}, I7)`, () => {
      const replica = replicaAfter(memoryPlace(SIZES, { clones }), write(0, 0, SIZES[0]!, 1), snapshot(1));
      const views = new Views('g', quiet, noScratch);
      views.follow(replica.store);
      const view = open(views, replica, 1);
      assert.deepEqual(
        view.volumes.map(({ volume }) => volume.name),
        ['g/volume0@snapshot ' + hexId(1), 'g/volume1@snapshot ' + hexId(1)],
      );
      const expected = replica.snapshots.get(hexId(1));
      for (let round = 2; round < 6; round += 1) {
        replica.run(write(0, (round - 2) * CHUNK_SIZE + 512, 512, round));
        replica.run(write(1, 1024, CHUNK_SIZE, round));
        assert.deepEqual(contents(view), expected);
        if (round % 2 === 0) replica.run(snapshot(round));
        replica.run({ kind: 'restart' });
        assert.deepEqual(contents(view), expected, 'the store is closed');
        views.follow(replica.store);
        throwsCode('SNAPSHOT_IN_USE', () => replica.store.delete(hexId(1)));
      }
      views.close(view);
      replica.run({ kind: 'delete', id: 1 });
      replica.run({ kind: 'tidy' });
      replica.check();
      replica.store.close();
    });
  }

  it('read again once a volume that was away is back, and say why they cannot meanwhile', () => {
    const replica = replicaAfter(memoryPlace(SIZES), write(0, 0, SIZES[0]!, 1), snapshot(1));
    let isAway = false;
    const away = watchedFiles(replica.place.files, ({ name, path }) => {
      if (isAway && name === 'read' && path.startsWith('/images')) throw new Error('no such device');
    });
    replica.store.close();
    replica.restart(away);
    const views = new Views('g', quiet, noScratch);
    views.follow(replica.store);
    const view = open(views, replica, 1);
    isAway = true;
    assert.throws(
      () => contents(view),
      (error) => error instanceof HostError && error.code === 'EIO',
    );
    isAway = false;
    assert.deepEqual(contents(view), replica.snapshots.get(hexId(1)));
    views.close(view);
    assert.ok(away.openCount() <= 1, 'no file but the newest chunk file is left open');
    replica.store.close();
  });

  it('cannot be written, and say so as hosts understand it', () => {
    const replica = replicaAfter(memoryPlace(SIZES), snapshot(1));
    const views = new Views('g', quiet, noScratch);
    views.follow(replica.store);
    const [{ volume } = assert.fail()] = open(views, replica, 1).volumes;
    assert.equal(volume.readOnly, true);
    const run = {
      buffer: Buffer.alloc(540),
      start: 0,
      count: 1,
      offsets: new Float64Array(1),
      lengths: Uint32Array.of(512),
    };
    for (const change of [() => volume.write(run), () => volume.zero(0, 512, { keepAllocated: false })])
      assert.throws(change, (error) => error instanceof HostError && error.code === 'EPERM');
  });

  it('may be several of one point, each with a name of its own, up to a limit', () => {
    const replica = replicaAfter(memoryPlace(SIZES), snapshot(1));
    const views = new Views('g', quiet, noScratch);
    views.follow(replica.store);
    const first = open(views, replica, 1);
    assert.equal(open(views, replica, 1).name, `${first.name}-2`);
    for (let i = 2; i < VIEWS_MAX; i += 1) open(views, replica, 1);
    throwsCode('MOUNTS_MAX', () => open(views, replica, 1));
    throwsCode('MOUNT_NOT_FOUND', () => views.find('nothing'));
    views.close(first);
    assert.equal(open(views, replica, 1).name, first.name);
  });

  it('open in the same few calls whatever the size, and tell a hole of a TiB without reading', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'disk.raw');
    writeFileSync(path, '');
    const disk = nodeFiles.open(path, 'write');
    disk.truncate(TIB);
    const volumes = [{ name: 'disk', path, size: TIB }];
    let [calls, reads] = [0, 0];
    const files = watchedFiles(nodeFiles, ({ name }) => {
      calls += 1;
      if (name === 'read') reads += 1;
    });
    const clonesNothing = { ...files, clone: () => false };
    const store = openSnapshotStore(clonesNothing, quiet, { folder: join(folder, 'snapshots'), volumes });
    for (let id = 0; id < 100; id += 1) {
      store.create({ id: hexId(id), name: `s${id}`, lsn: lsn(id + 1), time: id });
      const offset = id * 8 * 2 ** 30;
      store.preserve([{ volume: 'disk', offset, length: 4096 }]);
      disk.write(Buffer.alloc(4096, id + 1), offset);
    }
    const views = new Views('g', quiet, noScratch);
    views.follow(store);
    [calls, reads] = [0, 0];
    const view = views.open(choosePoint(store.list(), { kind: 'lsn', lsn: 40 }), { writable: false });
    assert.ok(calls <= 2, `${calls} calls to open`);
    const [{ volume } = assert.fail()] = view.volumes;
    const sector = Buffer.alloc(4096);
    volume.read(30 * 8 * 2 ** 30, sector);
    assert.ok(sector.equals(Buffer.alloc(4096, 31)));
    volume.read(60 * 8 * 2 ** 30, sector);
    assert.ok(sector.equals(Buffer.alloc(4096)), 'written after the snapshot');
    let data = 0;
    for (let at = 0; at < TIB;) {
      for (const { length, kind } of volume.extents(at, Math.min(TIB - at, 2 ** 32 - 4096), 64)) {
        if (kind === 'data') data += length;
        at += length;
      }
    }
    assert.ok(data <= 40 * CHUNK_SIZE, `${data} bytes of data`);
    // Of each chunk file its header and one run's, and the two chunks.
    assert.ok(reads <= 61 * 3, `${reads} reads`);
    views.close(view);
    store.close();
    disk.close();
  });
});

describe('a recovery point that somebody means', () => {
  const points = [10, 20, 20, 30].map((time, index) => {
    return { id: hexId(index), name: index === 2 ? 'noon' : `s${time}`, lsn: lsn(100 + index), time };
  });
  const choose = (wanted: Parameters<typeof choosePoint>[1]): number =>
    points.indexOf(choosePoint(points, wanted));

  it('is the newest at or before an LSN or a time, or has the name or id', () => {
    assert.equal(choose({ kind: 'lsn', lsn: 102 }), 2);
    assert.equal(choose({ kind: 'lsn', lsn: 1_000_000 }), 3);
    assert.equal(choose({ kind: 'time', time: 20 }), 2);
    assert.equal(choose({ kind: 'time', time: 29 }), 2);
    assert.equal(choose({ kind: 'snapshot', called: 'noon' }), 2);
    assert.equal(choose({ kind: 'snapshot', called: hexId(0) }), 0);
  });

  it('is refused when there is none so old, none of the name, or more than one', () => {
    throwsCode('POINT_NOT_FOUND', () => choose({ kind: 'lsn', lsn: 99 }));
    throwsCode('POINT_NOT_FOUND', () => choose({ kind: 'time', time: 9 }));
    throwsCode('SNAPSHOT_NOT_FOUND', () => choose({ kind: 'snapshot', called: 'night' }));
    const twice = [...points, { ...points[2]!, id: hexId(9) }];
    throwsCode('SNAPSHOT_AMBIGUOUS', () => choosePoint(twice, { kind: 'snapshot', called: 'noon' }));
  });
});
