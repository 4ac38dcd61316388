/**
 * The file server in the middle, which keeps its files on the destination's disk: slow, cut, full, frozen, forgetful,
 * with listings and files of a moment ago, and its line to the source.
 */
import { dirname } from 'node:path';
import type { Files } from '../../../src/platform/files.ts';
import { syncPart } from '../../../src/transfer/transports/sync-part.ts';
import {
  TransportError,
  type LocalFile,
  type RemoteFile,
  type TransferOptions,
  type Transport,
  type TransportErrorCode,
} from '../../../src/transfer/transport.ts';
import type { LineWatch } from '../oracle/line.ts';
import type { Dice } from '../platform/dice.ts';
import type { Machine } from '../platform/machine.ts';
import type { Program } from '../platform/program.ts';

/** Chances are of one call or file; times in milliseconds. */
export interface Weather {
  readonly latency: number;
  /** Bytes a millisecond. */
  readonly speed: number;
  /** The line breaks in the middle of a transfer. */
  readonly cut: number;
  /** Done, but the answer is lost. */
  readonly lateAnswer: number;
  /** The file is gone though it was taken. */
  readonly loss: number;
  readonly truncation: number;
  readonly corruption: number;
  /** The file comes again later. */
  readonly duplication: number;
  /** The name is seen before what is in the file. */
  readonly nameFirst: number;
  /** The file shows later than the server says. */
  readonly delay: number;
  readonly stale: number;
  readonly full: number;
}

export const FAIR: Weather = {
  latency: 2,
  speed: 2000,
  cut: 0,
  lateAnswer: 0,
  loss: 0,
  truncation: 0,
  corruption: 0,
  duplication: 0,
  nameFirst: 0,
  delay: 0,
  stale: 0,
  full: 0,
};

/** Milliseconds without an answer after which a transport gives up. */
const TIME_LIMIT = 15_000;
const PIECE = 8 * 1024;
const STATUS_KEPT = 50;

export class FileServer {
  readonly machine: Machine;
  readonly #folder: string;
  readonly #dice: Dice;
  weather: Weather = FAIR;
  frozenUntil = 0;
  /** Put in the status file's place by someone who may write there, until this time. */
  forgedStatus: { readonly bytes: Buffer; readonly until: number } | undefined;
  /** Everything that was ever published or listed, for those who show or replay it. */
  readonly oldStatus: Buffer[] = [];
  readonly oldFiles: { readonly name: string; readonly bytes: Buffer }[] = [];
  oldListing: RemoteFile[] = [];
  /** Counts up when the machine goes down: what was under way is cut. */
  generation = 0;
  up = true;
  /** Where the link has a schedule. */
  line: LineWatch | undefined;
  onArrival: () => void = () => undefined;

  constructor(machine: Machine, folder: string, dice: Dice) {
    this.machine = machine;
    this.#folder = folder;
    this.#dice = dice;
  }

  get dice(): Dice {
    return this.#dice;
  }

  path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  published(bytes: Buffer): void {
    this.oldStatus.push(bytes);
    if (this.oldStatus.length > STATUS_KEPT) this.oldStatus.shift();
  }

  powerLost(): void {
    this.generation += 1;
    this.up = false;
  }

  /** The part has all its bytes: it gets its name, more or less. */
  publish(name: string): void {
    const { weather, machine, path } = this.#parts(name);
    const dice = this.#dice;
    const bytes = machine.disk.find(path('.part'))?.content() ?? Buffer.alloc(0);
    this.oldFiles.push({ name, bytes });
    if (dice.chance(weather.loss)) {
      machine.disk.remove(path('.part'));
      return;
    }
    if (dice.chance(weather.truncation)) machine.disk.find(path('.part'))?.resize(dice.below(bytes.length));
    if (dice.chance(weather.corruption)) {
      const at = dice.below(bytes.length);
      machine.disk.find(path('.part'))?.write(Buffer.from([bytes[at]! ^ (1 << dice.below(8))]), at);
    }
    if (dice.chance(weather.duplication)) this.#later(3000, () => this.appear(name, bytes));
    if (dice.chance(weather.nameFirst)) this.#nameFirst(name, bytes);
    else if (dice.chance(weather.delay)) this.#later(2000, () => this.#show(name));
    else this.#show(name);
  }

