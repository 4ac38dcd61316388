/** SMB2 QUERY_INFO, SET_INFO and QUERY_DIRECTORY (MS-SMB2 2.2.33 to 2.2.40) with the classes of MS-FSCC that are used. */
import { malformed } from '../errors.ts';
import { Reader } from '../wire/reader.ts';
import { decodeText, encodeText } from '../wire/text.ts';
import { Writer } from '../wire/writer.ts';
import { bodyReader } from './body.ts';
import { HEADER_LENGTH } from './header.ts';

const INFO_FILE = 0x01;
/** File information classes (MS-FSCC 2.4). */
const CLASS_DIRECTORY = 1;
const CLASS_STANDARD = 5;
const CLASS_RENAME = 10;
const CLASS_DISPOSITION = 13;
const CLASS_END_OF_FILE = 20;

const STANDARD_LENGTH = 24;
const RESTART_SCANS = 0x01;

export function encodeQueryInfoRequest(fileId: Buffer): Buffer {
  return new Writer(40)
    .u16(41)
    .u8(INFO_FILE)
    .u8(CLASS_STANDARD)
    .u32(STANDARD_LENGTH)
    .u16(0)
    .u16(0)
    .u32(0)
    .u32(0)
    .u32(0)
    .bytes(fileId)
    .done();
}

/** EndOfFile of FileStandardInformation (MS-FSCC 2.4.47), bytes. @throws SmbError `MALFORMED` */
export function decodeSizeResponse(message: Buffer): number {
  return new Reader(outputBuffer(message, 'QUERY_INFO'), 'a file’s size').skip(8).size64();
}

/** QUERY_INFO and QUERY_DIRECTORY answer in one form. */
function outputBuffer(message: Buffer, command: string): Buffer {
  const reader = bodyReader(message, `the answer to ${command}`).structureSize(9);
  const offset = reader.u16();
  return reader.slice(offset, reader.u32());
}

function encodeSetInfoRequest(fileId: Buffer, infoClass: number, info: Buffer): Buffer {
  return new Writer(32 + info.length)
    .u16(33)
    .u8(INFO_FILE)
    .u8(infoClass)
    .u32(info.length)
    .u16(HEADER_LENGTH + 32)
    .u16(0)
    .u32(0)
    .bytes(fileId)
    .bytes(info)
    .done();
}

/** FileRenameInformation of SMB2 (MS-FSCC 2.4.42.2). `path` is below the share. */
export function encodeRenameRequest(fileId: Buffer, path: string, replace: boolean): Buffer {
  const name = encodeText(path);
  // MS-SMB2 2.2.39: servers want no less than 24 bytes.
  const info = new Writer(Math.max(20 + name.length, 24))
    .u8(replace ? 1 : 0)
    .zeros(7)
    .u64(0)
    .u32(name.length)
    .bytes(name)
    .zeros(Math.max(0, 4 - name.length))
    .done();
  return encodeSetInfoRequest(fileId, CLASS_RENAME, info);
}

/** FileDispositionInformation (MS-FSCC 2.4.11): it goes when the last handle is closed. */
export function encodeDeleteRequest(fileId: Buffer): Buffer {
  return encodeSetInfoRequest(fileId, CLASS_DISPOSITION, Buffer.from([1]));
}

/** FileEndOfFileInformation (MS-FSCC 2.4.13). */
export function encodeSetSizeRequest(fileId: Buffer, size: number): Buffer {
  return encodeSetInfoRequest(fileId, CLASS_END_OF_FILE, new Writer(8).u64(size).done());
}

export interface QueryDirectory {
  readonly fileId: Buffer;
  /** Bytes that the answer may have. */
  readonly length: number;
  /** From the first name, not from where the last answer ended. */
  readonly restart: boolean;
}

export function encodeQueryDirectoryRequest({ fileId, length, restart }: QueryDirectory): Buffer {
  const pattern = encodeText('*');
  return new Writer(32 + pattern.length)
    .u16(33)
    .u8(CLASS_DIRECTORY)
    .u8(restart ? RESTART_SCANS : 0)
    .u32(0)
    .bytes(fileId)
    .u16(HEADER_LENGTH + 32)
    .u16(pattern.length)
    .u32(length)
    .bytes(pattern)
    .done();
}

export interface DirectoryEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** FileAttributes (MS-FSCC 2.6). */
  readonly attributes: number;
}

/** Entries of FileDirectoryInformation (MS-FSCC 2.4.10), `.` and `..` included. @throws SmbError `MALFORMED` */
export function decodeQueryDirectoryResponse(message: Buffer): DirectoryEntry[] {
  let rest = outputBuffer(message, 'QUERY_DIRECTORY');
  const entries: DirectoryEntry[] = [];
  while (rest.length > 0) {
    const reader = new Reader(rest, 'a folder’s entry');
    const next = reader.u32();
    const size = reader.skip(4 + 4 * 8).size64();
    const attributes = reader.skip(8).u32();
    const name = decodeText(reader.bytes(reader.u32()));
    entries.push({ name, size, attributes });
    if (next === 0) break;
    // Each entry begins behind the one before, so the list comes to an end.
    if (next < rest.length - reader.remaining || next >= rest.length) {
      throw malformed(`a folder's next entry at ${next} of ${rest.length}`);
    }
    rest = rest.subarray(next);
  }
  return entries;
}
