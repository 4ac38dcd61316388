import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ChangeMap } from '../../src/capture/change-map.ts';
import { SeedExport, type SeedStep } from '../../src/capture/seed-export.ts';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { RecordKind, type JournalRecord } from '../../src/journal/record.ts';
import { manifestNames, readManifest } from '../../src/journal/seed/manifest.ts';
import { isSeedFileFull } from '../../src/journal/seed/seed-file.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { nodeRandom } from '../../src/platform/node/random.ts';
import { VolumeSet } from '../../src/volume/volume-set.ts';
import { temporaryFolder } from '../support/folder.ts';
import { systemError } from '../support/tampered-files.ts';

const MIB = 1024 * 1024;
const SIZE = 12 * MIB;
const REGION = 64 * 1024;
const SEED = 'ab'.repeat(16);
const KEY = Buffer.alloc(32, 9);
const GROUP = { name: 'g', id: '12'.repeat(16) };
const INDEX = 0 as VolumeIndex;

function record(kind: RecordKind, offset: number, payload: Buffer): JournalRecord {
  return { kind, flags: 0, volume: INDEX, lsn: lsn(7), offset, length: payload.length, payload };
}

function bytesIn(folder: string): number {
  return nodeFiles
    .list(folder)
    .reduce((sum, name) => sum + (nodeFiles.stat(join(folder, name))?.size ?? 0), 0);
}

const BEGIN = record(RecordKind.initBegin, 0, Buffer.from(JSON.stringify({ seed: SEED })));