  /** A file is there, from wherever it came. */
  appear(name: string, bytes: Buffer): void {
    const { disk } = this.machine;
    if (disk.stat(this.path('inbox')) === undefined) return;
    disk.remove(this.path(name));
    disk.create(this.path(name)).write(bytes, 0);
    this.onArrival();
  }

  #show(name: string): void {
    const { machine, path } = this.#parts(name);
    if (machine.disk.find(path('.part')) === undefined) return;
    machine.disk.rename(path('.part'), path(''));
    this.onArrival();
  }

  #nameFirst(name: string, bytes: Buffer): void {
    const { machine, path } = this.#parts(name);
    const inode = machine.disk.find(path('.part'));
    if (inode === undefined) return;
    const seen = this.#dice.below(bytes.length);
    if (this.#dice.chance(0.5)) inode.resize(seen);
    else inode.write(Buffer.alloc(bytes.length - seen), seen);
    this.#show(name);
    this.#later(1500, () => {
      // Where the name was taken to meanwhile, the bytes follow: it is the same file.
      inode.write(bytes.subarray(seen), seen);
      this.onArrival();
    });
  }

  #later(most: number, then: () => void): void {
    const { generation } = this;
    this.machine.loop.after(this.#dice.fraction() * most, () => {
      if (this.generation === generation && this.up) then();
    });
  }

  #parts(name: string): { weather: Weather; machine: Machine; path: (suffix: string) => string } {
    return { weather: this.weather, machine: this.machine, path: (suffix) => this.path(name) + suffix };
  }
}

/** The source's end of the line. It lives in the source's program and dies with it. */
export class SimulatedTransport implements Transport {
  readonly description = 'simulated:';
  readonly #server: FileServer;
  readonly #program: Program;
  readonly #files: Files;
  #closing = new AbortController();

