/**
 * Two simulated sites after a failover: a link at B fills the depot in its own folder, and a fetcher at A empties it over a
 * line that goes wrong as told, into an inbox from which a destination takes what is whole and next.
 */
import assert from 'node:assert/strict';
import { epoch, lsn, LSN_NONE, type Lsn } from '../../src/journal/ids.ts';
import { parseSealedName, sealedName } from '../../src/journal/names.ts';
import { decodeStatus, encodeStatus } from '../../src/journal/status-codec.ts';
import type { RefusedSegment, SiteStatus } from '../../src/journal/status.ts';
import { replaceFile } from '../../src/platform/atomic-file.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Platform } from '../../src/platform/platform.ts';
import { DepotTransport } from '../../src/transfer/depot-transport.ts';
import { Fetcher, type FetcherOptions } from '../../src/transfer/fetcher.ts';
import { Link } from '../../src/transfer/link.ts';
import type { LinkHours } from '../../src/transfer/link-session.ts';
import type { LinkSegment } from '../../src/transfer/planner.ts';
import type { Transport } from '../../src/transfer/transport.ts';
import { FileServer, SimulatedTransport } from '../simulation/pair/server.ts';
import { Dice } from '../simulation/platform/dice.ts';
import { Loop } from '../simulation/platform/loop.ts';
import { Machine } from '../simulation/platform/machine.ts';
import { Program } from '../simulation/platform/program.ts';

const GROUP = 'oracle';
export const GROUP_ID = 'b'.repeat(32);
const KEY = Buffer.alloc(32, 7);
export const decode = (bytes: Buffer): SiteStatus => decodeStatus(bytes, KEY, GROUP);
export const encode = (status: SiteStatus): Buffer => encodeStatus(status, KEY, GROUP, new Dice('nonce'));
/** Bytes. */
export const AHEAD = 2_000_000;
const WALL = 1_700_000_000_000;
export const FOLDER_A = '/a/oracle';
export const FOLDER_B = '/b/oracle';
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

const nothing = (): void => undefined;
export const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** A schedule that a test opens and closes. */
class Door implements LinkHours {
  readonly #listeners = new Set<() => void>();
  isOpen = true;

