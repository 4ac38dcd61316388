import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import type { DestinationFacts } from '../../src/destage/destination-facts.ts';
import { errorCode } from '../../src/platform/errors.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { until } from './running-group.ts';
import { assertVolumes, marker, Site, Stream, write } from './stream.ts';

const ID = '0123456789abcdef0123456789abcdef';
const OTHER = 'f'.repeat(32);

async function applyAll(back: DestinationBack): Promise<DestinationFacts> {
  for (;;) {
    const facts = await back.applySome();
    if (facts.journalSegments === 0 || facts.state.pending !== undefined) return facts;
  }
}

async function refusalOf(back: DestinationBack, name: string): Promise<string> {
  const { refused } = await back.receive([name]);
  return refused?.code ?? 'received';
}

describe("a destination's working half", () => {
  function prepare(): { site: Site; stream: Stream; begin: string } {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const begin = stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, write(0, 0, 1), {
      kind: 'init-end',
    });
    return { site: new Site(root), stream, begin };
  }

  it('applies writes and zeros of several volumes in order, after preserving what they overwrite (I3, I7)', async () => {
    const { site, stream, begin } = prepare();
    const more = stream.seal(write(1, 8192, 2), write(0, 4096, 3), {
      kind: 'zero',
      volume: 1,
      offset: 8192,
      length: 512,
    });
    const back = site.start();
    for (const path of [begin, more]) assert.equal(await refusalOf(back, site.deliver(path)), 'received');
    const { state } = await applyAll(back);
    assertVolumes(site.content(), stream.volumes);
    assert.deepEqual([state.applied, state.consistent], [7, true]);
    assert.equal(site.snapshots.preserved, 4);
    await until('what is applied is removed', () => readdirSync(join(site.folder, 'journal')).length === 0);
    await back.close();
  });

  it('refuses a segment that does not join what is there, or is of another key (I4, I12)', async () => {
    const { site, stream, begin } = prepare();
    const root = temporaryFolder();
    const other = new Stream(join(root, 'other'));
    other.seal(write(0, 0, 9), write(0, 0, 9), write(0, 0, 9), write(0, 0, 9));
    const back = site.start();
    await back.receive([site.deliver(begin)]);
    assert.equal(await refusalOf(back, site.deliver(other.seal(write(0, 0, 8)))), 'DOES_NOT_JOIN');
    assert.equal(await refusalOf(back, site.deliver(stream.seal(write(0, 0, 5)))), 'received');
    await back.close();
    const wrong = new Site(temporaryFolder()).start(nodeFiles, Buffer.alloc(32, 1));
    await wrong.close();
    const plain = new Site(temporaryFolder());
    const reader = plain.start(nodeFiles, Buffer.alloc(32, 1));
    assert.equal(await refusalOf(reader, plain.deliver(begin)), 'WRONG_KEY');
    await reader.close();
  });

  it('refuses every single changed byte, and takes the segment when it comes again (I4)', async () => {
    const { site, begin } = prepare();
    const good = readFileSync(begin);
    const back = site.start();
    for (let at = 0; at < good.length; at += 7) {
      const name = site.deliver(begin);
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(at) ^ 0x10, at);
      writeFileSync(join(site.folder, 'inbox', name), bad);
      assert.notEqual(await refusalOf(back, name), 'received', `byte ${at}`);
    }
    assert.equal(await refusalOf(back, site.deliver(begin)), 'received');
    await applyAll(back);
    assert.ok(readdirSync(join(site.folder, 'set-aside')).length <= 128, 'what is set aside is bounded');
    await back.close();
  });

  it('makes a snapshot at its marker exactly there, once, whatever is applied again (I9)', async () => {
    const { site, stream, begin } = prepare();
    const paths = [begin, stream.seal(write(0, 0, 7), marker('snapshot', 'noon', ID))];
    const atMarker = stream.volumes.map((volume) => Buffer.from(volume));
    paths.push(stream.seal(write(0, 0, 8), write(1, 0, 8)));
    const back = site.start();
    for (const path of paths) await back.receive([site.deliver(path)]);
    await applyAll(back);
    assert.deepEqual(site.snapshots.taken.get(ID)?.content, atMarker);
    assertVolumes(site.content(), stream.volumes);
    await back.close();
  });

  it('makes a recovery point of its own at what is applied, and none while the volumes are being brought over', async () => {
    const { site, stream, begin } = prepare();
    const back = site.start();
    const called = { id: OTHER, name: 'own' };
    await assert.rejects(async () => back.createSnapshot(called), { code: 'GROUP_NOT_CONSISTENT' });
    await back.receive([site.deliver(begin)]);
    const { state } = await applyAll(back);
    await back.receive([site.deliver(stream.seal(write(0, 0, 7)))]);
    const before = site.content();
    assert.equal((await back.createSnapshot(called)).snapshots, 1);
    const [made] = await back.snapshots();
    assert.deepEqual([made?.id, made?.name, made?.lsn], [OTHER, 'own', state.applied]);
    await applyAll(back);
    assert.deepEqual(site.snapshots.taken.get(OTHER)?.content, before);
    await back.close();
  });

  it('passes a snapshot marker over while the volumes are being brought over', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    const back = site.start();
    const path = stream.seal(
      { kind: 'attach', names: ['a', 'b'] },
      { kind: 'init-begin' },
      marker('snapshot', 'x', ID),
    );
    await back.receive([site.deliver(path)]);
    await applyAll(back);
    assert.equal(site.snapshots.taken.size, 0);
    await back.close();
  });

  it('stands still at a custom marker, and knows its attempts across a restart (I9)', async () => {
    const { site, stream, begin } = prepare();
    let back = site.start();
    const paths = [
      begin,
      stream.seal(write(0, 0, 7), marker('custom', 'report', ID)),
      stream.seal(write(0, 0, 8)),
    ];
    for (const path of paths) await back.receive([site.deliver(path)]);
    await applyAll(back);
    assert.equal(site.content()[0]?.[0], 7);
    assert.equal((await back.startMarker(ID))?.attempt, 1);
    await back.close();
    back = site.start();
    assert.equal((await back.startMarker(ID))?.attempt, 2);
    assert.equal((await back.applySome()).state.applied, 6, 'nothing behind it is applied before its end');
    await back.finishMarker(ID);
    await applyAll(back);
    assert.equal(site.content()[0]?.[0], 8);
    await back.close();
  });

  it('lets a marker whose id is no id make no file outside the store, and still starts afterwards (I12)', async () => {
    const { site, stream, begin } = prepare();
    let back = site.start();
    const paths = [
      begin,
      stream.seal(marker('snapshot', 'evil', '../../evil')),
      stream.seal(marker('custom', 'evil', '../../evil')),
      stream.seal({ kind: 'marker', payload: { id: OTHER, kind: 'custom', name: 'late' }, time: 9e15 }),
      stream.seal({ kind: 'marker', payload: 'nonsense' }),
      stream.seal(write(0, 0, 8)),
    ];
    for (const path of paths) await back.receive([site.deliver(path)]);
    const facts = await applyAll(back);
    assert.equal(site.snapshots.creates, 0);
    assert.equal(facts.state.pending, undefined);
    await back.close();
    back = site.start();
    assert.equal((await back.facts()).state.applied, 9);
    assertVolumes(site.content(), stream.volumes);
    await back.close();
  });

  it('says that the volumes are not consistent before a full copy overwrites the first block, for a crash', async () => {
    const { site, stream, begin } = prepare();
    let back = site.start();
    await back.receive([site.deliver(begin)]);
    assert.equal((await applyAll(back)).state.consistent, true);
    await back.receive([site.deliver(stream.seal({ kind: 'init-begin' }, write(0, 0, 9)))]);
    let writes = 0;
    const failing: Files = {
      ...nodeFiles,
      open(path, mode) {
        const file = nodeFiles.open(path, mode);
        if (!path.endsWith('a.img') || mode !== 'write') return file;
        return Object.create(file, {
          path: { value: path },
          read: { value: file.read.bind(file) },
          size: { value: file.size.bind(file) },
          close: { value: file.close.bind(file) },
          syncNow: { value: file.syncNow.bind(file) },
          punchHole: { value: file.punchHole.bind(file) },
          write: {
            value: (from: Uint8Array, at: number) => {
              writes += 1;
              file.write(from, at);
              if (from[0] === 9) throw Object.assign(new Error('EIO'), { code: 'EIO' });
            },
          },
        }) as typeof file;
      },
    };
    await back.close();
    back = site.start(failing);
    await assert.rejects(async () => applyAll(back));
    assert.ok(writes > 0);
    await back.close();
    back = site.start();
    assert.equal((await back.facts()).state.consistent, false);
    await back.close();
  });

  it('syncs the folder of an image that it makes: with its name lost, what was applied would be lost (I6)', async () => {
    const { site, begin } = prepare();
    const synced: string[] = [];
    const back = site.start({
      ...nodeFiles,
      syncDirectory(directory) {
        synced.push(directory);
        nodeFiles.syncDirectory(directory);
      },
    });
    await back.receive([site.deliver(begin)]);
    await applyAll(back);
    assert.ok(synced.includes(dirname(site.paths.get('a') ?? '')));
    await back.close();
  });

  it('goes on receiving while a volume is away, and resumes when it is back', async () => {
    const { site, stream, begin } = prepare();
    let back = site.start();
    await back.receive([site.deliver(begin)]);
    await applyAll(back);
    const path = site.paths.get('b') ?? '';
    renameSync(path, `${path}.away`);
    await back.close();
    back = site.start();
    assert.equal(await refusalOf(back, site.deliver(stream.seal(write(1, 0, 4)))), 'received');
    await assert.rejects(
      async () => back.applySome(),
      (error) => errorCode(error) === 'VOLUME_OFFLINE',
    );
    assert.ok(!existsSync(path), 'a volume that was attached is never made anew');
    assert.equal(await refusalOf(back, site.deliver(stream.seal(write(1, 4096, 4)))), 'received');
    renameSync(`${path}.away`, path);
    await applyAll(back);
    assertVolumes(site.content(), stream.volumes);
    await back.close();
  });

  it('does not checkpoint what it wrote to an image that was removed under it', async () => {
    const { site, stream, begin } = prepare();
    const back = site.start();
    await back.receive([site.deliver(begin)]);
    await applyAll(back);
    unlinkSync(site.paths.get('a') ?? '');
    await back.receive([site.deliver(stream.seal(write(0, 0, 4)))]);
    await assert.rejects(
      async () => back.applySome(),
      (error) => errorCode(error) === 'VOLUME_OFFLINE',
    );
    assert.equal((await back.facts()).state.applied, 4);
    await back.close();
  });

  it('leaves in the inbox what could not be made durable in the journal, and receives it later (I6)', async () => {
    const { site, begin } = prepare();
    let failures = 1;
    const back = site.start({
      ...nodeFiles,
      syncDirectory(directory) {
        if (directory.endsWith('/journal') && failures-- > 0)
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        nodeFiles.syncDirectory(directory);
      },
    });
    const name = site.deliver(begin);
    await assert.rejects(async () => back.receive([name]));
    assert.equal((await back.facts()).received, 0);
    assert.equal(await refusalOf(back, name), 'received');
    await back.close();
  });

  it('receives a file that only its file server may write', async () => {
    const { site, begin } = prepare();
    const back = site.start({
      ...nodeFiles,
      open(path, mode) {
        if (mode !== 'read' && path.includes('/inbox/'))
          throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
        return nodeFiles.open(path, mode);
      },
    });
    assert.equal(await refusalOf(back, site.deliver(begin)), 'received');
    await back.close();
  });

  it('asks again for a received segment that its own disk has damaged (I4)', async () => {
    const { site, stream, begin } = prepare();
    let back = site.start();
    const last = stream.seal(write(0, 0, 4));
    for (const path of [begin, last]) await back.receive([site.deliver(path)]);
    await back.close();
    const journal = join(site.folder, 'journal');
    const name = readdirSync(journal).sort()[1] ?? '';
    const bytes = readFileSync(join(journal, name));
    bytes.writeUInt8(bytes.readUInt8(300) ^ 1, 300);
    writeFileSync(join(journal, name), bytes);
    back = site.start();
    await assert.rejects(async () => applyAll(back));
    const facts = await back.facts();
    assert.equal(facts.received, 4);
    assert.equal(facts.damaged.length, 1, 'the front can tell the source');
    assert.equal(await refusalOf(back, site.deliver(last)), 'received');
    await applyAll(back);
    assertVolumes(site.content(), stream.volumes);
    await back.close();
  });
});
