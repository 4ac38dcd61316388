/**
 * The one interface over every kind of file server. Implementations live in `transports/`, one file each; throttling,
 * retrying, logging and faults are decorators. One conformance suite (test/conformance) runs on all of them.
 *
 * A name is a path relative to the group's folder on the server, of one or two legal parts: `inbox/NAME.seg`,
 * `status/destination.json`. Anything else is refused with `BadName` before the server is asked.
 */
export interface Transport {
  /** For logs and status: `ftp://user@host:port/path`. Never a password. */
  readonly description: string;
  /**
   * Publishes a local file under `name` atomically: it is written as `NAME.part`, resumed from what a cut transfer left
   * there when that can be trusted and begun again otherwise, then renamed over whatever `name` was. Until this resolves
   * the name holds its old file or none.
   */
  put(source: LocalFile, name: string, options: TransferOptions): Promise<void>;
  /**
   * Brings a remote file into the local one at `target.path`, which is made when missing, gone on with from what a cut
   * transfer left there when that can be trusted, and begun again otherwise. `target.size` is what a listing said: the
   * remote file must have exactly as many bytes, and never are more written. Its content is durable when this resolves;
   * the rename to its final name and the sync of its folder are the caller's.
   * @throws TransportError `NotFound` no such file; `TooLarge` it is longer; `Integrity` it is shorter
   */
  get(name: string, target: LocalFile, options: TransferOptions): Promise<void>;
  /** The whole of a small file, or undefined when it does not exist. @throws TransportError `TooLarge` past `limit` bytes. */
  readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Files in a folder, `.part` files included; empty when the folder does not exist. */
  list(folder: string, signal: AbortSignal): Promise<RemoteFile[]>;
  /** No error when it does not exist. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  /** Ends every connection; transfers under way are rejected. The transport can be used again afterwards. */
  close(): Promise<void>;
}

export interface LocalFile {
  readonly path: string;
  readonly size: number;
}

export interface RemoteFile {
  /** Without the folder. */
  readonly name: string;
  readonly size: number;
}

export interface TransferOptions {
  /** Aborting rejects with `Cancelled` and publishes nothing; what has arrived of a file that is brought here stays. */
  readonly signal: AbortSignal;
  /** Bytes of this file that the server has taken, or that are here, so far; counts a resumed part. */
  readonly onProgress?: (bytes: number) => void;
  /** Asked before bytes of the file go out, or are taken in; without it they go as fast as they can. */
  readonly pace?: Pace;
}

/**
 * Resolves, maybe later, with how many of the `wanted` bytes (1 or more) may go now: at least 1, at most `wanted`.
 * A transport sends, or takes in, no more than that before it asks again. @throws TransportError `Cancelled` when the transfer is aborted
 */
export type Pace = (wanted: number) => Promise<number>;

/**
 * `NotFound` path or file; `Exists` something else is in the way; `Auth` credentials or permission; `NoSpace` full or
 * over a quota; `Busy` the server asks to come later; `Timeout` no answer; `ConnectionLost` refused, reset or closed;
 * `Integrity` what arrived is not what was sent, or a certificate is not the expected one; `BadName`; `TooLarge`;
 * `Cancelled`; `Protocol` an answer that makes no sense.
 */
export type TransportErrorCode =
  | 'NotFound'
  | 'Exists'
  | 'Auth'
  | 'NoSpace'
  | 'Busy'
  | 'Timeout'
  | 'ConnectionLost'
  | 'Integrity'
  | 'BadName'
  | 'TooLarge'
  | 'Cancelled'
  | 'Protocol';

/** Everything that a transport throws. The message names the server and the file; the remedy is a sentence. */
export class TransportError extends Error {
  readonly code: TransportErrorCode;
  readonly remedy: string;
  /** Whether trying again can help without anyone doing anything. */
  readonly retryable: boolean;

  constructor(code: TransportErrorCode, message: string, details: { remedy: string; cause?: unknown }) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TransportError';
    this.code = code;
    this.remedy = details.remedy;
    this.retryable = code === 'Busy' || code === 'Timeout' || code === 'ConnectionLost' || code === 'NoSpace';
  }
}
