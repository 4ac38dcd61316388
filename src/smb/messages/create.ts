/** SMB2 CREATE, CLOSE and FLUSH (MS-SMB2 2.2.13 to 2.2.18). */
import { encodeText } from '../wire/text.ts';
import { Writer } from '../wire/writer.ts';
import { bodyReader } from './body.ts';
import { HEADER_LENGTH } from './header.ts';

/** DesiredAccess (MS-SMB2 2.2.13.1). */
export const ACCESS = {
  readData: 0x00000001,
  writeData: 0x00000002,
  readAttributes: 0x00000080,
  writeAttributes: 0x00000100,
  delete: 0x00010000,
  synchronize: 0x00100000,
} as const;

/** ShareAccess: others may read, write and delete. */
export const SHARE_ALL = 0x00000007;

/** CreateDisposition. */
export const DISPOSITION = {
  /** It must be there. */
  open: 0x00000001,
  /** It must not be there. */
  create: 0x00000002,
  /** Opened, or made when it is missing. */
  openOrCreate: 0x00000003,
} as const;
export type Disposition = keyof typeof DISPOSITION;

/** CreateOptions. */
export const OPTION_FOLDER = 0x00000001;
export const OPTION_NO_FOLDER = 0x00000040;
/** A link is opened itself, not what it points to. */
export const OPTION_OPEN_REPARSE_POINT = 0x00200000;

/** FileAttributes (MS-FSCC 2.6). */
export const ATTRIBUTE_FOLDER = 0x00000010;
export const ATTRIBUTE_NORMAL = 0x00000080;
export const ATTRIBUTE_REPARSE_POINT = 0x00000400;

const IMPERSONATION = 2;
const FILE_ID_LENGTH = 16;
const CREATE_FIXED = 56;
const HANDLE_FIXED = 24;

export interface CreateOptions {
  /** Below the share, parts set apart by backslashes; empty for the share's root. */
  readonly path: string;
  readonly access: number;
  readonly share: number;
  readonly disposition: Disposition;
  readonly options: number;
}

export function encodeCreateRequest(create: CreateOptions): Buffer {
  const name = encodeText(create.path);
  // The buffer may not be empty, even where the name is.
  const buffer = name.length === 0 ? Buffer.alloc(1) : name;
  return new Writer(CREATE_FIXED + buffer.length)
    .u16(CREATE_FIXED + 1)
    .u8(0)
    .u8(0)
    .u32(IMPERSONATION)
    .u64(0)
    .u64(0)
    .u32(create.access)
    .u32((create.options & OPTION_FOLDER) === 0 ? ATTRIBUTE_NORMAL : ATTRIBUTE_FOLDER)
    .u32(create.share)
    .u32(DISPOSITION[create.disposition])
    .u32(create.options)
    .u16(HEADER_LENGTH + CREATE_FIXED)
    .u16(name.length)
    .u32(0)
    .u32(0)
    .bytes(buffer)
    .done();
}

export interface CreateResponse {
  readonly fileId: Buffer;
  /** Bytes, as it was when it was opened. */
  readonly size: number;
  readonly attributes: number;
}

/** @throws SmbError `MALFORMED` */
export function decodeCreateResponse(message: Buffer): CreateResponse {
  const reader = bodyReader(message, 'the answer to CREATE')
    .structureSize(89)
    .skip(1 + 1 + 4 + 4 * 8 + 8);
  const size = reader.size64();
  const attributes = reader.u32();
  return { size, attributes, fileId: Buffer.from(reader.skip(4).bytes(FILE_ID_LENGTH)) };
}

/** CLOSE and FLUSH, which ask for the same. */
export function encodeHandleRequest(fileId: Buffer): Buffer {
  return new Writer(HANDLE_FIXED).u16(HANDLE_FIXED).u16(0).u32(0).bytes(fileId).done();
}
