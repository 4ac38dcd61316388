import { JOURNAL_FOLDER, sealedName } from '../../src/journal/names.ts';
import { epoch, lsn } from '../../src/journal/ids.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import { decodeStatus } from '../../src/journal/status-codec.ts';
import type { Files } from '../../src/platform/files.ts';
import type { Log } from '../../src/platform/log.ts';
import { Link, type LinkReport } from '../../src/transfer/link.ts';
import type { LinkWait } from '../../src/transfer/link-troubles.ts';
import type { LinkSegment } from '../../src/transfer/planner.ts';
import type { Week } from '../../src/transfer/schedule/schedule.ts';
import { SharedLink } from '../../src/transfer/shared-link.ts';
import { ThrottledTransport } from '../../src/transfer/throttled-transport.ts';
import { Turns } from '../../src/transfer/turns.ts';
import { seededRandom } from '../support/random.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { EPOCH, GROUP_ID, GROUP_NAME, SimulatedSite, SimulatedTransport } from './simulated-site.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
/** Of a segment, unless a test says otherwise: a tenth of a second on the simulated line. */
export const BYTES = 100_000;

/** Segment `number` (from 1) of ten records each. */
export function segment(number: number, bytes = BYTES): LinkSegment {
  const range = { epoch: EPOCH, first: lsn(number * 10 - 9), last: lsn(number * 10) };
  const name = sealedName(range);
  return { name, path: `${JOURNAL_FOLDER}/${name}`, range, bytes };
}

export const segments = (count: number, bytes = BYTES): LinkSegment[] =>
  Array.from({ length: count }, (_, index) => segment(index + 1, bytes));

/** A status of a destination that has nothing to say but these facts. */
export function said(facts: Partial<DestinationStatus> = {}): DestinationStatus {
  return {
    version: 3,
    groupId: '',
    sequence: 10,
    writtenAt: 0,
    role: 'destination',
    epoch: undefined,
    received: lsn(0),
    applied: lsn(0),
    appliedTime: 0,
    missing: [],
    refused: [],
    full: false,
    consistent: true,
    waiting: undefined,
    ...facts,
  };
}

interface Settings {
  readonly parallel?: number;
  readonly journal?: readonly LinkSegment[];
  readonly initial?: DestinationStatus;
  /** A destination that is not running writes no status and takes nothing from its inbox. */
  readonly asleep?: boolean;
  /** Another link's, whose place this one takes. */
  readonly after?: LinkBench;
  /** Of the link that it shares with nobody; undefined: always open, without a limit. */
  readonly week?: Week;
}

/** A source's link, the line and the destination, in simulated time. */
export class LinkBench {
  readonly clock: SimulatedClock;
  readonly site: SimulatedSite;
  readonly transport: SimulatedTransport;
  readonly shared: SharedLink;
  readonly link: Link;
  readonly warnings: string[] = [];
  /** Sequences that the caller was told, and what it was told to be received. */
  readonly told: DestinationStatus[] = [];
  journal: LinkSegment[];
  /** Names of segments whose file is gone. */
  readonly vanished = new Set<string>();
  onStatus: (status: DestinationStatus) => void = (status) => void this.told.push(status);

  constructor({ parallel = 3, journal = [], initial, asleep = false, after, week }: Settings = {}) {
    this.journal = [...(after?.journal ?? journal)];
    this.clock = after?.clock ?? new SimulatedClock();
    this.site = after?.site ?? new SimulatedSite(this.clock);
    if (!asleep && after === undefined) this.site.start();
    this.transport = new SimulatedTransport(this.clock, this.site);
    const all = new Turns(Infinity, 0.5);
    this.shared = new SharedLink(this.clock, all, { week, files: 16, copyShare: 0.5, burstMax: 1 << 20 });
    const party = { stream: 'oracle → dr-site', weight: 1, copying: false };
    this.link = new Link(this.#platform(), this.#log(), {
      name: 'dr-site',
      transport: new ThrottledTransport(this.transport, this.shared, () => party),
      hours: this.shared,
      parallel,
      segments: () => this.journal,
      groupId: GROUP_ID,
      epoch: { number: epoch(1), id: 'e'.repeat(32) },
      announcement: undefined,
      decode: (bytes) => decodeStatus(bytes, undefined, GROUP_NAME),
      initial,
      onStatus: (status) => this.onStatus(status),
      onServing: () => undefined,
      onForeign: () => undefined,
    });
  }

  async run(milliseconds: number): Promise<LinkReport> {
    await this.clock.pass(milliseconds);
    return this.link.report();
  }

  async started(milliseconds: number): Promise<LinkReport> {
    this.link.start();
    return this.run(milliseconds);
  }

  wait(code: string): LinkWait | undefined {
    return this.link.report().waits.find((wait) => wait.code === code);
  }

  codes(): string[] {
    return this.link.report().waits.map(({ code }) => code);
  }

  seal(...more: LinkSegment[]): void {
    this.journal.push(...more);
    this.link.wake();
  }

  /** Numbers of the segments whose sending was begun, in that order. */
  begun(): number[] {
    return this.transport.attempts.map(({ name }) => this.#numberOf(name));
  }

  /** When the sending of this segment was begun. */
  begunAt(number: number): number[] {
    return this.transport.attempts.filter(({ name }) => this.#numberOf(name) === number).map(({ at }) => at);
  }

  #numberOf(name: string): number {
    return Number.parseInt(name.slice(-20, -4), 16) / 10;
  }

  #platform(): ConstructorParameters<typeof Link>[0] {
    const files: Pick<Files, 'stat'> = {
      stat: (path) => {
        const found = this.journal.find((candidate) => candidate.path === path);
        const there = found !== undefined && !this.vanished.has(found.name);
        return there ? { kind: 'file', size: found.bytes, modifiedAt: 0, identity: '' } : undefined;
      },
    };
    return { clock: this.clock, random: seededRandom('link'), files: files as Files };
  }

  #log(): Log {
    const silent = (): void => undefined;
    return { debug: silent, info: silent, warn: (line) => void this.warnings.push(line), error: silent };
  }
}
