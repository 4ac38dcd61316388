/** Starts a source's recovery on what a power failure left of its buffer and volumes, and says what is not as it must be. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RAWS_SURE } from '../../../src/capture/raw-pool.ts';
import { GroupHost } from '../../../src/capture/group-host.ts';
import { buildSourceBack } from '../../../src/daemon/build-threads.ts';
import type { SealedFile } from '../../../src/daemon/source-back/sealed-file.ts';
import type { SourceBack } from '../../../src/daemon/source-back/source-back.ts';
import type { SourceBackOptions } from '../../../src/daemon/source-back/source-back-facts.ts';
import type { VolumeIndex } from '../../../src/journal/ids.ts';
import { lsn } from '../../../src/journal/ids.ts';
import type { ClosedRaw } from '../../../src/journal/raw-segment.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { readGroupFile, type GroupFile, type SourceCheckpoint } from '../../../src/journal/source-files.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { nodePlatform } from '../../../src/platform/node/platform.ts';
import { noMounts } from '../../support/no-mounts.ts';
import { silentLog } from '../../support/silent-log.ts';
import { WriteHistory } from '../write-history.ts';
import { highest, type Note } from './device-log.ts';
import { KEY, SEGMENT, VOLUMES, type RecordingRun } from './record.ts';

/** `buffer`: where the replayed file system is mounted. `notes`: what was known before the power failed. */
export async function checkSource(
  buffer: string,
  run: RecordingRun,
  notes: readonly Note[],
): Promise<string[]> {
  const source = await RecoveredSource.start(buffer);
  try {
    const wrong = source.checkHosts(run, notes);
    const { checkpoint, sealed } = await source.destage();
    const last = lsn(source.last);
    if (checkpoint.applied !== last || checkpoint.digested !== last)
      wrong.push(`the journal ends at ${last}, and is destaged up to ${checkpoint.applied}`);
    wrong.push(...source.checkVolumes(), ...checkShipped(run, notes, checkpoint, sealed));
    return wrong;
  } finally {
    await source.close();
  }
}

type PlacedVolume = SourceBackOptions['volumes'][number];

class RecoveredSource {
  readonly #back: SourceBack;
  readonly #host: GroupHost;
  readonly #closed: { readonly raw: ClosedRaw; readonly generation: number }[] = [];
  readonly #volumes: readonly PlacedVolume[];
  readonly last: number;
  /** As hosts read them before anything was destaged. */
  readonly #content: readonly Buffer[];

  private constructor(
    folder: string,
    identity: GroupFile,
    volumes: readonly PlacedVolume[],
    back: SourceBack,
    { applied, digested }: SourceCheckpoint,
  ) {
    this.#back = back;
    this.#volumes = volumes;
    const done = lsn(Math.min(applied, digested));
    const { epoch } = identity;
    this.#host = new GroupHost(
      nodePlatform,
      {
        name: 'g',
        folder,
        segmentSize: SEGMENT.size,
        segmentAge: SEGMENT.age,
        rawsMax: RAWS_SURE,
        epoch,
        volumes,
        done,
      },
      {
        onClosed: (raw, generation) => this.#closed.push({ raw, generation }),
        onCopied: () => undefined,
        onCopyTrouble: () => undefined,
        onPoint: () => undefined,
        onPatrol: () => undefined,
        onMended: () => undefined,
        onPatrolTrouble: () => undefined,
        onFailed: (message) => {
          throw new Error(message);
        },
      },
    );
    this.last = this.#host.status().lsn;
    this.#content = this.#host.volumes.map((volume) => {
      const content = Buffer.alloc(volume.size);
      volume.read(0, content);
      return content;
    });
  }

  /** As the daemon does it. */
  static async start(buffer: string): Promise<RecoveredSource> {
    const folder = join(buffer, 'g');
    const identity = readGroupFile(nodeFiles, folder);
    if (identity === undefined) throw new Error('group.json is not there');
    const volumes = Object.entries(VOLUMES).map(([name, size], index) => {
      return { index: index as VolumeIndex, name, size, path: join(buffer, 'volumes', `${name}.raw`) };
    });
    const group = { name: 'g', id: identity.id };
    const options = {
      ...{ folder, group, epoch: identity.epoch, key: KEY, volumes },
      ...{ compression: 1, dropOverwritten: false, snapshots: undefined, initialCopy: 'send' as const },
    };
    const back = buildSourceBack(nodePlatform, silentLog, options, noMounts);
    const { checkpoint } = await back.open();
    return new RecoveredSource(folder, identity, volumes, back, checkpoint);
  }

  /** I1, I6: every flushed write, and of each host no later one without those before it. */
  checkHosts({ hosts }: RecordingRun, notes: readonly Note[]): string[] {
    return hosts.flatMap(({ host, moments }, i) => {
      const flushed = Math.max(
        0,
        ...notes.map((note) => (note.kind === 'flushed' && note.host === i ? note.writes : 0)),
      );
      const volume = this.#volumes.findIndex(({ name }) => name === host.options.volume);
      const region = host.regionOf(this.#content[volume] ?? Buffer.alloc(0));
      const moment = host.history.momentOf(region, WriteHistory.notBefore(moments, flushed));
      if (moment !== undefined) return [];
      return [`host ${i + 1} does not find its ${flushed} flushed writes, in order (I1, I6)`];
    });
  }

  async destage(): Promise<{ checkpoint: SourceCheckpoint; sealed: readonly SealedFile[] }> {
    for (const { raw, generation } of this.#closed) {
      await this.#back.seal([raw], true);
      await this.#back.apply(raw);
      this.#host.destaged(generation);
      this.#host.release(raw.path);
    }
    return this.#back.open();
  }

  /** Destaging changes nothing that hosts see. */
  checkVolumes(): string[] {
    return this.#volumes.flatMap(({ name, path }, i) =>
      readFileSync(path).equals(this.#content[i] ?? Buffer.alloc(0))
        ? []
        : [`volume ${name} is not what its hosts read before it was destaged`],
    );
  }

  async close(): Promise<void> {
    this.#host.stop();
    await this.#back.close();
  }
}

/** I2: what was sent is there, the same; I5: what the destination has not confirmed is there to be sent. */
function checkShipped(
  { archive }: RecordingRun,
  notes: readonly Note[],
  checkpoint: SourceCheckpoint,
  sealed: readonly SealedFile[],
): string[] {
  const wrong: string[] = [];
  const [shipped, heard] = [highest(notes, 'shipped'), highest(notes, 'heard')];
  if (checkpoint.digested < shipped)
    wrong.push(`records up to ${shipped} were sent, and the journal ends at ${checkpoint.digested} (I2)`);
  const same = (at: number, digest: string): void => {
    const sent = at <= shipped ? archive.digests.get(at) : undefined;
    if (sent !== undefined && sent !== digest)
      wrong.push(`the history up to record ${at} is not what was sent (I2, I4)`);
  };
  same(checkpoint.digested, checkpoint.digest);
  let next: number = heard + 1;
  for (const { path, range } of sealed) {
    const reader = openSegment(nodeFiles, path, KEY);
    reader.verify();
    same(range.first - 1, reader.header.digestBefore);
    same(range.last, reader.header.digestAfter);
    reader.close();
    if (range.first <= next) next = Math.max(next, range.last + 1);
  }
  if (next <= checkpoint.shipped)
    wrong.push(`record ${next} is neither confirmed nor there to be sent, up to ${checkpoint.shipped} (I5)`);
  return wrong;
}