  constructor(server: FileServer, program: Program) {
    this.#server = server;
    this.#program = program;
    this.#files = program.platform.files;
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    this.#server.line?.fileBegins();
    try {
      await this.#put(source, name, options);
    } finally {
      if (this.#program.alive) this.#server.line?.fileEnds();
    }
  }

  async #put(source: LocalFile, name: string, { signal, onProgress, pace }: TransferOptions): Promise<void> {
    const bytes = this.#readSource(source);
    const { machine, dice } = this.#server;
    const { disk } = machine;
    await this.#answer(signal);
    const part = `${this.#server.path(name)}.part`;
    disk.makeDirectory(dirname(part));
    let done = Math.min(disk.find(part)?.size ?? 0, source.size);
    if (dice.chance(0.2)) done = 0;
    const inode = disk.find(part) ?? disk.create(part);
    inode.resize(done);
    onProgress?.(done);
    while (done < source.size) {
      const wanted = Math.min(PIECE, source.size - done);
      const piece = (await pace?.(wanted)) ?? wanted;
      this.#server.line?.sent(piece);
      await this.#wait(piece / this.#server.weather.speed, signal);
      if (dice.chance(this.#server.weather.full) || disk.freeAt(part) < piece) throw failure('NoSpace');
      if (disk.find(part) !== inode) throw failure('NotFound');
      if (dice.chance(this.#server.weather.cut)) {
        inode.write(bytes.subarray(done, done + dice.below(piece)), done);
        throw failure('ConnectionLost');
      }
      inode.write(bytes.subarray(done, done + piece), done);
      done += piece;
      onProgress?.(done);
    }
    this.#server.publish(name);
    await this.#wait(this.#server.weather.latency, signal);
    if (dice.chance(this.#server.weather.lateAnswer)) throw failure('ConnectionLost');
  }

  async get(name: string, target: LocalFile, { signal, onProgress, pace }: TransferOptions): Promise<void> {
    await this.#answer(signal);
    const { machine, weather, dice } = this.#server;
    const bytes = machine.disk.find(this.#server.path(name))?.content();
    if (bytes === undefined) throw failure('NotFound');
    if (bytes.length !== target.size) throw failure(bytes.length > target.size ? 'TooLarge' : 'Integrity');
    const file = this.#files.open(target.path, 'create');
    try {
      let done = Math.min(file.size(), target.size);
      if (dice.chance(0.2)) done = 0;
      file.truncate(done);
      onProgress?.(done);
      while (done < bytes.length) {
        const wanted = Math.min(PIECE, bytes.length - done);
        const piece = (await pace?.(wanted)) ?? wanted;
        this.#server.line?.sent(piece);
        await this.#wait(piece / weather.speed, signal);
        if (dice.chance(weather.cut)) throw failure('ConnectionLost');
        file.write(bytes.subarray(done, done + piece), done);
        done += piece;
        onProgress?.(done);
      }
      if (dice.chance(weather.corruption)) {
        const at = dice.below(bytes.length);
        file.write(Buffer.from([bytes[at]! ^ (1 << dice.below(8))]), at);
      }
      await syncPart({
        datasync: () => file.sync(),
        truncate: (size = 0) => Promise.try(() => file.truncate(size)),
      });
    } finally {
      file.close();
    }
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    await this.#answer(signal);
    const { machine, forgedStatus, oldStatus, weather, dice } = this.#server;
    const bytes =
      forgedStatus !== undefined && machine.loop.now < forgedStatus.until
        ? forgedStatus.bytes
        : dice.chance(weather.stale) && oldStatus.length > 0
          ? dice.pick(oldStatus.slice(-5))
          : machine.disk.find(this.#server.path(name))?.content();
    if (bytes !== undefined && bytes.length > limit) throw failure('TooLarge');
    return bytes;
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    await this.#answer(signal);
    const { machine, weather, dice } = this.#server;
    if (dice.chance(weather.stale)) return this.#server.oldListing;
    const path = this.#server.path(folder);
    if (machine.disk.stat(path) === undefined) return [];
    const files = machine.disk
      .list(path)
      .map((name) => ({ name, size: machine.disk.stat(`${path}/${name}`)?.size ?? 0 }));
    this.#server.oldListing = files;
    return files;
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#answer(signal);
    const { machine, weather, dice } = this.#server;
    machine.disk.remove(this.#server.path(name));
    if (dice.chance(weather.lateAnswer)) throw failure('ConnectionLost');
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    return Promise.resolve();
  }

  #readSource(source: LocalFile): Buffer {
    const file = this.#files.open(source.path, 'read');
    try {
      const bytes = Buffer.alloc(file.size());
      if (file.read(bytes, 0) !== source.size) throw failure('Protocol');
      return bytes;
    } finally {
      file.close();
    }
  }

  async #answer(signal: AbortSignal): Promise<void> {
    const { weather, dice, line } = this.#server;
    line?.used();
    await this.#wait(weather.latency * (0.5 + dice.fraction()), signal);
    if (dice.chance(weather.cut)) throw failure('ConnectionLost');
  }

  /** So long, and as long as the server is frozen; what is cut or given up meanwhile is rejected. */
  #wait(time: number, signal: AbortSignal): Promise<void> {
    const server = this.#server;
    const { loop } = server.machine;
    const { generation } = server;
    const closing = this.#closing.signal;
    const frozen = Math.max(0, server.frozenUntil - loop.now);
    const timedOut = frozen > TIME_LIMIT;
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', finish);
        closing.removeEventListener('abort', finish);
        if (signal.aborted || closing.aborted) reject(failure('Cancelled'));
        else if (timedOut) reject(failure('Timeout'));
        else if (server.generation !== generation || !server.up) reject(failure('ConnectionLost'));
        else resolve();
      };
      const timer = this.#program.after(Math.min(TIME_LIMIT, frozen + time), finish);
      signal.addEventListener('abort', finish);
      closing.addEventListener('abort', finish);
      if (signal.aborted || closing.aborted) finish();
    });
  }
}

function failure(code: TransportErrorCode): TransportError {
  return new TransportError(code, `the simulated server: ${code}`, { remedy: 'none' });
}
