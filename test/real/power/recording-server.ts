/** The thread's half of a recording device: a volume in memory behind our NBD server that keeps a log of all it is told. */
import { WRITE_HEADROOM, type Extent, type HostVolume, type WriteRun } from '../../../src/nbd/front-end.ts';
import { NbdServer } from '../../../src/nbd/server.ts';
import { nodeClock } from '../../../src/platform/node/clock.ts';
import type { LogEntry, Note } from './device-log.ts';

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export interface RecordingOptions {
  readonly socket: string;
  /** Bytes. */
  readonly size: number;
}

export const EXPORT = 'disk';

class RecordingVolume implements HostVolume {
  readonly readOnly = false;
  readonly name = EXPORT;
  readonly size: number;
  readonly #content: Buffer;
  readonly log: LogEntry[] = [];

  constructor(size: number) {
    this.size = size;
    this.#content = Buffer.alloc(size);
  }

  room(): undefined {
    return undefined;
  }

  write(run: WriteRun): void {
    let at = run.start;
    for (let i = 0; i < run.count; i += 1) {
      const [offset, length] = [run.offsets[i] ?? 0, run.lengths[i] ?? 0];
      const data = Uint8Array.from(run.buffer.subarray(at + WRITE_HEADROOM, at + WRITE_HEADROOM + length));
      this.#content.set(data, offset);
      this.log.push({ kind: 'write', offset, data });
      at += WRITE_HEADROOM + length;
    }
  }

  zero(offset: number, length: number): void {
    this.#content.fill(0, offset, offset + length);
    this.log.push({ kind: 'zero', offset, length });
  }

  read(offset: number, into: Buffer): void {
    this.#content.copy(into, 0, offset, offset + into.length);
  }

  readNow(offset: number, into: Buffer): undefined {
    this.read(offset, into);
    return undefined;
  }

  extents(_offset: number, length: number): Extent[] {
    return [{ length, kind: 'data' }];
  }

  /** What was written before it is durable; what comes later need not be. */
  flush(): Promise<void> {
    this.log.push({ kind: 'flush' });
    return Promise.resolve();
  }
}

export class RecordingServer {
  readonly #volume: RecordingVolume;
  readonly #server: NbdServer;
  readonly #socket: string;

  constructor(options: RecordingOptions) {
    this.#volume = new RecordingVolume(options.size);
    this.#socket = options.socket;
    this.#server = new NbdServer({
      volumes: [this.#volume],
      log: silent,
      clock: nodeClock,
      connectionsMax: 1,
    });
  }

  async listen(): Promise<void> {
    await this.#server.listen({ kind: 'socket', path: this.#socket });
  }

  /** It is in the log once this resolves. */
  note(note: Note): Promise<void> {
    this.#volume.log.push({ kind: 'note', note });
    return Promise.resolve();
  }

  async finish(): Promise<LogEntry[]> {
    await this.#server.close();
    return this.#volume.log;
  }
}
