/** SMB2 READ and WRITE (MS-SMB2 2.2.19 to 2.2.22). */
import { malformed } from '../errors.ts';
import { Writer } from '../wire/writer.ts';
import { bodyReader } from './body.ts';
import { HEADER_LENGTH } from './header.ts';

const FIXED = 48;

export interface Extent {
  readonly fileId: Buffer;
  /** Bytes from the file's start. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export function encodeReadRequest({ fileId, offset, length }: Extent): Buffer {
  return new Writer(FIXED + 1)
    .u16(FIXED + 1)
    .u8(0)
    .u8(0)
    .u32(length)
    .u64(offset)
    .bytes(fileId)
    .u32(0)
    .u32(0)
    .u32(0)
    .u32(0)
    .u8(0)
    .done();
}

/** A view of the message. @throws SmbError `MALFORMED`, also for more than was asked for */
export function decodeReadResponse(message: Buffer, limit: number): Buffer {
  const reader = bodyReader(message, 'the answer to READ').structureSize(17);
  const offset = reader.u8();
  const length = reader.skip(1).u32();
  if (length > limit) throw malformed(`${length} bytes were read where ${limit} were asked for`);
  return reader.slice(offset, length);
}

/** What goes before the data, which follows as it is. */
export function encodeWriteRequest({ fileId, offset, length }: Extent): Buffer {
  return new Writer(FIXED)
    .u16(FIXED + 1)
    .u16(HEADER_LENGTH + FIXED)
    .u32(length)
    .u64(offset)
    .bytes(fileId)
    .u32(0)
    .u32(0)
    .u16(0)
    .u16(0)
    .u32(0)
    .done();
}

/** Bytes that were written. @throws SmbError `MALFORMED` */
export function decodeWriteResponse(message: Buffer): number {
  return bodyReader(message, 'the answer to WRITE').structureSize(17).skip(2).u32();
}
