import assert from 'node:assert/strict';
import { join } from 'node:path';
import { buildDestinationWorker } from '../../../src/daemon/build-threads.ts';
import type { DestinationWorker } from '../../../src/daemon/destination/destination-worker.ts';
import type { MountFacts } from '../../../src/daemon/snapshots/served-views.ts';
import type { HostVolume } from '../../../src/nbd/front-end.ts';
import { nodeClock } from '../../../src/platform/node/clock.ts';
import type { WantedPoint } from '../../../src/recovery/choose-point.ts';
import { KEY, quiet, Site, Stream, unsyncedFiles, type Step } from '../../destage/stream.ts';
import { temporaryFolder } from '../../support/folder.ts';

/** Bytes that a step writes. */
export const PIECE = 4096;
const DAY = 86_400_000;

/** A destination's thread, in this one, and what its volumes held at each record. */
export class Destination {
  readonly #site: Site;
  readonly stream: Stream;
  readonly retain = { time: DAY, size: 64 * PIECE };
  readonly past: (readonly Buffer[])[] = [];
  worker: DestinationWorker;
  /** What is served. */
  served: readonly HostVolume[] = [];

  constructor() {
    const root = temporaryFolder();
    this.stream = new Stream(join(root, 'source'), KEY, unsyncedFiles);
    this.#site = new Site(root);
    this.worker = this.#start();
  }

  async begin(): Promise<void> {
    await this.take({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' });
  }

  async take(...steps: readonly Step[]): Promise<string> {
    for (const step of steps) {
      if (step.kind === 'write')
        this.#change((volumes) => volumes[step.volume]!.fill(step.fill, step.offset, step.offset + PIECE));
      else if (step.kind === 'zero')
        this.#change((volumes) => volumes[step.volume]!.fill(0, step.offset, step.offset + step.length));
      else this.#change(() => undefined);
    }
    const path = this.stream.seal(...steps);
    assert.equal((await this.worker.receive([this.#site.deliver(path)])).taken, 1);
    await this.worker.applySome();
    return join(this.#site.folder, 'journal', path.slice(path.lastIndexOf('/') + 1));
  }

  async restart(): Promise<void> {
    await this.worker.close();
    this.worker = this.#start();
  }

  mount(point: WantedPoint): Promise<MountFacts> {
    return this.worker.mount(point, false);
  }

  /** Every volume of it, also of what its clients are told about holes. */
  content({ exports }: MountFacts): Buffer[] {
    return exports.map(({ name }) => {
      const volume = this.served.find((one) => one.name === name) ?? assert.fail();
      const content = Buffer.alloc(volume.size, 0xee);
      volume.read(0, content);
      let at = 0;
      for (const { length, kind } of volume.extents(0, volume.size, 1000)) {
        assert.ok(kind === 'data' || content.subarray(at, at + length).every((byte) => byte === 0));
        at += length;
      }
      assert.equal(at, volume.size);
      const part = Buffer.alloc(700);
      volume.read(PIECE - 300, part);
      assert.ok(part.equals(content.subarray(PIECE - 300, PIECE + 400)));
      return content;
    });
  }

  assertIs(mounted: MountFacts): void {
    const expected = this.past[mounted.lsn] ?? assert.fail(`no record ${mounted.lsn}`);
    for (const [number, content] of this.content(mounted).entries())
      assert.ok(content.equals(expected[number]!), `volume ${number} at LSN ${mounted.lsn}`);
  }

  #change(act: (volumes: Buffer[]) => void): void {
    const volumes = (this.past.at(-1) ?? [Buffer.alloc(64 * 1024), Buffer.alloc(64 * 1024)]).map((old) =>
      Buffer.from(old),
    );
    act(volumes);
    if (this.past.length === 0) this.past.push(volumes);
    this.past.push(volumes);
  }

  #start(): DestinationWorker {
    const { folder, paths } = this.#site;
    const options = {
      ...{ groupName: 'g', folder, paths, key: KEY, retain: this.retain },
      snapshotFolder: join(folder, 'snapshots'),
      views: {
        address: { kind: 'socket', path: '/nowhere' },
        connections: 1,
        scratch: { folder: join(folder, 'scratch'), size: 2 ** 20 },
      },
    } as const;
    return buildDestinationWorker({ clock: nodeClock, files: unsyncedFiles }, quiet, options, (volumes) => {
      this.served = volumes;
      return {
        listen: (address) => Promise.resolve(address),
        connectionsOf: () => 0,
        hangUp: () => undefined,
        close: () => Promise.resolve(),
      };
    });
  }
}
