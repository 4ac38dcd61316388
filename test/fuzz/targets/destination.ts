/** Segments from a source that is not ours, received and applied: `destage/`, with a real store of snapshots. */
import assert from 'node:assert/strict';
import { DestinationBack } from '../../../src/destage/destination-back.ts';
import { epoch, lsn } from '../../../src/journal/ids.ts';
import { sealedName } from '../../../src/journal/names.ts';
import { HEADER_SIZE } from '../../../src/journal/segment/format.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { errorCode } from '../../../src/platform/errors.ts';
import type { OpenFile, OpenMode } from '../../../src/platform/files.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import type { Log } from '../../../src/platform/log.ts';
import { openSnapshotStore } from '../../../src/recovery/open-store.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB } from './expect.ts';
import { EPOCH, FACTS, GROUP, journalRecords, sampleSegment, TIME } from './samples.ts';
import { assembleSegment } from './segment-file.ts';

const FOLDER = '/group';
const PATHS = new Map([
  ['data', '/volumes/data'],
  ['log', '/volumes/log'],
]);
const FILE_MAX = 4 * MIB;
const SEGMENTS_MAX = 3;
const silent = (): void => undefined;
const LOG: Log = { debug: silent, info: silent, warn: silent, error: silent };
const CLOCK: Clock = { now: () => TIME, monotonic: () => 0, after: () => ({ cancel: silent }) };

/** An input: segments, each behind its length in two bytes; each begins with what to keep of it. */
export function destinationTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    dictionary: ['"volumes":[', '"index":', '"name":"log"', '"size":', '"custom"'].map((word) =>
      Buffer.from(word),
    ),
    lengthMax: 4096,
    memory: (input) => 160 * MIB + 4096 * input.length,
    timeLimit: 5000,
    run: receiveAll,
  };
}

function seeds(): Buffer[] {
  const records = journalRecords();
  const behind = (bytes: Buffer): Buffer => {
    const head = Buffer.from([0, 0, 0]);
    head.writeUInt16BE(bytes.length + 1);
    return Buffer.concat([head, bytes]);
  };
  const whole = behind(sampleSegment(records));
  const parts = [records.slice(0, 5), records.slice(5)].map((some) => behind(sampleSegment(some)));
  return [whole, Buffer.concat(parts), Buffer.concat([whole, whole])];
}

async function receiveAll(input: Buffer): Promise<void> {
  const disk = new SmallDisk({ clones: false });
  for (const folder of ['/volumes', '/snapshots', `${FOLDER}/inbox`]) disk.makeDirectory(folder);
  const names = deliver(disk, input);
  let back = start(disk);
  for (const name of names) {
    await orRefused(() => back.receive([name]));
    await orRefused(() => back.applySome());
    const { pending } = (await back.facts()).state;
    if (pending === undefined) continue;
    await orRefused(() => back.startMarker(pending.id));
    await orRefused(() => back.detachMarker(pending.id));
    await orRefused(() => back.applySome());
    await orRefused(() => back.finishMarker(pending.id));
  }
  const before = await back.facts();
  await back.close();
  // Started again, it knows what it knew.
  back = start(disk);
  const after = await back.facts();
  assert.ok(after.state.begun >= before.state.begun, 'of what lies in the journal all may have been begun');
  assert.deepEqual({ version: 1, ...after.state, begun: 0 }, { version: 1, ...before.state, begun: 0 });
  assert.equal(after.received, before.received);
  await back.close();
}

/** Each segment joins the one before it, as far as its numbers let it. */
function deliver(disk: MemoryDisk, input: Buffer): string[] {
  const names: string[] = [];
  let next = 1n;
  let digest = FACTS.digestBefore;
  for (let at = 0; at + 2 <= input.length && names.length < SEGMENTS_MAX;) {
    const end = Math.min(at + 2 + input.readUInt16BE(at), input.length);
    const bytes = Buffer.from(input.subarray(at + 2, end));
    at = end;
    if (bytes.length < 1 + HEADER_SIZE) continue;
    const header = bytes.subarray(1, 1 + HEADER_SIZE);
    header.writeUInt32BE(EPOCH.number, 12);
    header.write(EPOCH.id, 16, 'hex');
    header.write(GROUP.id, 32, 'hex');
    header.fill(0, 48, 112).writeUInt8(GROUP.name.length, 48);
    header.write(GROUP.name, 49);
    shiftLsns(bytes.subarray(1), next - header.readBigUInt64BE(112));
    header.write(digest, 128, 'hex');
    const [first, last] = [Number(header.readBigUInt64BE(112)), Number(header.readBigUInt64BE(120))];
    if (!Number.isSafeInteger(last) || last < first || first < 1) continue;
    const name = sealedName({ epoch: epoch(EPOCH.number), first: lsn(first), last: lsn(last) });
    const file = assembleSegment(bytes, { compressed: false, encrypted: false });
    if (file.length <= FILE_MAX) disk.open(`${FOLDER}/inbox/${name}`, 'create').write(file, 0);
    names.push(name);
    next = BigInt(last) + 1n;
    digest = header.toString('hex', 160, 192);
  }
  return names;
}

/** In the header, and in every record that is where one is expected. */
function shiftLsns(file: Buffer, shift: bigint): void {
  const add = (at: number): void => {
    if (at + 8 <= file.length)
      file.writeBigUInt64BE((file.readBigUInt64BE(at) + shift) & 0xffff_ffff_ffff_ffffn, at);
  };
  add(112);
  add(120);
  for (let at = HEADER_SIZE; at + 32 <= file.length && file.readUInt32BE(at) === 0x42464652;) {
    const end = Math.min(at + 32 + file.readUInt32BE(at + 4), file.length);
    add(at + 16);
    for (let record = at + 32; record + 28 <= end;) {
      add(record + 8);
      const kind = file[record + 4] ?? 0;
      record += 28 + (kind === 2 || kind === 3 ? 0 : file.readUInt32BE(record + 24));
    }
    at = end;
  }
}

function start(disk: MemoryDisk): DestinationBack {
  return new DestinationBack(disk, CLOCK, LOG, {
    groupName: GROUP.name,
    folder: FOLDER,
    paths: PATHS,
    key: undefined,
    openSegment: (path) => openSegment(disk, path, undefined),
    openSnapshots: (volumes) => openSnapshotStore(disk, LOG, { folder: '/snapshots', volumes }),
    retain: { time: 60_000, size: 2 ** 24 },
  });
}

/** Whatever stands in the way has a code for the operator, or is the operating system's. */
async function orRefused(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const code = errorCode(error);
    if (code === 'UNKNOWN' || code.startsWith('ERR_')) throw error;
  }
}

/** No file grows past what a test can hold. */
class SmallDisk extends MemoryDisk {
  override open(path: string, mode: OpenMode): OpenFile {
    const file = super.open(path, mode);
    const checked = (size: number): void => {
      if (size > FILE_MAX) throw Object.assign(new Error(`EFBIG: ${path}`), { code: 'EFBIG' });
    };
    return {
      ...file,
      write: (from, position) => {
        checked(position + from.length);
        file.write(from, position);
      },
      truncate: (size) => {
        checked(size);
        file.truncate(size);
      },
    };
  }
}
