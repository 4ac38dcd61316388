/** Chunk files as a disk or a crash leaves them: `recovery/chunk-scan.ts`, and the store of snapshots on top of it. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { lsn } from '../../../src/journal/ids.ts';
import type { Log } from '../../../src/platform/log.ts';
import { Catalogue } from '../../../src/recovery/catalogue.ts';
import {
  BLOCK_SIZE,
  encodeFileHeader,
  encodeMark,
  RunBuilder,
  runSeed,
} from '../../../src/recovery/chunk-format.ts';
import { chunkOf, volumeOf, type ChunkKey } from '../../../src/recovery/chunk-index.ts';
import { CHUNK_SIZE, granulesIn } from '../../../src/recovery/granules.ts';
import { scanChunkFile } from '../../../src/recovery/chunk-scan.ts';
import { openSnapshotStore } from '../../../src/recovery/open-store.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { Prng } from '../engine/prng.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB, resultOrRefusal } from './expect.ts';
import { MemoryFiles } from './memory-files.ts';
import { TIME } from './samples.ts';

/** Bits of an input's first byte. */
const Mode = { keepHeader: 1, keepPosition: 2, keepRunChecksum: 4, keepDataChecksum: 8, store: 16 } as const;
const FOLDER = '/snapshots';
const IDS = ['00112233445566778899aabbccddeeff', 'ffeeddccbbaa99887766554433221100'] as const;
const VOLUME = { name: 'data', path: '/images/data', size: 3 * CHUNK_SIZE + 512 };
const BLOCKS_MAX = 64;
const REFUSALS = ['SNAPSHOT_DAMAGED', 'SNAPSHOT_CATALOGUE_STALE', 'SNAPSHOT_NOT_FOUND', 'SNAPSHOT_IN_USE'];
const silent = (): void => undefined;
const LOG: Log = { debug: silent, info: silent, warn: silent, error: silent };

/** An input: mode, blocks that count of the first file, seed, and pieces: file, block, length in two bytes, bytes. */
export function snapshotStoreTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    dictionary: ['BFRN', 'BFCHUNKS'].map((word) => Buffer.from(word)),
    lengthMax: 4096,
    memory: (input) => 64 * MIB + 4096 * input.length,
    run,
  };
}

const piece = (file: number, block: number, bytes: Buffer): Buffer => {
  const head = Buffer.from([file, block, 0, 0]);
  head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
};

function seeds(): Buffer[] {
  const files = IDS.map((id, i) => {
    const builder = new RunBuilder();
    const seed = runSeed(id);
    const keep = (chunk: number, length: number, fill: (into: Buffer) => boolean): unknown =>
      builder.add({ volume: 0, chunk, granules: granulesIn(0, length), length }, fill);
    keep(i, CHUNK_SIZE, (into) => into.fill(i + 1).length > 0);
    keep(2, CHUNK_SIZE, () => false);
    keep(3, 512, (into) => into.fill(9).length > 0);
    const run = Buffer.from(builder.finish(BLOCK_SIZE, BLOCK_SIZE, seed));
    const end = BLOCK_SIZE + run.length;
    return { run, end, mark: encodeMark(end, end, seed) };
  });
  const pieces = files.flatMap(({ run, end, mark }, i) => [
    piece(i, 1, run.subarray(0, 104)),
    piece(i, 2, run.subarray(BLOCK_SIZE, BLOCK_SIZE + 16)),
    piece(i, end / BLOCK_SIZE, mark.subarray(0, 32)),
  ]);
  return [0, Mode.store].flatMap((mode) =>
    [0, 19].map((kept) => Buffer.concat([Buffer.from([mode, kept, 1]), ...pieces])),
  );
}

function run(input: Buffer): void {
  const mode = input[0] ?? 0;
  const contents = fileContents(input.subarray(3), mode);
  const kept = (input[1] ?? 0) % BLOCKS_MAX;
  contents.forEach((bytes, i) =>
    scan(bytes, IDS[i] ?? '', i === 0 && kept > 0 ? kept * BLOCK_SIZE : undefined),
  );
  if ((mode & Mode.store) !== 0) use(contents, Math.max(1, kept) * BLOCK_SIZE, new Prng(input[2] ?? 0));
}