  closure(): { message: string; opensAt: undefined } | undefined {
    return this.isOpen ? undefined : { message: 'closed by the test', opensAt: undefined };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(isOpen: boolean): void {
    this.isOpen = isOpen;
    for (const listener of this.#listeners) listener();
  }
}

type Decorate = (line: Transport, clock: Clock) => Transport;

export class FetchBench {
  readonly loop = new Loop();
  readonly door = new Door();
  /** Between A and B's folder. */
  readonly server: FileServer;
  readonly a: Machine;
  readonly b: Machine;
  /** Segments that B still keeps. */
  segments: LinkSegment[] = [];
  /** Name → what was sealed. */
  readonly truth = new Map<string, Buffer>();
  room = Number.MAX_SAFE_INTEGER;
  site: SiteA;
  programA: Program;
  readonly #dice: Dice;
  readonly #decorate: Decorate;
  readonly #link: Link;
  #sealed: Lsn = LSN_NONE;
  #lives = 0;

  /** `decorate`: what A's line goes through. */
  constructor(seed: string, decorate: Decorate = (line) => line) {
    this.#dice = new Dice(seed);
    this.#decorate = decorate;
    this.a = new Machine('a', this.loop, this.#dice.fork('a'), WALL);
    this.b = new Machine('b', this.loop, this.#dice.fork('b'), WALL);
    this.server = new FileServer(this.b, FOLDER_B, this.#dice.fork('line'));
    const program = this.program(this.b);
    for (const folder of ['journal', 'outbox', 'outbox-status'])
      program.platform.files.makeDirectory(`${FOLDER_B}/${folder}`);
    for (const folder of ['inbox', 'journal', 'status'])
      this.program(this.a).platform.files.makeDirectory(`${FOLDER_A}/${folder}`);
    const own = new FileServer(this.b, FOLDER_B, this.#dice.fork('own folder'));
    this.#link = new Link(program.platform, silent, {
      name: 'a',
      transport: new DepotTransport(new SimulatedTransport(own, program)),
      hours: new Door(),
      parallel: 2,
      ahead: AHEAD,
      segments: () => this.segments,
      groupId: GROUP_ID,
      epoch: { number: epoch(1), id: 'e'.repeat(32) },
      announcement: undefined,
      decode,
      onServing: nothing,
      onForeign: nothing,
      initial: undefined,
      onStatus: ({ received }) => this.#free(received),
    });
    this.#link.start();
    this.programA = this.program(this.a);
    this.site = this.startSite();
  }

  get sealed(): Lsn {
    return this.#sealed;
  }

  startSite(): SiteA {
    this.#lives += 1;
    this.programA = this.program(this.a);
    return (this.site = new SiteA(this.programA.platform, {
      folder: FOLDER_A,
      transport: this.#decorate(
        new SimulatedTransport(this.server, this.programA),
        this.programA.platform.clock,
      ),
      hours: this.door,
      room: () => this.room,
      truth: this.truth,
    }));
  }

  program(machine: Machine): Program {
    return new Program({
      machine,
      dice: this.#dice.fork(`program ${machine.name} ${this.#lives}`),
      clones: false,
      processes: { run: () => Promise.reject(new Error('none')) },
      onDeath: nothing,
      onUncaught: (error) => this.loop.fail(error),
    });
  }

  seal(bytes: number, records = 10): string {
    const range = { epoch: epoch(2), first: lsn(this.#sealed + 1), last: lsn(this.#sealed + records) };
    const name = sealedName(range);
    const path = `${FOLDER_B}/journal/${name}`;
    const content = this.#dice.bytes(bytes);
    this.truth.set(name, content);
    this.b.disk.create(path).write(content, 0);
    this.#sealed = range.last;
    this.segments.push({ name, path, range, bytes });
    this.#link.wake();
    return name;
  }

  async pass(milliseconds: number): Promise<void> {
    await this.loop.run(() => false, milliseconds);
  }

  outbox(): string[] {
    return this.b.disk.list(`${FOLDER_B}/outbox`).sort();
  }

  inbox(): string[] {
    return this.a.disk.list(`${FOLDER_A}/inbox`).sort();
  }

  /** Everything was received, said, freed and cleared away. */
  get isSettled(): boolean {
    return this.segments.length === 0 && this.outbox().length === 0 && this.site.received === this.#sealed;
  }

  /** I5: what B frees must lie at A, as it was sealed. */
  #free(received: Lsn): void {
    for (const { name } of this.segments.filter(({ range }) => range.last <= received)) {
      const held = this.a.disk.find(`${FOLDER_A}/journal/${name}`)?.content();
      if (held?.equals(this.truth.get(name) ?? Buffer.alloc(0)) !== true)
        this.loop.fail(new Error(`${name} is freed, but A does not have it`));
    }
    this.segments = this.segments.filter(({ range }) => range.last > received);
  }
}

export interface SiteAOptions extends Pick<FetcherOptions, 'folder' | 'transport' | 'hours' | 'room'> {
  /** Name → what a segment holds. */
  readonly truth: ReadonlyMap<string, Buffer>;
}

/** A's half: a fetcher, and a destination that takes in what is whole and next, durably. */
export class SiteA {
  readonly fetcher: Fetcher;
  received: Lsn;
  /** Segments that were not what they should be. */
  refusals = 0;
  /** Takes nothing in. */
  isHeld = false;
  /** Milliseconds from a segment's leaving the inbox until it is received. */
  pause = 0;
  #isStopped = false;
  #taking: readonly string[] = [];
  readonly #platform: Platform;
  readonly #options: SiteAOptions;
  #refused: RefusedSegment[] = [];
  #told = '';
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(platform: Platform, options: SiteAOptions) {
    this.#platform = platform;
    this.#options = options;
    this.received = this.#recover();
    this.fetcher = new Fetcher(platform, silent, {
      ...options,
      name: 'b',
      parallel: 2,
      received: () => this.received,
      taking: () => this.#taking,
      decode,
      onArrived: nothing,
    });
    this.fetcher.start();
    this.#step();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.fetcher.stop();
  }

  get #files(): Platform['files'] {
    return this.#platform.files;
  }

  #recover(): Lsn {
    const names = this.#files.list(`${this.#options.folder}/journal`).sort();
    return names.reduce<Lsn>((received, name) => parseSealedName(name)?.last ?? received, LSN_NONE);
  }

  #step(): void {
    if (this.#isStopped) return;
    if (!this.isHeld && this.#taking.length === 0) this.#takeIn();
    this.#publish();
    this.#platform.clock.after(50, () => this.#step());
  }

  #takeIn(): void {
    const files = this.#files;
    for (const name of files.list(`${this.#options.folder}/inbox`).sort()) {
      const range = parseSealedName(name);
      if (range === undefined) continue;
      const path = `${this.#options.folder}/inbox/${name}`;
      if (range.last <= this.received) files.remove(path);
      if (range.first !== this.received + 1) continue;
      if (this.#isTrue(path, name)) {
        files.rename(path, `${this.#options.folder}/journal/${name}`);
        files.syncDirectory(`${this.#options.folder}/journal`);
        files.syncDirectory(`${this.#options.folder}/inbox`);
        if (this.pause === 0) {
          this.received = range.last;
          continue;
        }
        this.#taking = [name];
        this.#platform.clock.after(this.pause, () => {
          this.received = range.last;
          this.#taking = [];
        });
        return;
      } else {
        this.refusals += 1;
        files.remove(path);
        const at = this.#platform.clock.now();
        this.#refused.push({ ...range, reason: 'not what was sealed', at });
      }
      this.#refused = this.#refused.filter(({ last }) => last > this.received).slice(-10);
    }
  }

  #isTrue(path: string, name: string): boolean {
    const file = this.#files.open(path, 'read');
    const bytes = Buffer.alloc(file.size());
    file.read(bytes, 0);
    file.close();
    return this.#options.truth.get(name)?.equals(bytes) === true;
  }

  #publish(): void {
    const { clock, random } = this.#platform;
    const told = JSON.stringify([this.received, this.#refused]);
    if (told === this.#told && clock.monotonic() - this.#toldAt < 2 * SECOND) return;
    this.#told = told;
    this.#toldAt = clock.monotonic();
    const status = encodeStatus(
      {
        version: 3,
        role: 'destination',
        groupId: GROUP_ID,
        epoch: undefined,
        sequence: Math.floor(clock.monotonic()) + 1,
        writtenAt: clock.now(),
        received: this.received,
        applied: this.received,
        appliedTime: 0,
        missing: [],
        refused: this.#refused,
        full: false,
        consistent: true,
        waiting: undefined,
      },
      KEY,
      GROUP,
      random,
    );
    replaceFile(this.#files, `${this.#options.folder}/status/destination.json`, status);
  }
}

/** Fails unless everything is settled within `limit` milliseconds. */
export async function settles(bench: FetchBench, limit: number): Promise<void> {
  if (await bench.loop.run(() => bench.isSettled, limit)) return;
  const { site, sealed } = bench;
  assert.fail(
    `received ${site.received} of ${sealed}; B keeps ${bench.segments.length}; outbox: ${bench.outbox().join()}; inbox: ${bench.inbox().join()}; ${JSON.stringify(site.fetcher.report())}`,
  );
}
