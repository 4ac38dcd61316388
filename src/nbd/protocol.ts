/**
 * The NBD protocol's numbers and messages (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md; sections in
 * quotes below). Pure: bytes in, bytes out. All integers are big endian.
 */
import type { HostErrorCode, HostVolume } from './front-end.ts';

/** "Newstyle negotiation". */
export const NBDMAGIC = Buffer.from('NBDMAGICIHAVEOPT', 'latin1');
export const OPTION_MAGIC = Buffer.from('IHAVEOPT', 'latin1');
const OPTION_REPLY_MAGIC = 0x3e889045565a9n;

export const HandshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const Option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const OptionReply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errUnsupported: 0x8000_0001,
  errInvalid: 0x8000_0003,
  errUnknown: 0x8000_0006,
  errTooBig: 0x8000_0009,
} as const;

export const Info = { export: 0, name: 1, blockSize: 3 } as const;

/** "Transmission flags". */
const TransmissionFlag = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  canMultiConn: 256,
} as const;

export function transmissionFlags({ readOnly }: Pick<HostVolume, 'readOnly'>): number {
  const { hasFlags, canMultiConn, sendFlush, sendFua, sendTrim, sendWriteZeroes } = TransmissionFlag;
  const always = hasFlags | canMultiConn | sendFlush;
  return readOnly ? always | TransmissionFlag.readOnly : always | sendFua | sendTrim | sendWriteZeroes;
}

export const REQUEST_SIZE = 28;
export const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

export const Command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
  blockStatus: 7,
} as const;
export const CommandFlag = { fua: 1, noHole: 2, requestOne: 8 } as const;
/** "Command flags": FUA goes with every command, others only with theirs. */
export function flagsFor(type: number): number {
  if (type === Command.writeZeroes) return CommandFlag.fua | CommandFlag.noHole;
  if (type === Command.blockStatus) return CommandFlag.fua | CommandFlag.requestOne;
  return CommandFlag.fua;
}

/** "Structured reply chunk message", types. */
export const Chunk = { none: 0, offsetData: 1, blockStatus: 5, error: 0x8001 } as const;
const CHUNK_DONE = 1;
export const BlockState = { hole: 1, zero: 2 } as const;

/** "Error values". */
export const Errno = { EPERM: 1, EIO: 5, EINVAL: 22, ENOSPC: 28, ENOTSUP: 95, ESHUTDOWN: 108 } as const;
export const errnoOf = (code: HostErrorCode): number => Errno[code];

/** "Block sizes": what this server can do, what it likes, and the longest READ or WRITE it takes. Bytes. */
export const BLOCK_SIZE = { min: 512, preferred: 4096, max: 32 * 1024 * 1024 } as const;
/** A WRITE over the largest block is refused and its payload thrown away up to this length; beyond, nobody means it. Bytes. */
export const DISCARD_MAX = 2 * BLOCK_SIZE.max;
/** Data of one option; the protocol's names have 4096 bytes at most. */
export const OPTION_DATA_MAX = 16 * 1024;
/** Options before transmission. */
export const OPTIONS_MAX = 256;

export const BASE_ALLOCATION = 'base:allocation';
export const BASE_ALLOCATION_ID = 1;

export function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

export function infoExport(volume: HostVolume): Buffer {
  const data = Buffer.alloc(12);
  data.writeUInt16BE(Info.export, 0);
  data.writeBigUInt64BE(BigInt(volume.size), 2);
  data.writeUInt16BE(transmissionFlags(volume), 10);
  return data;
}

export function infoBlockSize(): Buffer {
  const data = Buffer.alloc(14);
  data.writeUInt16BE(Info.blockSize, 0);
  data.writeUInt32BE(BLOCK_SIZE.min, 2);
  data.writeUInt32BE(BLOCK_SIZE.preferred, 6);
  data.writeUInt32BE(BLOCK_SIZE.max, 10);
  return data;
}

export function infoName(name: string): Buffer {
  return Buffer.concat([Buffer.from([0, Info.name]), Buffer.from(name, 'utf8')]);
}

/** A length and that many bytes, as most options hold their strings. Undefined when they are not all there. */
export function readString(
  data: Buffer,
  at: number,
): { readonly text: string; readonly end: number } | undefined {
  if (at + 4 > data.length) return undefined;
  const end = at + 4 + data.readUInt32BE(at);
  return end > data.length ? undefined : { text: data.toString('utf8', at + 4, end), end };
}

/** A request's cookie, in halves: an integer of 64 bits would be an object. */
export interface Cookie {
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

/** Bytes of a simple reply without data, and of the header of a structured reply's chunk. */
export const SIMPLE_REPLY_SIZE = 16;
export const CHUNK_HEADER_SIZE = 20;

export function putSimpleReply(into: Buffer, at: number, cookie: Cookie, errno: number): void {
  into.writeUInt32BE(SIMPLE_REPLY_MAGIC, at);
  into.writeUInt32BE(errno, at + 4);
  putCookie(into, at + 8, cookie);
}

/** The header of a chunk, which its payload of `length` bytes follows. */
export function putChunkHeader(
  into: Buffer,
  at: number,
  cookie: Cookie,
  chunk: { readonly type: number; readonly length: number; readonly done: boolean },
): void {
  into.writeUInt32BE(STRUCTURED_REPLY_MAGIC, at);
  into.writeUInt16BE(chunk.done ? CHUNK_DONE : 0, at + 4);
  into.writeUInt16BE(chunk.type, at + 6);
  putCookie(into, at + 8, cookie);
  into.writeUInt32BE(chunk.length, at + 16);
}

function putCookie(into: Buffer, at: number, { cookieHigh, cookieLow }: Cookie): void {
  into.writeUInt32BE(cookieHigh, at);
  into.writeUInt32BE(cookieLow, at + 4);
}
