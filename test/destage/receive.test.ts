import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { systemError, TamperedFiles, type Change } from '../support/tampered-files.ts';
import { assertVolumes, Site, Stream, write } from './stream.ts';

describe('segments that are received together', () => {
  let site: Site;
  let stream: Stream;
  let names: readonly string[];
  let files: TamperedFiles;
  let back: DestinationBack;

  beforeEach(() => {
    const root = temporaryFolder();
    [stream, site, files] = [new Stream(join(root, 'source')), new Site(root), new TamperedFiles(nodeFiles)];
    const copy = [{ kind: 'init-begin' }, { kind: 'init-end' }] as const;
    const paths = [
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, ...copy),
      ...[1, 2, 3].map((fill) => stream.seal(write(0, 0, fill))),
    ];
    names = paths.map((path) => site.deliver(path));
    back = site.start(files);
  });
  afterEach(() => back.close());

  const inboxed = (): string[] => readdirSync(join(site.folder, 'inbox')).sort();
  const receive = async (some = names): Promise<number> => (await back.receive(some)).taken;
  const failOnce = (wanted: (change: Change) => boolean): void => {
    let failed = false;
    files.fault = (change) => {
      if (failed || !wanted(change)) return undefined;
      failed = true;
      return { when: 'before', error: systemError('EIO') };
    };
  };

  it('are each durable before any counts, and their names by one sync of each folder (I6)', async () => {
    const start = files.changes.length;
    assert.equal(await receive(), 4);
    const made = files.changes.slice(start).map(({ kind, path }) => `${kind} ${basename(path)}`);
    const ofEach = (kind: string): string[] => names.map((name) => `${kind} ${name}`);
    const wanted = [...ofEach('sync'), ...ofEach('rename'), 'sync-directory journal', 'sync-directory inbox'];
    assert.deepEqual(
      made.filter((change) => /^(sync|rename|sync-directory) (.*\.seg|journal|inbox)$/.test(change)),
      wanted,
    );
    assert.deepEqual(inboxed(), []);
    await back.applySome();
    assertVolumes(site.content(), stream.volumes);
  });

  it('count up to the one that is to be refused, which is when it comes again; what follows it stays (I3, I4)', async () => {
    const path = join(site.folder, 'inbox', names[2]!);
    const damaged = readFileSync(path);
    damaged[damaged.length - 60]! ^= 1;
    writeFileSync(path, damaged);
    const { taken, facts } = await back.receive(names);
    assert.deepEqual([taken, facts.journalSegments], [2, 2]);
    assert.deepEqual(inboxed(), names.slice(2));
    const { refused, ...after } = await back.receive(names.slice(2));
    assert.deepEqual([after.taken, refused?.code], [0, 'DAMAGED']);
    assert.deepEqual(inboxed(), [names[3]]);
  });

  it('count up to the one whose sync failed, which comes again as the first and is written again (I6)', async () => {
    failOnce(({ kind, path }) => kind === 'sync' && basename(path) === names[2]);
    assert.equal(await receive(), 2);
    assert.deepEqual(inboxed(), names.slice(2));
    const start = files.changes.length;
    assert.equal(await receive(names.slice(2)), 2);
    const written = files.changes.slice(start).filter(({ kind }) => kind === 'write');
    assert.deepEqual(new Set(written.map(({ path }) => basename(path))), new Set([names[2]]));
    await back.applySome();
    assertVolumes(site.content(), stream.volumes);
  });

  it('are none where the first cannot be synced, and say why', async () => {
    failOnce(({ kind, path }) => kind === 'sync' && basename(path) === names[0]);
    await assert.rejects(async () => back.receive(names), { code: 'EIO' });
    assert.deepEqual(inboxed(), [...names].sort());
    assert.equal(await receive(), 4);
  });

  for (const [what, wanted] of [
    ['one cannot be renamed', ({ kind, path }: Change) => kind === 'rename' && basename(path) === names[2]],
    [
      'a folder cannot be synced',
      ({ kind, path }: Change) => kind === 'sync-directory' && path.endsWith('inbox'),
    ],
  ] as const) {
    it(`are none where ${what}: all are found where they were (I6)`, async () => {
      failOnce(wanted);
      await assert.rejects(async () => back.receive(names), { code: 'EIO' });
      assert.deepEqual(inboxed(), [...names].sort());
      assert.equal((await back.facts()).received, 0);
      assert.equal(await receive(), 4);
    });
  }
});
