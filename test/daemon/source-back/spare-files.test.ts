import assert from 'node:assert/strict';
import type { SealedFile } from '../../../src/daemon/source-back/sealed-file.ts';
import type { SourceBack } from '../../../src/daemon/source-back/source-back.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import type { ClosedRaw } from '../../../src/journal/raw-segment.ts';
import type { MemoryDisk } from '../../recovery/memory-disk.ts';
import { seededRandom } from '../../support/random.ts';
import { Crash, systemError, TamperedFiles } from '../../support/tampered-files.ts';
import { back, contentOf, OPTIONS, written } from './raws.ts';

const PLENTY = 1024 * 1024;

function isPart(name: string): boolean {
  return name.endsWith('.part');
}

function parts(disk: MemoryDisk): string[] {
  return disk.list('/group/journal').filter(isPart);
}

/** Seals and destages it. */
async function sealed(object: SourceBack, raw: ClosedRaw): Promise<SealedFile> {
  const [file] = (await object.seal([raw], true)).files;
  assert.ok(file !== undefined);
  await object.apply(raw);
  return file;
}

/** The files that were made anew. */
function made(files: TamperedFiles): string[] {
  const names: string[] = [];
  files.fault = ({ kind, path }) => {
    if (kind === 'open' && isPart(path) && files.stat(path) === undefined) names.push(path);
    return undefined;
  };
  return names;
}

describe('replication files that are written over', () => {
  it('are whole segments, as long as they say, whatever was in the file before', async () => {
    const { disk, raws } = await written(6);
    const files = new TamperedFiles(disk);
    const object = back(files);
    await object.open();
    const first = await sealed(object, raws[0]!);
    const second = await sealed(object, raws[1]!);
    // Longer than what follows, and shorter.
    disk.open(first.path, 'write').write(Buffer.alloc(PLENTY / 4, 0xaa), 0);
    disk.open(second.path, 'write').truncate(100);
    for (const { path } of [first, second]) {
      const bytes = disk.stat(path)!.size;
      assert.equal(await object.free({ ...first, path, bytes }, PLENTY), true);
    }
    await sealed(object, raws[2]!);
    const anew = made(files);
    for (const raw of raws.slice(3, 5)) {
      const { path, bytes } = await sealed(object, raw);
      assert.equal(disk.stat(path)?.size, bytes);
      const reader = openSegment(disk, path, OPTIONS.key);
      reader.verify();
      assert.equal(reader.header.last, raw.last);
      reader.close();
    }
    assert.deepEqual([anew, parts(disk)], [[], []]);
    await sealed(object, raws[5]!);
    assert.equal(anew.length, 1, 'none was left');
    await object.close();
  });

  it('are written over once their names of before are gone for good: until then others are made (I4)', async () => {
    const { disk, raws } = await written(3);
    const files = new TamperedFiles(disk);
    const object = back(files);
    await object.open();
    await object.free(await sealed(object, raws[0]!), PLENTY);
    const anew = made(files);
    await sealed(object, raws[1]!);
    assert.equal(anew.length, 1);
    await sealed(object, raws[2]!);
    assert.equal(anew.length, 1);
    await object.close();
  });

  it('never show under a name what was not sealed under it, wherever the process dies and the power fails (I4, I6)', async () => {
    const random = seededRandom('spares');
    let n = 1;
    let came = 0;
    for (let dead = true; dead; n += 1) {
      const { disk, raws } = await written(6);
      const files = new TamperedFiles(disk);
      files.dieAt(n, n % 2 === 0 ? 'before' : 'after');
      const content = new Map<string, Buffer>();
      const freed = new Set<string>();
      try {
        const object = back(files);
        await object.open();
        for (const [at, raw] of raws.entries()) {
          const file = await sealed(object, raw);
          content.set(file.name, contentOf(disk, file.path));
          if (at >= 4) continue;
          freed.add(file.name);
          await object.free(file, PLENTY);
        }
        dead = false;
      } catch (error) {
        assert.ok(error instanceof Crash || String(error).includes('the process died'), String(error));
      }
      disk.cutPower(() => random.fraction() < 0.5);
      const names = disk.stat('/group/journal') === undefined ? [] : disk.list('/group/journal');
      for (const [name, bytes] of content) {
        if (!names.includes(name)) assert.ok(freed.has(name), `call ${n}: ${name} is gone`);
        else assert.ok(contentOf(disk, `/group/journal/${name}`).equals(bytes), `call ${n}: ${name} changed`);
        if (names.includes(name) && freed.has(name)) came += 1;
      }
      await back(disk).open();
      assert.deepEqual(parts(disk), []);
    }
    assert.ok(n > 60 && came > 20, `${n} calls were tried, ${came} names came back`);
  });

  it('are not kept beyond the room that there is for them, nor where they cannot be renamed', async () => {
    const { disk, raws } = await written(3);
    const files = new TamperedFiles(disk);
    const object = back(files);
    await object.open();
    const all = [];
    for (const raw of raws) all.push(await sealed(object, raw));
    const [first, second, third] = all as [SealedFile, SealedFile, SealedFile];
    assert.equal(await object.free(first, first.bytes), true);
    assert.equal(await object.free(second, first.bytes + second.bytes - 1), false);
    files.fault = ({ kind }) =>
      kind === 'rename' ? { when: 'before', error: systemError('EACCES') } : undefined;
    assert.equal(await object.free(third, PLENTY), false);
    assert.deepEqual(
      disk.list('/group/journal').filter((name) => /seg/.test(name)),
      [`${first.name}.part`],
    );
  });

  it('go when they are wanted no more, and with the process', async () => {
    const { disk, raws } = await written(3);
    const object = back(disk);
    await object.open();
    await object.free(await sealed(object, raws[0]!), PLENTY);
    await object.free(await sealed(object, raws[1]!), PLENTY);
    assert.equal(parts(disk).length, 2);
    await object.dropSpares();
    assert.deepEqual(parts(disk), []);
    await object.free(await sealed(object, raws[2]!), PLENTY);
    assert.equal(parts(disk).length, 1);
    await object.close();
    assert.deepEqual(parts(disk), []);
  });

  it('are none of those that are being merged', async () => {
    const { disk, raws } = await written(2);
    const object = back(disk);
    await object.open();
    const run = [await sealed(object, raws[0]!), await sealed(object, raws[1]!)];
    await object.beginMerge(run);
    assert.equal(await object.free(run[0]!, PLENTY), false);
    await object.dropMerge();
    assert.equal(await object.free(run[1]!, PLENTY), true);
    await object.close();
  });
});
