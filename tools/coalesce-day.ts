/**
 * `npm run coalesce-day`: what a link has to send that was closed all day, while hosts overwrote a hot region at random: the
 * real host path, sealing, destaging and coalescing on real files, in simulated time, and at the end every byte of what would be
 * sent compared with the volume. `--region MIB` (1024), `--writes MIB` in all (4096), 4 KiB each and incompressible.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, openSync, closeSync, ftruncateSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LSN_NONE, type Lsn, type VolumeIndex } from '../src/journal/ids.ts';
import { RecordKind } from '../src/journal/record.ts';
import { openSegment } from '../src/journal/segment/reader.ts';
import { nodeFiles } from '../src/platform/node/files.ts';
import { EPOCH } from '../test/capture/journal.ts';
import { InProcessSource } from '../test/daemon/source/in-process-source.ts';

const MIB = 1024 * 1024;
const BLOCK = 4096;
const DAY = 24 * 3600 * 1000;
const SEGMENT = 8 * MIB;
/** Milliseconds between the last write of the day and the moment at which the link opens. */
const NIGHT = 60_000;
const RATIO_MAX = 1.1;

const { values } = parseArgs({
  options: { region: { type: 'string', default: '1024' }, writes: { type: 'string', default: '4096' } },
});
const region = Number(values.region) * MIB;
const total = Number(values.writes) * MIB;

const folder = mkdtempSync(join(tmpdir(), 'blockferry-day-'));
const volume = { index: 0 as VolumeIndex, name: 'a', path: join(folder, 'a.raw'), size: region };
const key = randomBytes(32);
try {
  process.exitCode = (await day()) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function day(): Promise<boolean> {
  const image = openSync(volume.path, 'w');
  ftruncateSync(image, region);
  closeSync(image);
  mkdirSync(join(folder, 'group'));
  const source = new InProcessSource({
    files: nodeFiles,
    back: {
      ...{ folder: join(folder, 'group'), group: { name: 'g', id: '34'.repeat(16) }, epoch: EPOCH, key },
      ...{
        compression: 1,
        dropOverwritten: true,
        initialCopy: 'send',
        volumes: [volume],
        snapshots: undefined,
      },
    },
    segmentSize: SEGMENT,
    done: LSN_NONE,
  });
  // Closed from here on: what came before is with the destination.
  let begun: Lsn = LSN_NONE;
  await source.begin({ quota: () => 64 * 1024 * MIB, begun: () => begun });
  while (source.group.mode !== 'journal') {
    await moment(source);
    source.confirm();
  }
  begun = source.received;
  const distinct = await overwrite(source);
  await source.clock.pass(NIGHT);
  await settled(source);
  await source.clock.pass(NIGHT);
  const sent = source.group.sealed.reduce((sum, { bytes }) => sum + bytes, 0);
  const ratio = sent / (distinct * BLOCK);
  say(
    `${source.group.sealed.length} files to send, ${mib(sent)} MiB: ${ratio.toFixed(3)} of the blocks written`,
  );
  const same = isWhole(source);
  say(same ? 'applied in order they make the volume, byte for byte' : 'FAILED: they do not make the volume');
  await source.group.stop();
  await source.back.close();
  return same && ratio <= RATIO_MAX;
}

/** How many different blocks were written. */
async function overwrite(source: InProcessSource): Promise<number> {
  const blocks = region / BLOCK;
  const written = new Uint8Array(blocks);
  const writes = total / BLOCK;
  const perSegment = SEGMENT / BLOCK;
  const began = performance.now();
  for (let done = 0; done < writes;) {
    for (const end = Math.min(writes, done + perSegment); done < end; done += 1) {
      while (source.volume('a').room() !== undefined) await moment(source);
      const block = Math.floor(Math.random() * blocks);
      written[block] = 1;
      source.writeData('a', block * BLOCK, randomBytes(BLOCK));
    }
    await source.clock.pass(DAY / (writes / perSegment));
    await settled(source);
  }
  const distinct = written.reduce((sum, one) => sum + one, 0);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  say(
    `${mib(total)} MiB written in a day (${seconds} s of real time) to ${mib(distinct * BLOCK)} MiB of different blocks`,
  );
  return distinct;
}

/** Simulated time does not wait for the disk. */
async function moment({ clock }: InProcessSource): Promise<void> {
  await pause(2);
  await clock.pass(100);
}

/** All that was written is destaged. */
async function settled(source: InProcessSource): Promise<void> {
  for (const { lsn } = await source.host.status(); source.group.checkpoint.applied < lsn;)
    await moment(source);
}

/** Whether what lies in the buffer makes an empty volume what the source's is. */
function isWhole(source: InProcessSource): boolean {
  const made = Buffer.alloc(region);
  for (const { path } of source.group.sealed) {
    const reader = openSegment(nodeFiles, path, key);
    for (const frame of reader.frames()) {
      for (const { kind, offset, length, payload } of frame) {
        if (kind === RecordKind.write) payload.copy(made, offset);
        if (kind === RecordKind.zero) made.fill(0, offset, offset + length);
      }
    }
    reader.close();
  }
  const there = Buffer.alloc(region);
  const file = openSync(volume.path, 'r');
  for (let at = 0; at < region;) at += readSync(file, there, at, Math.min(MIB, region - at), at);
  closeSync(file);
  return made.equals(there);
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
