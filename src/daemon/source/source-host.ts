/** The host thread's object: a group's engine with the NBD server in front of it, as the main thread calls it. */
import {
  GroupHost,
  type GroupHostOptions,
  type GroupHostStatus,
  type PlacedMarker,
} from '../../capture/group-host.ts';
import type { AskedWindow, EqualRange, WindowOutcome } from '../../capture/comparing-copy.ts';
import type { MarkedVolume } from '../../capture/change-map.ts';
import type { HostVolume } from '../../nbd/front-end.ts';
import type { NbdAddress } from '../../nbd/server.ts';
import type { PointEnd, PointPiece } from '../../capture/point-copier.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import type { HandoverPayload } from '../../journal/handover.ts';
import type { Lsn, VolumeIndex } from '../../journal/ids.ts';
import type { MendRange, PatrolOrder } from '../../capture/patrol.ts';
import { Rewriter } from '../../capture/rewriter.ts';
import type { MarkerPayload } from '../../journal/record.ts';
import type { Platform } from '../../platform/platform.ts';
import type { NbdConfig } from '../../config/config.ts';
import { assert } from '../../platform/errors.ts';
import { HandedVolume } from './handed-volume.ts';

export interface SourceHostOptions {
  readonly group: GroupHostOptions;
  readonly nbd: NbdConfig;
}

export type Emit = (name: string, ...args: readonly unknown[]) => void;

/** What hosts connect to. */
export interface HostServer {
  listen(address: NbdAddress): Promise<unknown>;
  connections(): number;
  close(): Promise<void>;
}

export class SourceHost {
  readonly #platform: Platform;
  readonly #emit: Emit;
  #host: GroupHost;
  #serves = false;
  readonly #volumes: readonly HandedVolume[];
  readonly #server: HostServer;
  readonly #nbd: NbdConfig;
  #rewriter: Rewriter;

  constructor(
    platform: Platform,
    options: SourceHostOptions,
    emit: Emit,
    serve: (volumes: readonly HostVolume[]) => HostServer,
  ) {
    this.#platform = platform;
    this.#emit = emit;
    this.#nbd = options.nbd;
    this.#host = this.#build(options.group);
    this.#volumes = this.#host.volumes.map((volume) => new HandedVolume(volume));
    this.#server = serve(this.#volumes);
    this.#rewriter = this.#rewriterOf(options.group);
  }

