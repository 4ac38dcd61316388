import assert from 'node:assert/strict';
import type { SealedFile } from '../../../src/daemon/source-back/sealed-file.ts';
import { RAW_HEADER_SIZE } from '../../../src/journal/raw-segment.ts';
import { RecordKind } from '../../../src/journal/record.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import type { VolumeIndex } from '../../../src/journal/ids.ts';
import { freshDisk, VOLUME_SIZE, type History } from '../../capture/engine.ts';
import type { MemoryDisk } from '../../recovery/memory-disk.ts';
import { seededRandom } from '../../support/random.ts';
import { Crash, systemError, TamperedFiles } from '../../support/tampered-files.ts';
import { back, contentOf, finish, OPTIONS, written } from './raws.ts';

/** They join up from the first record on, every byte checked, and hold what was written. */
function assertShipped(disk: MemoryDisk, sealed: ReadonlyMap<string, SealedFile>, history: History): void {
  const volumes = { a: Buffer.alloc(VOLUME_SIZE), b: Buffer.alloc(VOLUME_SIZE) };
  let [last, digest]: [number, string | undefined] = [0, undefined];
  for (const name of [...sealed.keys()].sort()) {
    const file = sealed.get(name)!;
    const reader = openSegment(disk, file.path, OPTIONS.key);
    assert.equal(reader.header.first, last + 1);
    assert.equal(reader.header.digestBefore, digest ?? reader.header.digestBefore);
    assert.equal(reader.totals.fileBytes, file.bytes);
    for (const frame of reader.frames())
      for (const { kind, volume, offset, payload } of frame)
        if (kind === RecordKind.write) payload.copy(volumes[volume === 0 ? 'a' : 'b'], offset);
    [last, digest] = [reader.header.last, reader.header.digestAfter];
    reader.close();
  }
  for (const name of ['a', 'b'] as const) {
    const expected = history.at(Number.MAX_SAFE_INTEGER as never, name);
    assert.ok(volumes[name].equals(expected), `what is shipped of volume ${name}`);
    assert.ok(contentOf(disk, `/volumes/${name}`).equals(expected), `volume ${name} itself`);
  }
}

/** A bit in its first record flips on the medium. */
function spoil(disk: MemoryDisk, path: string): void {
  disk.open(path, 'write').write(Buffer.from([0xff]), RAW_HEADER_SIZE + 40);
}

