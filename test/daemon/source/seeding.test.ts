import assert from 'node:assert/strict';
import { join } from 'node:path';
import { SEED_DRIVE_FULL, type SeedExportStatus } from '../../../src/api/contract/seed.ts';
import { openWithoutSeed, type Seeding } from '../../../src/daemon/source/seeding.ts';
import { parseInitBegin } from '../../../src/journal/init-begin.ts';
import { RecordKind, type JournalRecord } from '../../../src/journal/record.ts';
import { readManifest, seedFileName } from '../../../src/journal/seed/manifest.ts';
import { openSeedFile } from '../../../src/journal/seed/seed-file.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import type { SegmentReader } from '../../../src/journal/segment/segment.ts';
import { freshDisk, VOLUME_SIZE } from '../../capture/engine.ts';
import { SEGMENT_BYTES_MAX, SourceSite } from './source-site.ts';

const DRIVE = '/drive';
const NEXT = '/next';

/** What every destination receives, and takes in: the seed at the record that names it. */
class Replica {
  readonly #segments: JournalRecord[][] = [];
  #reached = 0;

  take(site: SourceSite): void {
    for (const name of site.segments().sort()) {
      const reader = openSegment(site.disk, join('/group/journal', name), undefined);
      const { first, last } = reader.header;
      if (last > this.#reached) {
        assert.equal(first, this.#reached + 1);
        this.#reached = last;
        this.#segments.push(recordsOf(reader));
      } else reader.close();
    }
    site.confirm();
  }

  /** Records of copies from the source's volumes. */
  volumes(seed: readonly JournalRecord[]): Buffer[] {
    const volumes = [Buffer.alloc(VOLUME_SIZE), Buffer.alloc(VOLUME_SIZE)];
    let isAwaited = true;
    for (const segment of this.#segments) {
      apply(segment, volumes);
      const names = segment.some(
        (record) => record.kind === RecordKind.initBegin && parseInitBegin(record).seed !== undefined,
      );
      if (names && isAwaited) apply(seed, volumes);
      isAwaited &&= !names;
    }
    return volumes;
  }
}

function recordsOf(reader: SegmentReader): JournalRecord[] {
  const records = [...reader.frames()].flat();
  reader.close();
  return records;
}

function apply(records: readonly JournalRecord[], volumes: readonly Buffer[]): void {
  for (const { kind, volume, offset, length, payload } of records) {
    if (kind === RecordKind.write) payload.copy(volumes[volume]!, offset);
    if (kind === RecordKind.zero) volumes[volume]!.fill(0, offset, offset + length);
  }
}

/** What the drive has of the seed. */
function seedOn({ disk, group }: SourceSite, folder: string, seed: string): JournalRecord[] {
  const manifest = readManifest(disk, folder, { group: 'g', seed, key: undefined });
  assert.ok(manifest !== undefined && group.seeding !== undefined);
  return manifest.files.flatMap(({ number }) => {
    const path = join(folder, seedFileName('g', seed, number));
    return recordsOf(openSeedFile(disk, path, undefined, { ...manifest, number }));
  });
}

function seedingOf(site: SourceSite): Seeding {
  assert.ok(site.group.seeding !== undefined);
  return site.group.seeding;
}

/** Hosts write all the while. */
async function until(site: SourceSite, reached: () => boolean, replica?: Replica): Promise<void> {
  for (let i = 0; i < 200 && !reached(); i += 1) {
    if (i < 40 && site.volume('a').room() === undefined) site.write(i % 2 === 0 ? 'a' : 'b');
    await site.clock.pass(250);
    replica?.take(site);
  }
  assert.ok(reached());
  await site.clock.pass(2500);
  replica?.take(site);
}

/** What the volumes hold was there before any journal. */
async function start(options: Parameters<typeof SourceSite.startFresh>[0] = {}): Promise<SourceSite> {
  const site = await SourceSite.startFresh(options, freshDisk(0x77));
  for (const folder of [DRIVE, NEXT]) site.disk.makeDirectory(folder);
  return site;
}

function assertSame(site: SourceSite, volumes: readonly Buffer[]): void {
  for (const [i, name] of ['a', 'b'].entries()) assert.ok(volumes[i]!.equals(site.seen(name)), name);
}

const stateOf = (site: SourceSite): SeedExportStatus['state'] | undefined => seedingOf(site).status()?.state;

describe('a source whose volumes are carried over by a seed', () => {
  it('says when a drive is full, and goes on with the next one; hosts write meanwhile (I3)', async () => {
    const site = await start();
    const replica = new Replica();
    site.files.freeSpace = (folder) => (folder === DRIVE ? 0 : 2 ** 40);
    await seedingOf(site).export({ folder: DRIVE });
    await until(site, () => stateOf(site) === 'stopped', replica);
    assert.equal(seedingOf(site).status()?.problem?.code, SEED_DRIVE_FULL);
    assert.ok(site.waiting().includes('seed-drive'));
    const { id } = await seedingOf(site).export({ folder: NEXT });
    await until(site, () => site.group.mode === 'journal', replica);
    assert.deepEqual([stateOf(site), site.waiting()], ['complete', []]);
    assertSame(site, replica.volumes(seedOn(site, NEXT, id)));
    assert.ok(replica.volumes([])[0]!.includes(Buffer.alloc(4096)), 'the link did not bring it');
    await site.group.stop();
  });

  it('sends all of it over the link once it is cancelled', async () => {
    const site = await start();
    const replica = new Replica();
    await seedingOf(site).export({ folder: DRIVE });
    await until(site, () => stateOf(site) === 'complete');
    await seedingOf(site).cancel();
    assert.equal(seedingOf(site).status(), undefined);
    await until(site, () => site.group.mode === 'journal', replica);
    assertSame(site, replica.volumes([]));
    await assert.rejects(async () => seedingOf(site).cancel(), { code: 'SEED_NONE' });
    await site.group.stop();
  });

  it('is written while nothing is shipped, and what hosts change meanwhile follows (I3)', async () => {
    const site = await start({ whenFull: 'change-map', quota: () => 4 * SEGMENT_BYTES_MAX });
    const replica = new Replica();
    await until(site, () => site.group.mode === 'journal', replica);
    assert.equal(await site.fill(120), 'taken');
    assert.equal(site.group.mode, 'change-map');
    const { id } = await seedingOf(site).export({ folder: DRIVE });
    await until(site, () => stateOf(site) === 'complete');
    assert.equal(site.group.mode, 'change-map');
    assert.equal(await site.fill(3), 'taken');
    await until(site, () => site.group.mode === 'journal', replica);
    assertSame(site, replica.volumes(seedOn(site, DRIVE, id)));
    await site.group.stop();
  });

  it('sends all of it over the link when it is restarted to replicate on an interval', async () => {
    const site = await start();
    await seedingOf(site).export({ folder: DRIVE });
    await site.clock.pass(0);
    await site.group.stop();
    assert.ok((await site.back.open()).seed !== undefined, 'one is under way');
    const opened = await openWithoutSeed(site.back);
    assert.deepEqual([opened.seed, opened.marked], [undefined, 2 * VOLUME_SIZE]);
    const left = { disk: site.disk, done: opened.checkpoint.applied };
    const again = await SourceSite.startFresh({ every: 20_000 }, left);
    assert.equal(again.group.seeding, undefined);
    const replica = new Replica();
    for (let i = 0; i < 200; i += 1) {
      await again.clock.pass(250);
      replica.take(again);
    }
    assertSame(again, replica.volumes([]));
    await again.group.stop();
  });
});
