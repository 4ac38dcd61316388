/** The raw segments that a source's back half is given in tests, and what it makes of them. */
import assert from 'node:assert/strict';
import { buildSourceBack, type SourceThreadOptions } from '../../../src/daemon/build-threads.ts';
import type { SealedFile } from '../../../src/daemon/source-back/sealed-file.ts';
import type { SourceBack } from '../../../src/daemon/source-back/source-back.ts';
import type { VolumeIndex } from '../../../src/journal/ids.ts';
import type { ClosedRaw } from '../../../src/journal/raw-segment.ts';
import type { Files } from '../../../src/platform/files.ts';
import { nodeClock } from '../../../src/platform/node/clock.ts';
import { Engine, freshDisk, History, VOLUME_SIZE } from '../../capture/engine.ts';
import { EPOCH, settle } from '../../capture/journal.ts';
import type { MemoryDisk } from '../../recovery/memory-disk.ts';
import { noMounts } from '../../support/no-mounts.ts';
import { seededRandom } from '../../support/random.ts';
import { silentLog } from '../../support/silent-log.ts';

export const OPTIONS: SourceThreadOptions = {
  folder: '/group',
  group: { name: 'g', id: '12'.repeat(16) },
  epoch: EPOCH,
  key: Buffer.alloc(32, 7),
  compression: 1,
  dropOverwritten: false,
  snapshots: undefined,
  initialCopy: 'send',
  volumes: ['a', 'b'].map((name, i) => ({
    index: i as VolumeIndex,
    name,
    path: `/volumes/${name}`,
    size: VOLUME_SIZE,
  })),
};

export const back = (files: Files, options = OPTIONS): SourceBack =>
  buildSourceBack({ clock: nodeClock, files, random: seededRandom('seal') }, silentLog, options, noMounts);

/** Closed raw segments of a group that has written, durable on a disk. */
export async function written(
  count: number,
): Promise<{ disk: MemoryDisk; raws: ClosedRaw[]; history: History }> {
  const engine = new Engine(freshDisk(), { segmentSize: 64 * 1024 });
  const history = new History();
  for (let i = 0; i < count; i += 1) {
    for (const [k, name] of ['a', 'b', 'a'].entries()) {
      const offset = ((i * 7 + k * 11) % 60) * 4096;
      const data = Buffer.alloc(4096, i * 3 + k + 1);
      engine.write(name, offset, data);
      history.add(engine.host.writer.last, name, offset, data);
    }
    engine.host.writer.close();
  }
  await engine.host.writer.durable();
  await settle();
  const raws = engine.closed.map(({ raw }) => raw);
  assert.equal(raws.length, count);
  return { disk: engine.remains.disk, raws, history };
}

/** Raw segments of a copy: what a host wrote, with what is copied first behind it, nothing but copied data, and the copy's end. */
export async function copiedRaws(): Promise<{
  readonly disk: MemoryDisk;
  readonly written: ClosedRaw;
  readonly copied: ClosedRaw;
  readonly others: readonly ClosedRaw[];
  readonly end: ClosedRaw;
}> {
  const engine = new Engine(freshDisk(0x11), { segmentSize: 64 * 1024 });
  engine.write('a', 0, Buffer.alloc(4096, 1));
  await engine.beginCopy();
  while (engine.copied === 0) {
    await engine.clock.pass(10);
    await settle();
  }
  await engine.host.drain();
  const [written, copied, ...others] = engine.closed.map(({ raw }) => raw);
  const end = others.pop();
  assert.ok(written !== undefined && copied !== undefined && others.length > 0 && end !== undefined);
  return { disk: engine.remains.disk, written, copied, others, end };
}

/** Seals and destages what is not yet, as a restart does; the sealed files by name. */
export async function finish(files: Files, raws: readonly ClosedRaw[]): Promise<Map<string, SealedFile>> {
  const object = back(files);
  const { sealed } = await object.open();
  const all = new Map(sealed.map((file) => [file.name, file]));
  for (const raw of raws) {
    const [file] = (await object.seal([raw], true)).files;
    if (file !== undefined) all.set(file.name, file);
    await object.apply(raw);
  }
  await object.close();
  return all;
}

export function contentOf(disk: MemoryDisk, path: string): Buffer {
  const file = disk.open(path, 'read');
  const content = Buffer.alloc(file.size());
  file.read(content, 0);
  return content;
}
