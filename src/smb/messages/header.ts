/** SMB2 packet headers (MS-SMB2 2.2.1). */
import { malformed } from '../errors.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';

export const HEADER_LENGTH = 64;
/** `FE 'SMB'`, little-endian. */
export const PROTOCOL_ID = 0x424d53fe;

/** Where the fields lie that are changed or looked at outside of this file. */
export const HEADER_FIELDS = { command: 12, credits: 14, flags: 16, messageId: 24, signature: 48 } as const;

/** Commands (MS-SMB2 2.2.1.2). */
export const COMMANDS = {
  negotiate: 0x0000,
  sessionSetup: 0x0001,
  logoff: 0x0002,
  treeConnect: 0x0003,
  treeDisconnect: 0x0004,
  create: 0x0005,
  close: 0x0006,
  flush: 0x0007,
  read: 0x0008,
  write: 0x0009,
  ioctl: 0x000b,
  cancel: 0x000c,
  echo: 0x000d,
  queryDirectory: 0x000e,
  queryInfo: 0x0010,
  setInfo: 0x0011,
  oplockBreak: 0x0012,
} as const;
export type Command = keyof typeof COMMANDS;

/** Flags (MS-SMB2 2.2.1.2). */
export const FLAG_FROM_SERVER = 0x00000001;
export const FLAG_ASYNC = 0x00000002;
export const FLAG_SIGNED = 0x00000008;

/** What the server sends by itself, an oplock break, has this message id (MS-SMB2 3.2.5.1.2). */
export const UNSOLICITED = 0xffff_ffff_ffff_ffffn;

export interface RequestHeader {
  readonly command: Command;
  readonly creditCharge: number;
  /** Credits asked for. */
  readonly credits: number;
  readonly messageId: bigint;
  readonly treeId: number;
  readonly sessionId: bigint;
  /** Of a CANCEL for a request that the server has answered with STATUS_PENDING. */
  readonly asyncId?: bigint | undefined;
}

export interface ResponseHeader {
  readonly command: number;
  readonly status: number;
  /** Credits granted. */
  readonly credits: number;
  readonly flags: number;
  readonly messageId: bigint;
  /** Undefined for a synchronous answer. */
  readonly asyncId: bigint | undefined;
  readonly treeId: number;
  readonly sessionId: bigint;
  /** Of the next message in the same frame; 0 for the last. */
  readonly nextOffset: number;
}

export function encodeHeader(header: RequestHeader): Buffer {
  const writer = new Writer(HEADER_LENGTH)
    .u32(PROTOCOL_ID)
    .u16(HEADER_LENGTH)
    .u16(header.creditCharge)
    .u32(0)
    .u16(COMMANDS[header.command])
    .u16(header.credits)
    .u32(header.asyncId === undefined ? 0 : FLAG_ASYNC)
    .u32(0)
    .u64(header.messageId);
  if (header.asyncId === undefined) writer.u32(0).u32(header.treeId);
  else writer.u64(header.asyncId);
  return writer.u64(header.sessionId).zeros(16).done();
}

/** @throws SmbError `MALFORMED` */
export function decodeHeader(message: Buffer): ResponseHeader {
  const reader = new Reader(message, 'a header');
  if (reader.u32() !== PROTOCOL_ID) throw malformed('it is no SMB2 message');
  reader.structureSize(HEADER_LENGTH).skip(2);
  const status = reader.u32();
  const command = reader.u16();
  const credits = reader.u16();
  const flags = reader.u32();
  const nextOffset = reader.u32();
  const messageId = reader.u64();
  if ((flags & FLAG_FROM_SERVER) === 0) throw malformed('a request where an answer was expected');
  const isAsync = (flags & FLAG_ASYNC) !== 0;
  const asyncId = isAsync ? reader.u64() : undefined;
  const treeId = isAsync ? 0 : reader.skip(4).u32();
  const sessionId = reader.u64();
  reader.skip(16);
  return { command, status, credits, flags, messageId, asyncId, treeId, sessionId, nextOffset };
}