describe('a seed that is written to a drive', () => {
  function site(files: Files = nodeFiles): { drive: string; map: ChangeMap; start: () => SeedExport } {
    const root = temporaryFolder();
    const [folder, drive, path] = [join(root, 'g'), join(root, 'drive'), join(root, 'a.img')];
    for (const each of [folder, drive]) mkdirSync(each);
    writeFileSync(path, randomBytes(SIZE));
    const volumes = [{ index: INDEX, name: 'a', path, size: SIZE }];
    const map = ChangeMap.open(nodeFiles, folder, volumes);
    const options = {
      ...{ folder, group: GROUP, epoch: { number: epoch(1), id: '34'.repeat(16) }, volumes, map },
      ...{ key: KEY, compression: 0, random: nodeRandom, content: new VolumeSet(nodeFiles, volumes) },
    };
    return { drive, map, start: () => new SeedExport(files, options) };
  }

  function toTheEnd(seed: SeedExport, drive: string): SeedStep {
    for (;;) {
      const step = seed.step(drive);
      if (step !== 'more') return step;
    }
  }

  it('begins behind the record that names it, and leaves nothing marked that is on a drive', () => {
    const { drive, map, start } = site();
    const seed = start();
    seed.begin(SEED, 8 * MIB);
    seed.sealed([record(RecordKind.initBegin, 0, Buffer.from('{}'))], []);
    assert.equal(seed.step(drive), 'not-yet');
    seed.sealed([BEGIN], []);
    assert.equal(toTheEnd(seed, drive), 'complete');
    assert.equal(map.marked, 0);
    const manifest = readManifest(nodeFiles, drive, { group: 'g', seed: SEED, key: KEY });
    assert.ok((manifest?.files.length ?? 0) > 1, 'it takes more than one file');
    assert.deepEqual(manifest?.end, { total: manifest?.files.length, skipped: [] });
  });

  it('marks again what was left out of the replication files since it was read (I2)', () => {
    const { drive, map, start } = site();
    const seed = start();
    seed.begin(SEED, 8 * MIB);
    seed.sealed([BEGIN], []);
    assert.equal(seed.step(drive), 'more');
    const write = record(RecordKind.write, REGION + 512, Buffer.alloc(512));
    map.mark(INDEX, write.offset, write.offset + write.length);
    seed.sealed([write], [write]);
    assert.equal(toTheEnd(seed, drive), 'complete');
    assert.equal(map.marked, REGION);
  });

  it('gives up a file that may have got its name or not, and leaves all of it to the link (I6)', () => {
    let broken = true;
    const files: Files = {
      ...nodeFiles,
      rename(from, to) {
        nodeFiles.rename(from, to);
        if (broken && to.endsWith('.seed')) throw systemError('EIO');
      },
    };
    const { drive, map, start } = site(files);
    const first = start();
    first.begin(SEED, 8 * MIB);
    first.sealed([BEGIN], []);
    assert.throws(() => toTheEnd(first, drive), /EIO/);
    broken = false;
    const second = start();
    assert.equal(toTheEnd(second, drive), 'complete');
    const manifest = readManifest(nodeFiles, drive, { group: 'g', seed: SEED, key: KEY });
    assert.deepEqual(manifest?.end?.skipped, [1]);
    assert.ok(manifest.files.every(({ number }) => number !== 1));
    assert.ok(map.marked >= 4 * MIB, `${map.marked} bytes go over the link`);
  });

  it('fills one drive and goes on with the next one, where the manifest says how many files there are', () => {
    let room = 10 * MIB;
    const { drive, map, start } = site({
      ...nodeFiles,
      freeSpace: (folder) => (folder === drive ? room - bytesIn(drive) : 100 * MIB),
    });
    const next = `${drive}-2`;
    mkdirSync(next);
    const seed = start();
    seed.begin(SEED, 8 * MIB);
    seed.sealed([BEGIN], []);
    assert.equal(toTheEnd(seed, drive), 'drive-full');
    assert.equal(toTheEnd(seed, drive), 'drive-full');
    room = 0;
    const left = map.marked;
    assert.ok(left > 0 && left < SIZE, `${left} bytes are left for the next one`);
    assert.equal(toTheEnd(start(), next), 'complete');
    assert.equal(map.marked, 0);
    const [one, two] = [drive, next].map((folder) =>
      readManifest(nodeFiles, folder, { group: 'g', seed: SEED, key: KEY }),
    );
    assert.deepEqual([one?.files.map(({ number }) => number), one?.end], [[1], undefined]);
    assert.deepEqual(two?.end, { total: 1 + (two?.files.length ?? 0), skipped: [] });
  });

  it('leaves nothing of a file for which a drive had no room after all, and begins it anew on the next one', () => {
    let isFull = true;
    const files: Files = {
      ...nodeFiles,
      open(path, mode) {
        const file = nodeFiles.open(path, mode);
        const write = file.write.bind(file);
        return Object.assign(file, {
          write(from: Uint8Array, position: number) {
            if (isFull && path.endsWith('.seed.part') && position > MIB) throw systemError('ENOSPC');
            write(from, position);
          },
        });
      },
    };
    const { drive, map, start } = site(files);
    const seed = start();
    seed.begin(SEED, 8 * MIB);
    seed.sealed([BEGIN], []);
    assert.equal(toTheEnd(seed, drive), 'drive-full');
    assert.deepEqual(nodeFiles.list(drive), []);
    assert.equal(map.marked, SIZE);
    isFull = false;
    const next = `${drive}-2`;
    mkdirSync(next);
    assert.equal(toTheEnd(seed, next), 'complete');
    const manifest = readManifest(nodeFiles, next, { group: 'g', seed: SEED, key: KEY });
    assert.deepEqual([manifest?.files[0]?.number, manifest?.end?.skipped], [1, []]);
  });

  it('gives up no file for a manifest that it cannot be added to', () => {
    const { drive, start } = site();
    const seed = start();
    seed.begin(SEED, 8 * MIB);
    seed.sealed([BEGIN], []);
    const path = join(drive, `g-${SEED.slice(0, 8)}.json`);
    writeFileSync(path, 'not a manifest');
    assert.throws(() => toTheEnd(seed, drive), { code: 'SEED_MANIFEST_INVALID' });
    assert.deepEqual([seed.state?.skipped, seed.state?.files], [[], 0]);
    nodeFiles.remove(path);
    assert.equal(toTheEnd(seed, drive), 'complete');
  });

  it('ends a file before its size where its table is full, and before its table makes it too long', () => {
    assert.ok(!isSeedFileFull({ bytes: MIB, frames: 65_500 }, 8 * MIB));
    assert.ok(isSeedFileFull({ bytes: MIB, frames: 65_530 }, 1000 * MIB));
    assert.ok(!isSeedFileFull({ bytes: 4 * MIB, frames: 5 }, 8 * MIB));
    assert.ok(isSeedFileFull({ bytes: 4 * MIB, frames: 60_000 }, 8 * MIB));
  });

  it('has a manifest that nobody changes without the group’s key (I12)', () => {
    const { drive, start } = site();
    const seed = start();
    seed.begin(SEED, 8 * MIB);
    seed.sealed([BEGIN], []);
    toTheEnd(seed, drive);
    const [name = ''] = manifestNames(nodeFiles.list(drive), 'g');
    const path = join(drive, name);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('"skipped":[]', '"skipped":[1]'));
    assert.throws(() => readManifest(nodeFiles, drive, { group: 'g', seed: SEED, key: KEY }), /not signed/);
    writeFileSync(path, text);
    const other = { group: 'g', seed: SEED, key: Buffer.alloc(32, 1) };
    assert.throws(() => readManifest(nodeFiles, drive, other), /not signed/);
  });
});
