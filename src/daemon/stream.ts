/** One group on its way to one destination: its transport, its link, what it remembers of the other side, its status. */
import { join } from 'node:path';
import type { LinkTestReport } from '../api/contract/link-test.ts';
import type { StreamStatus } from '../api/contract/status.ts';
import type { LinkConfig } from '../config/config.ts';
import { lsn, LSN_NONE, type EpochIdentity, type Lsn } from '../journal/ids.ts';
import type { DestinationStatus } from '../journal/status.ts';
import type { Clock } from '../platform/clock.ts';
import { describeError, OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import { DEPOT_AHEAD } from '../transfer/depot-transport.ts';
import { Link, type LinkOptions, type LinkReport } from '../transfer/link.ts';
import { testLink } from '../transfer/link-test.ts';
import { LoggedTransport } from '../transfer/logged-transport.ts';
import { RetryingTransport } from '../transfer/retrying-transport.ts';
import type { SharedLink } from '../transfer/shared-link.ts';
import { ThrottledTransport } from '../transfer/throttled-transport.ts';
import type { Transport } from '../transfer/transport.ts';
import { LinkMemory } from './link-memory.ts';
import { toldWait } from './told-wait.ts';
import type { World } from './world.ts';

export interface StreamOptions extends Pick<LinkOptions, 'segments' | 'decode'> {
  readonly world: World;
  readonly link: SharedLink;
  readonly group: {
    readonly name: string;
    readonly id: string;
    readonly epoch: EpochIdentity;
    readonly folder: string;
  };
  /** As of a link's. */
  readonly announcement: LinkOptions['announcement'];
  /** Whether existing data is being brought over. */
  readonly copying: () => boolean;
  /** The destination has said something new. */
  readonly onStatus: (status: DestinationStatus) => void;
  readonly onServing: LinkOptions['onServing'];
  readonly onForeign: LinkOptions['onForeign'];
}

export class Stream {
  readonly name: string;
  readonly #platform: Platform;
  readonly #folder: string;
  /** A transport with connections of its own. */
  readonly #open: () => Transport;
  readonly #log: Log;
  readonly #shared: SharedLink;
  readonly #transport: Transport;
  readonly #memory: LinkMemory;
  readonly #link: Link;
  #weight: number;

  constructor(config: LinkConfig, log: Log, options: StreamOptions) {
    const { world, link, group, segments, decode } = options;
    this.name = config.name;
    this.#platform = world.platform;
    this.#folder = join(group.folder, 'links');
    this.#open = () => world.transport(config);
    this.#log = log;
    this.#shared = link;
    this.#weight = config.weight;
    const memory = (this.#memory = new LinkMemory(world.platform, group.folder, config.name));
    const { clock } = world.platform;
    const server = new RetryingTransport(new LoggedTransport(this.#open(), log, clock), clock);
    this.#transport = new ThrottledTransport(server, link, () => ({
      stream: `${group.name} → ${config.name}`,
      weight: this.#weight,
      copying: options.copying(),
    }));
    this.#link = new Link(world.platform, log, {
      name: config.name,
      transport: this.#transport,
      hours: link,
      parallel: config.parallel,
      ...(config.transport.kind === 'depot' ? { ahead: DEPOT_AHEAD } : {}),
      segments,
      groupId: group.id,
      epoch: group.epoch,
      announcement: options.announcement,
      decode,
      initial: memory.last,
      onServing: options.onServing,
      onForeign: options.onForeign,
      onStatus: (status: DestinationStatus) => {
        // What is received is freed first: on a full disk that makes the room to note it.
        options.onStatus(status);
        memory.remember(status);
      },
    });
  }

  /** I5: what may be freed as far as this destination is concerned. */
  get received(): Lsn {
    return this.#link.received;
  }

  /** The last record that was begun to be sent, or is there already. */
  get begun(): Lsn {
    return this.#link.begun;
  }

  /** Whether the file of this name is being read, received though it may be. */
  isSending(name: string): boolean {
    return this.#link.isSending(name);
  }

  /** What the destination last said. */
  get answer(): DestinationStatus | undefined {
    return this.#link.report().status;
  }

  /** Resolves when the other side was asked for its word once, or cannot be. */
  get asked(): Promise<unknown> {
    return this.#link.asked;
  }

  start(): void {
    this.#link.start();
  }

  /** A segment was sealed. */
  wake(): void {
    this.#link.wake();
  }

  /** From now on; for the files that are begun from now on. */
  configure({ weight }: LinkConfig): void {
    this.#weight = weight;
  }

  /**
   * Tries everything that the link needs, over connections of its own, at the link's pace and in its turn.
   * @throws OperatorError `LINK_CLOSED`
   */
  test(): Promise<LinkTestReport> {
    const closure = this.#shared.closure();
    if (closure !== undefined) {
      throw new OperatorError('LINK_CLOSED', closure.message, {
        remedy:
          'test it while it is open, or open it for the test: change its schedule and run `blockferry reload`',
      });
    }
    const party = { stream: `${this.name}: a test`, weight: 1, copying: false };
    const transport = new ThrottledTransport(this.#open(), this.#shared, () => party);
    return testLink(this.#platform, { transport, folder: this.#folder });
  }

  /** `last`: the newest LSN of the group. */
  status(last: number): StreamStatus {
    const report = this.#link.report();
    const { status } = report;
    return {
      destination: this.name,
      link: this.#transport.description,
      ...limitOf(this.#shared),
      state: report.state,
      received: status?.received ?? 0,
      applied: status?.applied ?? 0,
      ...lagOf(report, last, this.#platform.clock),
      lagBytes: report.backlogBytes,
      backlogSegments: report.backlogSegments,
      rate: report.rate,
      ...(report.rate > 0 && report.backlogBytes > 0
        ? { timeLeftSeconds: report.backlogBytes / report.rate }
        : {}),
      segmentsSent: report.segmentsSent,
      bytesSent: report.bytesSent,
      ...(status === undefined ? {} : { lastStatusAt: status.writtenAt }),
      waits: report.waits.map(toldWait),
    };
  }

  async stop(): Promise<void> {
    await this.#link.stop();
    // Without it, an older status of a destination may be taken for the newest after a restart, until that writes again.
    try {
      this.#memory.flush();
    } catch (error) {
      this.#log.warn(`a destination's status cannot be noted: ${describeError(error)}`);
    }
  }
}

function limitOf(link: SharedLink): Pick<StreamStatus, 'limit'> {
  const { limit, burst, until, opensAt } = link.report();
  return {
    limit: {
      ...limit,
      ...(burst === undefined ? {} : { burst }),
      ...(until === undefined ? {} : { until }),
      ...(opensAt === undefined ? {} : { opensAt }),
    },
  };
}

/** The age of the newest write that the destination has applied, by the source's own clock; not the absence of errors. */
function lagOf({ status }: LinkReport, last: number, clock: Clock): { lagSeconds?: number } {
  if (status === undefined) return {};
  if (status.applied >= last) return { lagSeconds: 0 };
  return status.appliedTime === 0
    ? {}
    : { lagSeconds: Math.max(0, (clock.now() - status.appliedTime) / 1000) };
}

/** What each destination last said. */
export function answersOf(streams: readonly Stream[]): ReadonlyMap<string, DestinationStatus | undefined> {
  return new Map(streams.map((stream) => [stream.name, stream.answer]));
}

/** The lowest of what the destinations have received or applied, or undefined when there are none. */
export function reachedByAll(received: readonly Lsn[]): Lsn | undefined {
  return received.length === 0 ? undefined : lsn(Math.min(...received, Number.MAX_SAFE_INTEGER)) || LSN_NONE;
}

/** The highest of what the links have begun to send, or undefined when there are none. */
export function begunByAny(begun: readonly Lsn[]): Lsn | undefined {
  return begun.length === 0 ? undefined : lsn(Math.max(...begun));
}
