/** A whole source group in one process, on a disk in memory: host path, sealing and destaging, and what decides. */
import { RAW_MARGIN } from '../../../src/capture/journal-writer.ts';
import type { SourceThreadOptions } from '../../../src/daemon/build-threads.ts';
import type { SourceGroupOptions } from '../../../src/daemon/source/source-group.ts';
import type { CopyPoint } from '../../../src/journal/copy-point.ts';
import type { Lsn, VolumeIndex } from '../../../src/journal/ids.ts';
import { freshDisk, VOLUME_SIZE } from '../../capture/engine.ts';
import { EPOCH } from '../../capture/journal.ts';
import type { MemoryDisk } from '../../recovery/memory-disk.ts';
import { TamperedFiles } from '../../support/tampered-files.ts';
import { InProcessSource } from './in-process-source.ts';

const FOLDER = '/group';
const SEGMENT_SIZE = 64 * 1024;
export const SEGMENT_BYTES_MAX = SEGMENT_SIZE + RAW_MARGIN;

const VOLUMES = ['a', 'b'].map((name, i) => ({
  index: i as VolumeIndex,
  name,
  path: `/volumes/${name}`,
  size: VOLUME_SIZE,
}));

const BACK: SourceThreadOptions = {
  folder: FOLDER,
  group: { name: 'g', id: '34'.repeat(16) },
  epoch: EPOCH,
  key: undefined,
  compression: 0,
  dropOverwritten: false,
  snapshots: undefined,
  initialCopy: 'send',
  volumes: VOLUMES,
};

/** The disk, and the LSN that everything is done up to, of an earlier one. */
interface Left {
  readonly disk: MemoryDisk;
  readonly done: Lsn;
  /** Where it keeps its own. */
  readonly snapshots?: SourceThreadOptions['snapshots'];
}

export class SourceSite extends InProcessSource {
  readonly disk: MemoryDisk;
  readonly files: TamperedFiles;
  /** What hosts saw at each point that was cut. */
  readonly atPoints = new Map<Lsn, readonly Buffer[]>();
  #fill = 0;

  /** In journal mode, what it brought over confirmed. Of the group's options the quota and what happens when it is full count. */
  static async start(options: Partial<SourceGroupOptions> = {}, left?: Left): Promise<SourceSite> {
    const site = await SourceSite.startFresh(options, left);
    await site.comeInStep();
    return site;
  }

  static async startFresh(
    options: Partial<SourceGroupOptions> = {},
    left: Left = freshDisk(),
  ): Promise<SourceSite> {
    const site = new SourceSite(left, new TamperedFiles(left.disk));
    await site.begin(options);
    return site;
  }

  private constructor({ disk, done, snapshots }: Left, files: TamperedFiles) {
    super({ files, back: { ...BACK, snapshots }, segmentSize: SEGMENT_SIZE, done });
    this.disk = disk;
    this.files = files;
  }

  protected override pointCut(point: CopyPoint): void {
    this.atPoints.set(point.lsn, [this.seen('a'), this.seen('b')]);
    super.pointCut(point);
  }

  /** 32 KiB of something new, half a segment. @throws HostError */
  write(name: string, offset = ((this.#fill + 1) % 8) * 32 * 1024): void {
    this.#fill = (this.#fill + 1) % 255;
    this.writeData(name, offset, Buffer.alloc(32 * 1024, this.#fill + 1));
  }

  /** Writes so many segments' worth, or until there is no room or they are refused; says which. */
  async fill(segments: number): Promise<'taken' | 'no room' | 'refused'> {
    for (let i = 0; i < 2 * segments; i += 1) {
      if (this.volume('a').room() !== undefined) {
        await this.clock.pass(1500);
        if (this.volume('a').room() !== undefined) return 'no room';
      }
      try {
        this.write(i % 2 === 0 ? 'a' : 'b');
      } catch {
        return 'refused';
      }
      await this.clock.pass(50);
    }
    await this.clock.pass(1500);
    return 'taken';
  }

  /** Sealed segments on the disk. */
  segments(): string[] {
    return this.disk.list(`${FOLDER}/journal`).filter((name) => name.endsWith('.seg'));
  }

  content(name: string): Buffer {
    const file = this.disk.open(`/volumes/${name}`, 'read');
    const content = Buffer.alloc(file.size());
    file.read(content, 0);
    return content;
  }

  seen(name: string): Buffer {
    const content = Buffer.alloc(VOLUME_SIZE);
    this.volume(name).read(0, content);
    return content;
  }
}
