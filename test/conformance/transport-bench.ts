/** What the conformance suite needs of a server, and the small vocabulary that its tests are written in. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  TransportError,
  type LocalFile,
  type Transport,
  type TransportErrorCode,
} from '../../src/transfer/transport.ts';
import type { ControlledServer } from '../servers/server.ts';
import type { Owner } from '../servers/small-folder.ts';

/** A server, and a view of the group's folder on it that does not go through the transport. */
export interface TransportBench {
  readonly open: () => Transport;
  /** What is under a name now. */
  readonly peek: (name: string) => Buffer | undefined;
  /** Bytes that are under a name now, 0 when nothing is. */
  readonly size: (name: string) => number;
  readonly plant: (name: string, content: Buffer) => void;
  /** Shortens what is under a name, as a server does that lost what it had not yet synced. */
  readonly shorten: (name: string, size: number) => void;
  /** The names in a folder now. */
  readonly names: (folder: string) => string[];
  readonly stop: () => Promise<void>;
}

/** One whose files lie on this machine. */
export interface StoredBench extends TransportBench {
  /** The group's folder. */
  readonly folder: string;
  /** The server's user, or the one whom it lets write. */
  readonly owner: Owner;
  /** Another group's folder, which lies beside this one's. */
  readonly openBeside: (name: string) => Transport;
}

/** How a transport differs from the one that {@link TransportBench.open} gives. */
export interface ClientChanges {
  /** Milliseconds without an answer. */
  readonly timeout?: number;
  readonly password?: string;
  readonly port?: number;
}

/** One with a server behind it that can be put into trouble. */
export interface ServerBench extends StoredBench {
  readonly server: Pick<ControlledServer, 'run' | 'kill' | 'killSessions' | 'freeze' | 'thaw'>;
  /** What {@link TransportBench.open} logs in with, or could. */
  readonly password: string;
  readonly openWith: (changes: ClientChanges) => Transport;
}

export const MIB = 1 << 20;
/** A signal that nobody aborts. */
export const never = new AbortController().signal;

/** Local files to send, and places for those that are fetched. */
export class LocalFiles {
  #folder: string | undefined;
  #count = 0;

  make(content: Buffer): LocalFile {
    const path = this.unused();
    writeFileSync(path, content);
    return { path, size: content.length };
  }

  unused(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'blockferry-local-'));
    return join(this.#folder, String(this.#count++));
  }

  remove(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true });
  }
}

export async function rejectsWith(code: TransportErrorCode, work: Promise<unknown>): Promise<TransportError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof TransportError, `not a TransportError: ${String(error)}`);
    assert.equal(error.code, code, `${error.code}: ${error.message}`);
    assert.notEqual(error.remedy, '', `no remedy: ${error.message}`);
    return error;
  }
  assert.fail(`it should have been refused with ${code}`);
}

/** Resolves when the server has so many bytes of a file that is on its way. */
export async function arrived(
  bench: Pick<TransportBench, 'size'>,
  name: string,
  bytes: number,
): Promise<void> {
  const deadline = Date.now() + 200_000;
  while (bench.size(`${name}.part`) < bytes) {
    assert.ok(Date.now() < deadline, `${name}.part never had ${bytes} bytes`);
    await turn();
  }
}