function fileContents(bytes: Buffer, mode: number): Buffer[] {
  const files = [Buffer.alloc(BLOCKS_MAX * BLOCK_SIZE), Buffer.alloc(BLOCKS_MAX * BLOCK_SIZE)] as const;
  const ends = [BLOCK_SIZE, BLOCK_SIZE];
  const runs: { readonly file: 0 | 1; readonly at: number }[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const file = ((bytes[at] ?? 0) % 2) as 0 | 1;
    const block = (bytes[at + 1] ?? 0) % BLOCKS_MAX;
    const end = Math.min(at + 4 + bytes.readUInt16BE(at + 2), bytes.length);
    const place = block * BLOCK_SIZE;
    const length = bytes.copy(files[file], place, at + 4, end);
    ends[file] = Math.max(ends[file] ?? 0, place + length);
    if (bytes.toString('latin1', at + 4, at + 8) === 'BFRN') runs.push({ file, at: place });
    at = end;
  }
  files.forEach((content, i) => {
    if ((mode & Mode.keepHeader) === 0) encodeFileHeader(IDS[i] ?? '').copy(content);
  });
  for (const { file, at } of runs) mendRun(files[file], at, { mode, seed: runSeed(IDS[file]) });
  // To whole blocks, as it is appended.
  return files.map((content, i) => content.subarray(0, Math.ceil((ends[i] ?? 0) / BLOCK_SIZE) * BLOCK_SIZE));
}

function mendRun(
  content: Buffer,
  at: number,
  { mode, seed }: { readonly mode: number; readonly seed: number },
): void {
  if ((mode & Mode.keepPosition) === 0) content.writeBigUInt64BE(BigInt(at), at + 8);
  const count = Math.min(content.readUInt32BE(at + 24), 160);
  let position = at + BLOCK_SIZE;
  for (
    let entry = at + 32;
    entry < at + 32 + 24 * count && (mode & Mode.keepDataChecksum) === 0;
    entry += 24
  ) {
    const length = content.readUInt32BE(entry + 12);
    if (length > CHUNK_SIZE) break;
    content.writeUInt32BE(length === 0 ? 0 : crc32(content.subarray(position, position + length)), entry + 8);
    position += Math.ceil(length / BLOCK_SIZE) * BLOCK_SIZE;
  }
  if ((mode & Mode.keepRunChecksum) === 0) {
    content.writeUInt32BE(crc32(content.subarray(at + 8, at + 32 + 24 * count), seed), at + 4);
  }
}

function scan(bytes: Buffer, id: string, kept: number | undefined): void {
  const file = new MemoryFiles({ chunks: bytes }).open('chunks', 'read');
  const found = scanChunkFile(file, id, kept);
  assert.ok(found.damage !== undefined || found.end >= BLOCK_SIZE);
  assert.ok(found.end % BLOCK_SIZE === 0);
  for (const key of found.index.keys() as Iterable<ChunkKey>) {
    assert.ok(volumeOf(key) <= 255, `volume ${volumeOf(key)} in one byte`);
    assert.ok(Number.isSafeInteger(chunkOf(key)));
  }
}

/** Opened, read, appended to, added to, deleted from, and opened again: refusals are all that may happen. */
function use(contents: readonly Buffer[], kept: number, prng: Prng): void {
  const disk = new MemoryDisk({ clones: false });
  disk.makeDirectory(FOLDER);
  disk.makeDirectory('/images');
  const put = (path: string, bytes: Buffer): void => disk.open(path, 'create').write(bytes, 0);
  put(VOLUME.path, Buffer.alloc(VOLUME.size, 7));
  const catalogue = Catalogue.empty(disk, FOLDER);
  catalogue.decide('copy-on-write');
  IDS.forEach((id, i) => {
    const volumes = [{ name: VOLUME.name, size: VOLUME.size }];
    catalogue.add({ id, name: id, lsn: lsn(i + 1), time: TIME, volumes, ...(i === 0 ? { kept } : {}) });
    put(`${FOLDER}/${id}.chunks`, contents[i] ?? Buffer.alloc(0));
  });
  for (let opening = 0; opening < 2; opening += 1) {
    resultOrRefusal(() => {
      const store = openSnapshotStore(disk, LOG, { folder: FOLDER, volumes: [VOLUME] });
      for (let steps = 0; steps < 6; steps += 1) resultOrRefusal(() => step(store, disk, prng), REFUSALS);
      store.close();
    }, REFUSALS);
  }
}

function step(store: ReturnType<typeof openSnapshotStore>, disk: MemoryDisk, prng: Prng): void {
  const id = prng.pick([...IDS, ...store.list().map((info) => info.id)]);
  switch (prng.below(5)) {
    case 0: {
      const range = { volume: VOLUME.name, offset: prng.below(4) * CHUNK_SIZE, length: 512 };
      store.preserve([range]);
      disk.open(VOLUME.path, 'write').write(Buffer.alloc(512, prng.next()), range.offset);
      break;
    }
    case 1:
      store.create({ id: prng.bytes(16).toString('hex'), name: 'new', lsn: lsn(9), time: TIME });
      break;
    case 2:
      store.delete(id);
      break;
    case 3:
      store.tidy();
      break;
    default: {
      const reader = store.open(id, VOLUME.name);
      try {
        reader.read(0, Buffer.alloc(reader.size));
      } finally {
        reader.close();
      }
    }
  }
}
