import { setImmediate as turn } from 'node:timers/promises';
import { openLocalFile, readLocal } from '../../src/transfer/transports/local-file.ts';
import { checkRemoteSize, readInto, receiveInto } from '../../src/transfer/transports/local-part.ts';
import { checkFolder, isLegalPart, parseName } from '../../src/transfer/transports/names.ts';
import { monotonicProgress } from '../../src/transfer/transports/progress.ts';
import { cancelled, tooLarge } from '../../src/transfer/transports/refusals.ts';
import type { LocalFile, RemoteFile, TransferOptions, Transport } from '../../src/transfer/transport.ts';

/** The files of one group on a server in memory: name → content, `.part` files included. */
export type MemoryFiles = Map<string, Buffer>;

const CHUNK = 64 * 1024;

/** A file server in memory, for tests that need a transport and no server. Several may share their files. */
export class MemoryTransport implements Transport {
  readonly description = 'memory:';
  readonly files: MemoryFiles;
  #closing = new AbortController();

  constructor(files: MemoryFiles = new Map<string, Buffer>()) {
    this.files = files;
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    parseName(name);
    const signal = this.#either(options.signal);
    const part = `${name}.part`;
    const progress = monotonicProgress(source.size, options.onProgress);
    const file = await openLocalFile(source);
    const content = Buffer.alloc(source.size);
    await readLocal({ source, input: file }, content, 0).finally(() => file.close());
    const held = this.files.get(part);
    const resumed = held !== undefined && content.subarray(0, held.length).equals(held) ? held.length : 0;
    progress(resumed);
    // The part exists before its first byte arrives, as on any server.
    this.files.set(part, content.subarray(0, resumed));
    for (let end = resumed; end < content.length;) {
      await turn();
      if (signal.aborted) throw cancelled(this.description);
      const wanted = Math.min(CHUNK, content.length - end);
      end += (await options.pace?.(wanted)) ?? wanted;
      this.files.set(part, content.subarray(0, end));
      progress(end);
    }
    if (signal.aborted) throw cancelled(this.description);
    this.files.delete(part);
    this.files.set(name, content);
  }

  async get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    parseName(name);
    await this.#answer(options.signal);
    const signal = this.#either(options.signal);
    const content = this.files.get(name);
    checkRemoteSize(name, content?.length, target.size);
    const read = async (position: number, length: number): Promise<Buffer> => {
      await turn();
      if (signal.aborted) throw cancelled(this.description);
      return content?.subarray(position, position + length) ?? Buffer.alloc(0);
    };
    const { pace } = options;
    await receiveInto(target, options, (part) => readInto(part, { step: CHUNK, atOnce: 2, pace, read }));
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    parseName(name);
    await this.#answer(signal);
    const content = this.files.get(name);
    if (content !== undefined && content.length > limit) throw tooLarge(name, limit);
    return content === undefined ? undefined : Buffer.from(content);
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    checkFolder(folder);
    await this.#answer(signal);
    return [...this.files]
      .filter(([name]) => name.startsWith(`${folder}/`))
      .map(([name, content]) => ({ name: name.slice(folder.length + 1), size: content.length }))
      .filter(({ name }) => isLegalPart(name));
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    parseName(name);
    await this.#answer(signal);
    this.files.delete(name);
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    return Promise.resolve();
  }

  #either(signal: AbortSignal): AbortSignal {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    if (either.aborted) throw cancelled(this.description);
    return either;
  }

  async #answer(signal: AbortSignal): Promise<void> {
    const either = this.#either(signal);
    await turn();
    if (either.aborted) throw cancelled(this.description);
  }
}
