/** One request of a host, decoded and judged. Pure. */
import { HostError } from './front-end.ts';
import { BLOCK_SIZE, Command, flagsFor, REQUEST_MAGIC, type Cookie } from './protocol.ts';

const SECTOR = 512;

export interface Request extends Cookie {
  readonly flags: number;
  readonly type: number;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
}

/** Undefined when it does not begin with its magic number. `at`: where its 28 bytes are. */
export function decodeRequest(buffer: Buffer, at: number): Request | undefined {
  if (buffer.readUInt32BE(at) !== REQUEST_MAGIC) return undefined;
  return {
    flags: buffer.readUInt16BE(at + 4),
    type: buffer.readUInt16BE(at + 6),
    cookieHigh: buffer.readUInt32BE(at + 8),
    cookieLow: buffer.readUInt32BE(at + 12),
    offset: buffer.readUInt32BE(at + 16) * 0x1_0000_0000 + buffer.readUInt32BE(at + 20),
    length: buffer.readUInt32BE(at + 24),
  };
}

/** Why a request with a range cannot be done on an export of `size` bytes; undefined when it can. */
export function misfit({ type, flags, offset, length }: Request, size: number): HostError | undefined {
  if ((flags & ~flagsFor(type)) !== 0)
    return new HostError('EINVAL', 'flags that do not go with the command');
  if (length === 0 || offset % SECTOR !== 0 || length % SECTOR !== 0) {
    return new HostError('EINVAL', 'not whole sectors');
  }
  if (offset + length > size) {
    const writes = type === Command.write || type === Command.writeZeroes;
    return new HostError(writes ? 'ENOSPC' : 'EINVAL', 'past the end of the export');
  }
  if ((type === Command.read || type === Command.write) && length > BLOCK_SIZE.max) {
    return new HostError('EINVAL', 'longer than the largest block');
  }
  return undefined;
}