describe('a source’s sealing and destaging', () => {
  it('seals segments that join up and brings the volumes up to them', async () => {
    const { disk, raws, history } = await written(4);
    const sealed = await finish(disk, raws);
    assert.equal(sealed.size, 4);
    assertShipped(disk, sealed, history);
    const { checkpoint } = await back(disk).open();
    assert.deepEqual([checkpoint.applied, checkpoint.shipped], [raws[3]!.last, raws[3]!.last]);
  });

  it('does nothing twice: what is sealed is told of by no second call, and stays as it is (I4)', async () => {
    const { disk, raws } = await written(2);
    const sealed = await finish(disk, raws);
    const before = [...sealed.values()].map(({ path }) => contentOf(disk, path));
    const object = back(disk);
    await object.open();
    assert.equal((await object.seal([raws[0]!], true)).files[0], undefined);
    await object.apply(raws[0]!);
    assert.deepEqual(
      [...sealed.values()].map(({ path }) => contentOf(disk, path).equals(before.shift()!)),
      [true, true],
    );
  });

  for (const when of ['before', 'after'] as const) {
    it(`comes to the same after it died ${when} any change and the power was cut (I4, I6)`, async () => {
      const random = seededRandom(`power ${when}`);
      let n = 1;
      for (let dead = true; dead; n += 1) {
        const { disk, raws, history } = await written(2);
        const files = new TamperedFiles(disk);
        files.dieAt(n, when);
        const told = new Map<string, Buffer>();
        try {
          const object = back(files);
          await object.open();
          for (const raw of raws) {
            const [file] = (await object.seal([raw], true)).files;
            if (file !== undefined) told.set(file.path, contentOf(disk, file.path));
            await object.apply(raw);
          }
          dead = false;
        } catch (error) {
          assert.ok(error instanceof Crash || String(error).includes('the process died'), String(error));
        }
        disk.cutPower(() => random.fraction() < 0.5);
        for (const [path, content] of told)
          assert.ok(contentOf(disk, path).equals(content), `what was told of lasts: call ${n}`);
        // What was sealed and not told of may have been sent by nobody, but is not made anew either.
        const there = disk.list('/group/journal').filter((name) => name.endsWith('.seg'));
        const before = there.map((name) => contentOf(disk, `/group/journal/${name}`));
        const sealed = await finish(disk, raws);
        there.forEach((name, i) => assert.ok(contentOf(disk, `/group/journal/${name}`).equals(before[i]!)));
        assert.ok(!disk.list('/group/journal').some((name) => name.endsWith('.part')));
        assertShipped(disk, sealed, history);
      }
      assert.ok(n > 30, `${n} calls were tried`);
    });
  }

  it('tells of what a killed process sealed only once that survives a power cut (I2, I4)', async () => {
    let found = 0;
    for (let n = 1, dead = true; dead; n += 1) {
      const { disk, raws } = await written(1);
      const files = new TamperedFiles(disk);
      files.dieAt(n, 'after');
      try {
        const object = back(files);
        await object.open();
        await object.seal([raws[0]!], true);
        dead = false;
      } catch (error) {
        assert.ok(error instanceof Crash, String(error));
      }
      const { sealed } = await back(disk).open();
      found += dead ? sealed.length : 0;
      const told = sealed.map(({ path }) => ({ path, content: contentOf(disk, path) }));
      disk.cutPower(() => false);
      for (const { path, content } of told) assert.ok(contentOf(disk, path).equals(content), `call ${n}`);
    }
    assert.ok(found > 1, `${found} deaths left a sealed segment`);
  });

  it('goes on sealing while a volume is offline, and destages in order when it is back', async () => {
    const { disk, raws, history } = await written(3);
    disk.rename('/volumes/b', '/volumes/away');
    const object = back(disk);
    await object.open();
    const sealed = new Map<string, SealedFile>();
    for (const raw of raws) {
      const [file] = (await object.seal([raw], true)).files;
      sealed.set(file!.name, file!);
      await assert.rejects(async () => object.apply(raws[0]!), { code: 'VOLUME_OFFLINE' });
    }
    disk.rename('/volumes/away', '/volumes/b');
    for (const raw of raws) assert.equal((await object.apply(raw)).checkpoint.applied, raw.last);
    assertShipped(disk, sealed, history);
  });

  it('leaves nothing of a segment behind that a full disk kept it from writing, and writes it later (I8)', async () => {
    const { disk, raws, history } = await written(1);
    const files = new TamperedFiles(disk);
    const object = back(files);
    await object.open();
    files.fault = ({ kind, path }) =>
      kind === 'write' && path.endsWith('.part') ? { when: 'half', error: systemError('ENOSPC') } : undefined;
    await assert.rejects(async () => object.seal([raws[0]!], true), { code: 'ENOSPC' });
    assert.ok(!disk.list('/group/journal').some((name) => /seg|part/.test(name)));
    files.fault = () => undefined;
    const [file] = (await object.seal([raws[0]!], true)).files;
    await object.apply(raws[0]!);
    assertShipped(disk, new Map([[file!.name, file!]]), history);
  });

  for (const rotten of [1, 2])
    it(`destages from the replication files what rotted in a raw segment, ${rotten - 1} before it that are not destaged`, async () => {
      const { disk, raws, history } = await written(3);
      const object = back(disk);
      await object.open();
      const sealed = new Map<string, SealedFile>();
      for (const raw of raws) {
        const [file] = (await object.seal([raw], true)).files;
        sealed.set(file!.name, file!);
      }
      await object.apply(raws[0]!);
      spoil(disk, raws[rotten]!.path);
      const { checkpoint } = await back(disk).open();
      assert.equal(checkpoint.applied, raws[2]!.last);
      assertShipped(disk, sealed, history);
    });

  for (const [what, order] of [
    ['neither destaged nor shipped', ['mark']],
    ['destaged and not sealed', ['apply']],
  ] as const)
    it(`does not go on, and numbers nothing twice, when a raw segment rots that is ${what}`, async () => {
      const { disk, raws } = await written(1);
      const object = back(disk);
      await object.open();
      for (const step of order)
        await (step === 'mark' ? object.seal([raws[0]!], false) : object.apply(raws[0]!));
      spoil(disk, raws[0]!.path);
      await assert.rejects(async () => back(disk).open(), { code: 'JOURNAL_DAMAGED' });
    });

  it('does not go on, and numbers nothing twice, when a raw segment rots that was sealed just before a crash', async () => {
    const { disk, raws } = await written(1);
    const object = back(disk);
    await object.open();
    const [file] = (await object.seal([raws[0]!], true)).files;
    // As it was until it was told what was sealed.
    disk.remove('/group/checkpoint.json');
    assert.ok(disk.stat(file!.path) !== undefined);
    assert.equal((await back(disk).open()).checkpoint.digested, 0, 'sealed again, it is what it was');
    spoil(disk, raws[0]!.path);
    await assert.rejects(async () => back(disk).open(), { code: 'JOURNAL_DAMAGED' });
  });

  it('knows nothing of what volumes held once one of them grew, and applies what is new', async () => {
    const { disk } = freshDisk();
    const grown = back(disk);
    await grown.open();
    assert.equal(await grown.extend(0 as VolumeIndex, 2 * VOLUME_SIZE), VOLUME_SIZE);
    await grown.grow(0 as VolumeIndex, 2 * VOLUME_SIZE);
    assert.equal(await grown.known({ volume: 0 as VolumeIndex, offset: 0, length: 4096 }), undefined);
    assert.equal(disk.stat('/volumes/a')?.size, 2 * VOLUME_SIZE);
    const marked = await grown.marked();
    assert.equal(
      marked.find(({ index }) => index === 0)?.bits[0],
      0b11111,
      'nothing of what is new is marked',
    );
    await grown.close();
  });

  it('ships nothing while changes are only marked, and carries the digest on', async () => {
    const { disk, raws } = await written(2);
    const object = back(disk);
    await object.open();
    assert.equal((await object.seal([raws[0]!], false)).files[0], undefined);
    // Without an init-begin record there is nothing that could join what the destination has.
    assert.equal((await object.seal([raws[1]!], true)).files[0], undefined);
    const { checkpoint } = await object.open();
    assert.deepEqual([checkpoint.shipped, checkpoint.digested], [0, raws[1]!.last]);
  });
});
