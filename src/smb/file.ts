/** An open file (MS-SMB2 3.2.4.6 to 3.2.4.12). */
import { malformed, SmbError } from './errors.ts';
import { PAYLOAD_MAX, WRITE_FIRST, WRITE_QUICK, WRITE_SLOW, WRITES_UNDER_WAY } from './limits.ts';
import { encodeHandleRequest } from './messages/create.ts';
import {
  decodeReadResponse,
  decodeWriteResponse,
  encodeReadRequest,
  encodeWriteRequest,
} from './messages/io.ts';
import {
  decodeSizeResponse,
  encodeDeleteRequest,
  encodeQueryInfoRequest,
  encodeRenameRequest,
  encodeSetSizeRequest,
} from './messages/query.ts';
import type { Share } from './share.ts';
import { STATUS_END_OF_FILE, STATUS_SUCCESS, statusError } from './status.ts';

/** What is sent into a file, and from where on. */
export interface Upload {
  /** Where the first byte goes. */
  readonly from: number;
  /** Behind the last byte. */
  readonly to: number;
  /** Puts bytes of the source from `offset` on into the buffer; returns how many, at least one. It is asked ahead. */
  readonly fill: (buffer: Buffer, offset: number) => Promise<number>;
  /** Every byte before this one is in the file, as far as the server goes. */
  readonly onAcknowledged?: (offset: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of the source on their way into the file. */
interface Piece {
  readonly buffer: Buffer;
  /** Of those in the buffer. */
  readonly length: number;
}

/** A write that is under way. */
interface PendingWrite {
  /** Where it ends in the file. */
  readonly end: number;
  readonly answer: Promise<void>;
}

export class SmbFile {
  readonly path: string;
  /** Bytes, as it was when it was opened. */
  readonly openedSize: number;
  readonly #share: Share;
  readonly #fileId: Buffer;

  constructor(open: {
    readonly share: Share;
    readonly fileId: Buffer;
    readonly path: string;
    readonly size: number;
  }) {
    this.path = open.path;
    this.openedSize = open.size;
    this.#share = open.share;
    this.#fileId = open.fileId;
  }

  /** READ (MS-SMB2 2.2.19), several under way. Shorter than `length` only where the file ends. */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const step = this.#payload(this.#share.session.negotiated.maxRead);
    const parts: Promise<Buffer>[] = [];
    for (let done = 0; done < length; done += step) {
      parts.push(this.#readOnce(offset + done, Math.min(step, length - done), signal));
    }
    const buffers = await settleAll(parts);
    const short = buffers.findIndex((buffer, index) => buffer.length < Math.min(step, length - index * step));
    return Buffer.concat(short < 0 ? buffers : buffers.slice(0, short + 1));
  }

  /** WRITE (MS-SMB2 2.2.21) of one piece, of at most 64 KiB where nothing is known of the server's credits. */
  async write(offset: number, data: Buffer, signal?: AbortSignal): Promise<void> {
    const extent = { fileId: this.#fileId, offset, length: data.length };
    const message = await this.#share.expect(
      { command: 'write', body: encodeWriteRequest(extent), data, signal },
      `writing ${this.path}`,
    );
    const written = decodeWriteResponse(message);
    if (written > data.length) throw malformed(`${written} bytes were written of ${data.length}`);
    // A full disk may show as this.
    if (written < data.length)
      throw new SmbError('DISK_FULL', `writing ${this.path}: only a part was written`);
  }

  /**
   * WRITEs (MS-SMB2 2.2.21), several under way; as long as answers are quick they grow, and on a slow link they stay short. When this
   * rejects, everything before the last offset acknowledged is in the file; what lies behind may have holes. A write that
   * was cancelled may be done still, until the file is closed.
   */
  async upload(upload: Upload): Promise<void> {
    // In the order of their offsets.
    const underWay: PendingWrite[] = [];
    let filling = this.#fill(upload, upload.from);
    try {
      for (let position = upload.from; position < upload.to;) {
        const piece = await filling;
        const end = position + piece.length;
        // The next piece is read while this one is on its way. It may fail before it is waited for.
        filling = this.#fill(upload, end);
        filling.catch(() => undefined);
        if (underWay.length === WRITES_UNDER_WAY) await acknowledgeOldest(underWay, upload);
        const answer = this.#writePiece(position, piece, upload.signal);
        answer.catch(() => undefined);
        underWay.push({ end, answer });
        position = end;
      }
      while (underWay.length > 0) await acknowledgeOldest(underWay, upload);
    } finally {
      await Promise.allSettled(underWay.map(({ answer }) => answer));
    }
  }

  /** FLUSH (MS-SMB2 2.2.17): what was written is durable, where the server's configuration lets it be. */
  async flush(): Promise<void> {
    await this.#share.expect(
      { command: 'flush', body: encodeHandleRequest(this.#fileId) },
      `flushing ${this.path}`,
    );
  }

  /** QUERY_INFO with FileStandardInformation (MS-SMB2 2.2.37, MS-FSCC 2.4.47): its size now, bytes. */
  async size(): Promise<number> {
    const body = encodeQueryInfoRequest(this.#fileId);
    return decodeSizeResponse(
      await this.#share.expect({ command: 'queryInfo', body }, `asking the size of ${this.path}`),
    );
  }

  /** SET_INFO with FileEndOfFileInformation (MS-SMB2 2.2.39, MS-FSCC 2.4.13): cut or extended to `size` bytes. */
  async setSize(size: number): Promise<void> {
    await this.#setInfo(encodeSetSizeRequest(this.#fileId, size), `resizing ${this.path}`);
  }

  /** SET_INFO with FileRenameInformation (MS-SMB2 2.2.39, MS-FSCC 2.4.42): to another path below the share. */
  async rename(to: string, replace: boolean): Promise<void> {
    await this.#setInfo(encodeRenameRequest(this.#fileId, to, replace), `renaming ${this.path} to ${to}`);
  }

  /** SET_INFO with FileDispositionInformation (MS-SMB2 2.2.39, MS-FSCC 2.4.11): it goes when it is closed. */
  async markDeleted(): Promise<void> {
    await this.#setInfo(encodeDeleteRequest(this.#fileId), `deleting ${this.path}`);
  }

  /** CLOSE (MS-SMB2 2.2.15). No error when the connection is gone, as the server has closed it then. */
  async close(): Promise<void> {
    if (this.#share.session.connection.ended !== undefined) return;
    await this.#share.expect(
      { command: 'close', body: encodeHandleRequest(this.#fileId) },
      `closing ${this.path}`,
    );
  }

  async #setInfo(body: Buffer, action: string): Promise<void> {
    await this.#share.expect({ command: 'setInfo', body }, action);
  }

  async #readOnce(offset: number, length: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const { header, message } = await this.#share.request({
      command: 'read',
      body: encodeReadRequest({ fileId: this.#fileId, offset, length }),
      expected: length,
      signal,
    });
    if (header.status === STATUS_END_OF_FILE) return Buffer.alloc(0);
    if (header.status !== STATUS_SUCCESS) throw statusError(header.status, `reading ${this.path}`);
    return decodeReadResponse(message, length);
  }

  /** The piece of the source that begins at `from`; an empty one at its end. */
  async #fill(upload: Upload, from: number): Promise<Piece> {
    const limit = Math.min(this.#payload(this.#share.writeSize), upload.to - from);
    if (limit === 0) return { buffer: Buffer.alloc(0), length: 0 };
    const buffer = this.#share.buffers.take();
    return { buffer, length: await upload.fill(buffer.subarray(0, limit), from) };
  }

  /** A write that lets the next ones grow when its answer is quick, and shrink when it is slow. */
  async #writePiece(
    offset: number,
    { buffer, length }: Piece,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const startedAt = performance.now();
    await this.write(offset, buffer.subarray(0, length), signal);
    const took = performance.now() - startedAt;
    this.#share.buffers.give(buffer);
    const { writeSize, session } = this.#share;
    let next = writeSize;
    if (took < WRITE_QUICK && length === writeSize) next = writeSize * 2;
    if (took > WRITE_SLOW) next = Math.max(WRITE_FIRST, writeSize / 2);
    this.#share.writeSize = Math.min(next, this.#payload(session.negotiated.maxWrite));
  }

  /** Bytes that one request may carry: by our limit, the server's and its credits. */
  #payload(limit: number): number {
    return Math.min(limit, PAYLOAD_MAX, this.#share.session.connection.payloadMax);
  }
}

async function acknowledgeOldest(underWay: PendingWrite[], upload: Upload): Promise<void> {
  const [oldest] = underWay;
  if (oldest === undefined) return;
  await oldest.answer;
  underWay.shift();
  upload.onAcknowledged?.(oldest.end);
}

/** Like `Promise.all`, but when one rejects the others are waited for, so that none is left under way. */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
