/**
 * The digest table's file, `digests` in a source group's folder: what each piece of the volumes held when a verify record
 * last spoke of it, as far as no host has written there since. Blocks of 4096 bytes, each with the CRC-32 of the rest in
 * its last four, which starts from the block's place in the file, so that one that strayed is not taken for another:
 *
 *     header     0   8  magic "BFDIG\r\n\x1a"
 *                8   2  version
 *               16  32  SHA-256 of the volumes: JSON of an array of {index, name, size}
 *     for each volume, in this order, as many blocks as its pieces of 1 MiB take; the last piece may be shorter:
 *                0      127 entries of 32 bytes: digest of the piece as in a verify record (16), LSN of the first record that
 *                       said so and of the newest (8 each; 0: nothing is known)
 *
 * The file is as sparse as what is known: a block of zeros was never written. A block that a crash tore fails its CRC, and
 * then nothing is known of its pieces. Other volumes get a new file.
 */
import { createHash } from 'node:crypto';
import { crc32 } from '@node-rs/crc32';
import { lsn, type AttachedVolume, type Lsn } from './ids.ts';
import { readUInt64, writeUInt64 } from './record.ts';
import { VERIFY_DATA_MAX, VERIFY_DIGEST_SIZE } from './verify.ts';

export const DIGEST_TABLE_FILE = 'digests';
export const TABLE_BLOCK_SIZE = 4096;
/** Pieces of a block. */
export const TABLE_BLOCK_ENTRIES = 127;

const MAGIC = Buffer.from('BFDIG\r\n\x1a', 'latin1');
const VERSION = 1;
const VOLUMES_AT = 16;
const ENTRY_SIZE = 32;
const FIRST_AT = VERIFY_DIGEST_SIZE;
const NEWEST_AT = FIRST_AT + 8;
const CHECKSUM_AT = TABLE_BLOCK_SIZE - 4;

/** What a piece of a volume held from the one record to the other. */
export interface KnownDigest {
  readonly digest: Buffer;
  readonly first: Lsn;
  readonly newest: Lsn;
}

export function tableBlocks(volumeSize: number): number {
  return Math.ceil(Math.ceil(volumeSize / VERIFY_DATA_MAX) / TABLE_BLOCK_ENTRIES);
}

export function encodeTableHeader(volumes: readonly AttachedVolume[]): Buffer {
  const bytes = Buffer.alloc(TABLE_BLOCK_SIZE);
  MAGIC.copy(bytes);
  bytes.writeUInt16BE(VERSION, 8);
  const told = volumes.map(({ index, name, size }) => ({ index, name, size }));
  createHash('sha256').update(JSON.stringify(told)).digest().copy(bytes, VOLUMES_AT);
  closeTableBlock(bytes, 0);
  return bytes;
}

/** The checksum is put where it belongs. `number`: of the block in the file, the header's being 0. */
export function closeTableBlock(block: Buffer, number: number): void {
  block.writeUInt32BE(checksum(block, number), CHECKSUM_AT);
}

export function isWholeTableBlock(block: Buffer, number: number): boolean {
  return block.length === TABLE_BLOCK_SIZE && checksum(block, number) === block.readUInt32BE(CHECKSUM_AT);
}

/** `entry`: from 0 on. Undefined: nothing is known. */
export function tableEntry(block: Buffer, entry: number): KnownDigest | undefined {
  const at = entry * ENTRY_SIZE;
  const [first, newest] = [readUInt64(block, at + FIRST_AT), readUInt64(block, at + NEWEST_AT)];
  if (newest === 0) return undefined;
  return { digest: block.subarray(at, at + FIRST_AT), first: lsn(first), newest: lsn(newest) };
}

export function setTableEntry(block: Buffer, entry: number, known: KnownDigest | undefined): void {
  const at = entry * ENTRY_SIZE;
  if (known === undefined) {
    block.fill(0, at, at + ENTRY_SIZE);
    return;
  }
  known.digest.copy(block, at);
  writeUInt64(block, known.first, at + FIRST_AT);
  writeUInt64(block, known.newest, at + NEWEST_AT);
}

function checksum(block: Buffer, number: number): number {
  return crc32(block.subarray(0, CHECKSUM_AT), crc32(String(number)));
}
