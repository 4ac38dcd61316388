import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unsentReason } from '../../src/destage/group-waits.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until } from './running-group.ts';
import { assertVolumes, marker, Site, Stream, verify, VOLUME_SIZE, write } from './stream.ts';

const NOON = 'a1'.repeat(16);
const NIGHT = 'b2'.repeat(16);

function withFailingReads(path: string, fault: { on: boolean }): Files {
  return {
    ...nodeFiles,
    open(opened, mode) {
      const file = nodeFiles.open(opened, mode);
      if (opened !== path) return file;
      const read = file.read.bind(file);
      return Object.assign(file, {
        read(into: Uint8Array, at: number) {
          if (!fault.on) return read(into, at);
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        },
      });
    },
  };
}

describe('a destination that cannot go on', () => {
  function prepare(): { root: string; stream: Stream; begin: string } {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const begin = stream.seal(
      { kind: 'attach', names: ['a', 'b'] },
      { kind: 'init-begin' },
      { kind: 'init-end' },
    );
    return { root, stream, begin };
  }

  it('says that a disk cannot be read where it is to be compared, and has the range sent again as one that differs', async () => {
    const { root, stream, begin } = prepare();
    const site = new Site(root);
    const written: DestinationStatus[] = [];
    const fault = { on: true };
    const files = withFailingReads(site.paths.get('b') ?? '', fault);
    const running = await runGroup(site, { files, written });
    for (const path of [begin, stream.seal(write(1, 4096, 5), verify(1, 4096, 4096))]) site.deliver(path);
    await until('going on', () => running.status().applied === 5);
    const waits = written.flatMap(({ waiting }) => (waiting === undefined ? [] : [waiting]));
    const told = waits.find(({ code }) => code === 'volume-unreadable');
    assert.match(
      told?.message ?? '',
      /^volume b \(.*b\.img\) cannot be read at byte 4096: EIO; check its disk$/,
    );
    assert.ok(waits.every(({ code }) => code !== 'volume-offline'));
    const { comparedBytes, skippedBytes, differed } = written.at(-1)?.verification ?? {};
    assert.deepEqual([comparedBytes, skippedBytes, differed], [4096, 0, 1]);
    const { differing } = written.at(-1)?.verification ?? {};
    assert.deepEqual(differing, [{ volume: 1, offset: 4096, length: 4096, lsn: 5 }]);
    fault.on = false;
    site.deliver(stream.seal(write(1, 4096, 5), verify(1, 4096, 4096, 0)));
    await until('mending', () => running.status().applied === 7 && running.status().waiting === undefined);
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
  });

  it('names the volume that the source sends and nobody configured, receives, and resumes once it is (I3)', async () => {
    const { root, stream, begin } = prepare();
    const site = new Site(root, undefined, ['a']);
    const running = await runGroup(site);
    for (const path of [begin, stream.seal(write(1, 0, 5))]) site.deliver(path);
    await until('the reason', () => running.status().waiting?.code === 'volume-unknown');
    assert.match(running.status().waiting?.message ?? '', /volume b.*add it under volumes/);
    await until('receiving', () => running.status().received === 4);
    assert.equal(running.status().applied, 0);
    await running.stop();
    const both = new Site(root);
    const again = await runGroup(both);
    await until('resuming', () => again.status().applied === 4 && again.status().waiting === undefined);
    await again.stop();
    assertVolumes(both.content(), stream.volumes);
  });

  it('names a volume that was taken out of the configuration, touches no other path, and resumes', async () => {
    const { root, stream, begin } = prepare();
    const site = new Site(root);
    const first = await runGroup(site);
    site.deliver(begin);
    await until('the beginning', () => first.status().applied === 3);
    await first.stop();
    const without = await runGroup(new Site(root, undefined, ['a']));
    site.deliver(stream.seal(write(0, 0, 5), marker('snapshot', 'noon', NOON)));
    await until('the reason', () => without.status().waiting?.code === 'volume-unknown');
    assert.equal(without.status().applied, 3);
    await without.stop();
    const again = await runGroup(site);
    await until('resuming', () => again.status().applied === 5 && again.status().waiting === undefined);
    await again.stop();
    assertVolumes(site.content(), stream.volumes);
  });

  it('raises an alarm for a volume that is configured and not in the stream, and goes on with the others', async () => {
    const { root, stream, begin } = prepare();
    const site = new Site(root, undefined, ['a', 'b', 'forgotten']);
    const running = await runGroup(site);
    assert.equal(running.waitsFor('volume-not-sent'), false, 'the source has said nothing yet');
    for (const path of [begin, stream.seal(write(1, 0, 5))]) site.deliver(path);
    await until('the alarm', () => running.status().waiting?.code === 'volume-not-sent');
    assert.match(running.status().waiting?.message ?? '', /not sent by the source: forgotten;/);
    await until('going on', () => running.status().applied === 4);
    await running.stop();
  });

  it('makes an image as large as its source’s became, and keeps what was before it in the volume’s old size (I3)', async () => {
    const { root, stream, begin } = prepare();
    const site = new Site(root);
    const paths = [begin, stream.seal(write(0, 0, 5), marker('snapshot', 'noon', NOON))];
    paths.push(stream.seal({ kind: 'resize', volume: 0, size: 2 * VOLUME_SIZE }, write(0, VOLUME_SIZE, 6)));
    for (const path of paths) site.deliver(path);
    const running = await runGroup(site);
    await until('all', () => running.status().applied === 7);
    await running.stop();
    assert.equal(site.snapshots.taken.get(NOON)?.content[0]?.length, VOLUME_SIZE);
    assertVolumes(site.content(), stream.volumes);
  });

  it('waits for a device that is smaller than its source’s became, loses nothing, and goes on once it is large enough', async () => {
    const { root, stream, begin } = prepare();
    const site = new Site(root);
    const path = site.paths.get('a')!;
    const files: Files = {
      ...nodeFiles,
      stat: (at) => {
        const stat = nodeFiles.stat(at);
        return at === path && stat !== undefined ? { ...stat, kind: 'block-device' } : stat;
      },
    };
    mkdirSync(join(root, 'volumes'), { recursive: true });
    writeFileSync(path, Buffer.alloc(VOLUME_SIZE));
    const resize = { kind: 'resize', volume: 0, size: 2 * VOLUME_SIZE } as const;
    for (const sealed of [begin, stream.seal(write(0, 0, 5), resize, write(0, VOLUME_SIZE, 6))])
      site.deliver(sealed);
    const running = await runGroup(site, { files });
    await until('the reason', () => running.status().waiting?.code === 'volume-too-small');
    assert.match(running.status().waiting?.message ?? '', /has 65536 bytes; the source's has 131072/);
    assert.equal(running.status().applied, 3);
    truncateSync(path, 2 * VOLUME_SIZE);
    await until('going on', () => running.status().applied === 6 && running.status().waiting === undefined);
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
  });

  it('tells a volume apart from all others, and says nothing before the source has', () => {
    assert.equal(unsentReason(['a'], []), undefined);
    assert.equal(unsentReason(['a'], [{ name: 'b' }, { name: 'a' }]), undefined);
    assert.equal(unsentReason(['a', 'c'], [{ name: 'b' }])?.code, 'volume-not-sent');
  });

  it('applies no data before it knows of which volumes, and acknowledges none as applied (I3)', async () => {
    const root = temporaryFolder();
    const [site, stream] = [new Site(root), new Stream(join(root, 'source'))];
    site.deliver(stream.seal(write(0, 0, 1)));
    const running = await runGroup(site);
    await until('the wait', () => running.status().waiting?.code === 'apply-failed');
    assert.match(running.status().waiting?.message ?? '', /before it has said of which volumes/);
    assert.equal(running.status().applied, 0);
    await running.stop();
  });

  it('stands still at a marker whose snapshot exceeds the limit, and takes it there once one is deleted (I9)', async () => {
    const { root, stream, begin } = prepare();
    const site = new Site(root);
    site.snapshots.limit = 1;
    const paths = [begin, stream.seal(write(0, 0, 5), marker('snapshot', 'noon', NOON))];
    paths.push(stream.seal(write(0, 0, 6)), stream.seal(write(1, 0, 6), marker('snapshot', 'night', NIGHT)));
    const atNight = stream.volumes.map((volume) => Buffer.from(volume));
    paths.push(stream.seal(write(0, 0, 7)));
    for (const path of paths) site.deliver(path);
    const running = await runGroup(site);
    await until('the reason', () => running.status().waiting?.code === 'snapshot-limit');
    assert.match(running.status().waiting?.message ?? '', /delete snapshots/);
    await until('receiving', () => running.status().received === 9);
    assert.equal(
      running.status().applied,
      6,
      'what lies before the marker counts, nothing behind it is applied',
    );
    site.snapshots.taken.delete(NOON);
    await until('going on', () => running.status().applied === 9 && running.status().waiting === undefined);
    await running.stop();
    assert.deepEqual(site.snapshots.taken.get(NIGHT)?.content, atNight);
    assertVolumes(site.content(), stream.volumes);
  });
});
