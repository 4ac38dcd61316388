/** How fast received segments are applied: checked, decrypted, what a snapshot needs kept first (I7), and durable at the end. */
import { createHash, randomBytes, randomFillSync, randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DestinationBack } from '../../../src/destage/destination-back.ts';
import { epoch, lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import { INBOX_FOLDER, sealedName } from '../../../src/journal/names.ts';
import { encodeRecord, RecordKind } from '../../../src/journal/record.ts';
import { DIGEST_START } from '../../../src/journal/segment/format.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { writeSegment } from '../../../test/support/segment-file.ts';
import { nodeClock } from '../../../src/platform/node/clock.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { nodeRandom } from '../../../src/platform/node/random.ts';
import { openSnapshotStore } from '../../../src/recovery/open-store.ts';
import { silentLog } from '../../../test/support/silent-log.ts';
import type { Figure, Measured, Setting } from '../figure.ts';
import { copyImage, makeImage } from '../image.ts';
import { run } from '../programs.ts';
import { inTurns, ratioOf, seconds } from '../turns.ts';

const MIB = 1024 * 1024;
const SEGMENT = 8 * MIB;
const SEED = 0x5eed;

const ROWS = [
  { name: 'destage of 4 KiB writes at random', length: 4096, run: 1, must: 0.15, aim: 0.3 },
  // A record holds 256 KiB at most: four of them behind each other are such a write.
  { name: 'destage of 1 MiB writes', length: 256 * 1024, run: 4, must: 0.5, aim: 0.9 },
] as const;

export const destage: Figure = {
  names: ROWS.map(({ name }) => name),
  async measure(setting, wanted) {
    const measured: Measured[] = [];
    for (const row of ROWS.filter(({ name }) => wanted.includes(name)))
      measured.push(await measureRow(row, setting));
    return measured;
  },
};

async function measureRow(row: (typeof ROWS)[number], setting: Setting): Promise<Measured> {
  const size = (setting.quick ? 256 : 4096) * MIB;
  const bytes = (setting.quick ? 64 : 512) * MIB;
  const folder = mkdtempSync(join(setting.folder, 'destage-'));
  const [image, copy, data] = ['image.raw', 'copy.raw', 'data'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  makeImage(image, size);
  copyImage(image, copy);
  makeImage(data, bytes);
  const site = new Site(folder, image, size);
  try {
    await site.begin();
    const speed = async (act: () => Promise<unknown>): Promise<number> => bytes / 1e6 / (await seconds(act));
    const { ours, dd } = await inTurns(
      {
        ours: async () => {
          await site.receive(bytes, row);
          return speed(() => site.apply());
        },
        dd: () => speed(() => run('dd', `if=${data}`, `of=${copy}`, 'bs=1M', 'conv=notrunc,fdatasync')),
      },
      { rounds: setting.rounds, warm: !setting.quick },
    );
    const { name, must, aim } = row;
    return {
      ...{ name, unit: 'MB/s', ours, peer: { name: 'dd', values: dd } },
      ...{ ratio: ratioOf(ours, dd), must, aim },
    };
  } finally {
    await site.end();
    rmSync(folder, { recursive: true });
  }
}

/** A destination's thread, and a source that feeds it. */
class Site {
  readonly #folder: string;
  readonly #size: number;
  readonly #back: DestinationBack;
  readonly #key = randomBytes(32);
  #next = 1;
  #digest = DIGEST_START;
  #snapshots = 0;

  constructor(root: string, image: string, size: number) {
    const folder = (this.#folder = join(root, 'g'));
    const key = this.#key;
    this.#size = size;
    mkdirSync(join(folder, INBOX_FOLDER), { recursive: true });
    this.#back = new DestinationBack(nodeFiles, nodeClock, silentLog, {
      ...{ groupName: 'g', folder, key, retain: undefined },
      paths: new Map([['disk', image]]),
      openSegment: (path) => openSegment(nodeFiles, path, key),
      openSnapshots: (volumes) =>
        openSnapshotStore(nodeFiles, silentLog, { folder: join(root, 'snapshots'), volumes }),
    });
  }

  async begin(): Promise<void> {
    const volumes = [{ index: 0, name: 'disk', size: this.#size }];
    await this.#deliver([
      this.#encode(RecordKind.attach, 0, Buffer.from(JSON.stringify({ volumes }))),
      this.#encode(RecordKind.initBegin, 0, Buffer.from('{}')),
      this.#encode(RecordKind.initEnd, 0, Buffer.from('{}')),
    ]);
    await this.apply();
  }

  /** Writes of so many bytes in all, behind a snapshot that is to be kept. */
  async receive(
    bytes: number,
    { length, run: count }: { readonly length: number; readonly run: number },
  ): Promise<void> {
    if (this.#snapshots > 0) await this.#back.deleteSnapshot(String(this.#snapshots).padStart(32, '0'));
    this.#snapshots += 1;
    const id = String(this.#snapshots).padStart(32, '0');
    await this.#back.createSnapshot({ id, name: `round ${this.#snapshots}` });
    while (await this.#back.tidySnapshots());
    for (let done = 0; done < bytes; done += SEGMENT) {
      const records: Buffer[] = [];
      for (let inside = 0; inside < SEGMENT; inside += length * count) {
        const offset = randomInt(this.#size / (length * count)) * length * count;
        for (let i = 0; i < count; i += 1) {
          const payload = randomFillSync(Buffer.alloc(length));
          records.push(this.#encode(RecordKind.write, offset + i * length, payload));
        }
      }
      await this.#deliver(records);
    }
  }

  /** Everything that was received; durable on return. */
  async apply(): Promise<void> {
    while ((await this.#back.applySome()).state.applied < this.#next - 1);
  }

  async end(): Promise<void> {
    await this.#back.close();
  }

  #encode(kind: RecordKind, offset: number, payload: Buffer): Buffer {
    const header = { kind, flags: 0, volume: 0 as VolumeIndex, lsn: lsn(this.#next), offset };
    this.#next += 1;
    return encodeRecord(header, payload, SEED);
  }

  async #deliver(records: readonly Buffer[]): Promise<void> {
    const [first, last] = [lsn(this.#next - records.length), lsn(this.#next - 1)];
    const digestBefore = this.#digest;
    const digest = createHash('sha256').update(digestBefore);
    for (const record of records) digest.update(record);
    this.#digest = digest.digest('hex');
    const now = nodeClock.now();
    const facts = {
      group: { name: 'g', id: 'ab'.repeat(16) },
      epoch: { number: epoch(1), id: 'cd'.repeat(16) },
      ...{ first, last, digestBefore, digestAfter: this.#digest },
      ...{ firstTime: now, lastTime: now, overwrittenDropped: false, recordSeed: SEED },
    };
    const name = sealedName({ epoch: epoch(1), first, last });
    const options = { key: this.#key, compression: 1, random: nodeRandom };
    writeSegment(nodeFiles, join(this.#folder, INBOX_FOLDER, name), facts, records, 0, options);
    const { refused } = await this.#back.receive([name]);
    if (refused !== undefined) throw new Error(`segment ${name}: ${refused.reason}`);
  }
}