  /** Hosts may come. */
  async listen(): Promise<void> {
    if (this.#nbd.socket !== undefined) await this.#server.listen({ kind: 'socket', path: this.#nbd.socket });
    if (this.#nbd.tcp !== undefined) await this.#server.listen({ kind: 'tcp', ...this.#nbd.tcp });
    this.#serves = true;
  }

  /** Hosts are let go, and nobody comes any more. */
  stopServing(): Promise<void> {
    this.#serves = false;
    return this.#server.close();
  }

  handOver(payload: HandoverPayload): Promise<Lsn> {
    return this.#host.handOver(payload);
  }

  setResync(id: string): Promise<void> {
    this.#host.setResync(id);
    return Promise.resolve();
  }

  /**
   * What hosts write waits from now on, and what they wrote is durable when this resolves; they stay connected, and read.
   * @throws OperatorError `JOURNAL_FAILED`
   */
  async hold(): Promise<void> {
    for (const volume of this.#volumes) volume.hold();
    await this.#host.retire();
  }

  /** Another engine takes over, as after a restart; hosts are held until `letGo`. @throws what building it throws */
  resume(group: GroupHostOptions): Promise<void> {
    const before = this.#host;
    this.#host = this.#build(group);
    for (const volume of this.#volumes) {
      const inner = this.#host.volumes.find(({ name }) => name === volume.name);
      assert(inner !== undefined, `volume ${volume.name} is one of the group's`);
      volume.handTo(inner);
    }
    this.#rewriter = this.#rewriterOf(group);
    before.stop();
    return Promise.resolve();
  }

  /** What hosts write is taken, or refused, again. */
  letGo(): Promise<void> {
    for (const volume of this.#volumes) volume.letGo();
    return Promise.resolve();
  }

  attach(): Promise<void> {
    return this.#host.attach();
  }

  grow(index: VolumeIndex, from: number, size: number): Promise<void> {
    return this.#host.grow(index, from, size);
  }

  offer(index: VolumeIndex, size: number): Promise<void> {
    this.#host.offer(index, size);
    return Promise.resolve();
  }

  beginCopy(seed?: string): Promise<Lsn | undefined> {
    return this.#host.beginCopy(seed);
  }

  copy(marked: readonly MarkedVolume[]): Promise<void> {
    this.#host.copy(marked);
    return Promise.resolve();
  }

  compare(marked: readonly MarkedVolume[]): Promise<AskedWindow | undefined> {
    return this.#host.compare(marked);
  }

  answerWindow(outcome: WindowOutcome): Promise<readonly EqualRange[]> {
    return Promise.resolve(this.#host.windows.answer(outcome));
  }

  nextWindow(window: Lsn): Promise<AskedWindow | undefined> {
    return this.#host.windows.next(window);
  }

  stopCopy(): Promise<void> {
    this.#host.stopCopy();
    return Promise.resolve();
  }

  /** The `pointCut` event tells it, before the segment that ends with it is closed. */
  cutPoint(): Promise<void> {
    return this.#host.points.cut();
  }

  beginPoint(point: CopyPoint): Promise<Lsn | undefined> {
    return this.#host.points.begin(point);
  }

  appendPoint(begin: Lsn, pieces: readonly PointPiece[]): Promise<boolean> {
    return this.#host.points.append(begin, pieces);
  }

  endPoint(begin: Lsn, marker?: MarkerPayload & { readonly time: number }): Promise<PointEnd | undefined> {
    return this.#host.points.end(begin, marker);
  }

  /** Nobody else writes meanwhile. False: it was stopped. @throws HostError */
  rewrite(pieces: readonly PointPiece[]): Promise<boolean> {
    return this.#rewriter.write(pieces);
  }

  /** All that there is is durable and on its way into the volumes; the last record. @throws OperatorError `JOURNAL_FAILED` */
  closeSegment(): Promise<Lsn> {
    return this.#rewriter.close();
  }

  /** Nothing more is rewritten. */
  stopRewriting(): Promise<void> {
    this.#rewriter.stop();
    return Promise.resolve();
  }

  limitCopy(bytes: number): Promise<void> {
    this.#host.limitCopy(bytes);
    return Promise.resolve();
  }

  refuse(reason: { readonly code: 'ENOSPC' | 'EIO'; readonly message: string } | undefined): Promise<void> {
    this.#host.refuse(reason);
    return Promise.resolve();
  }

  patrol(order: PatrolOrder | undefined): Promise<void> {
    this.#host.patrol(order);
    return Promise.resolve();
  }

  mend(range: MendRange): Promise<void> {
    this.#host.mend(range);
    return Promise.resolve();
  }

  placeMarker(marker: MarkerPayload): Promise<PlacedMarker> {
    return this.#host.placeMarker(marker);
  }

  destaged(generation: number): Promise<void> {
    this.#host.destaged(generation);
    return Promise.resolve();
  }

  release(path: string): Promise<void> {
    this.#host.release(path);
    return Promise.resolve();
  }

  /** `serves`: hosts are let in. */
  status(): Promise<GroupHostStatus & { readonly connections: number; readonly serves: boolean }> {
    const [connections, serves] = [this.#server.connections(), this.#serves];
    return Promise.resolve({ ...this.#host.status(), connections, serves });
  }

  /** Hosts are let go, and what they wrote is closed and durable, unless the journal has failed or has no room; the last record. */
  async drain(): Promise<Lsn> {
    await this.stopServing();
    await this.#host.drain();
    return this.#host.status().lsn;
  }

  stop(): Promise<void> {
    this.#rewriter.stop();
    this.#host.stop();
    return Promise.resolve();
  }

  #rewriterOf({ volumes }: GroupHostOptions): Rewriter {
    const indexed = this.#host.volumes.flatMap((volume) =>
      volumes.flatMap(({ index, name }) => (name === volume.name ? [[index, volume] as const] : [])),
    );
    return new Rewriter(this.#platform.clock, this.#host, new Map(indexed));
  }

  #build(group: GroupHostOptions): GroupHost {
    const emit = this.#emit;
    return new GroupHost(this.#platform, group, {
      onClosed: (raw, generation) => emit('closed', raw, generation),
      onCopied: (end) => emit('copied', end),
      onCopyTrouble: (message) => emit('copyTrouble', message),
      onPoint: (point) => emit('pointCut', point),
      onPatrol: (progress) => emit('patrolled', progress),
      onMended: (range, lsn) => emit('mended', range, lsn),
      onPatrolTrouble: (message) => emit('patrolTrouble', message),
      onFailed: (message, remedy) => emit('failed', message, remedy),
    });
  }
}
