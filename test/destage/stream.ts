import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DestinationBack } from '../../src/destage/destination-back.ts';
import type { SnapshotFacts, Snapshots } from '../../src/destage/snapshots.ts';
import type { WindowLimits } from '../../src/destage/window-plan.ts';
import type { CopyPoint } from '../../src/journal/copy-point.ts';
import { epoch, lsn, type EpochIdentity, type VolumeIndex } from '../../src/journal/ids.ts';
import { sealedName } from '../../src/journal/names.ts';
import {
  encodeRecord,
  encodeRecordInPlace,
  RECORD_HEADER_SIZE,
  RecordKind,
} from '../../src/journal/record.ts';
import { DIGEST_START } from '../../src/journal/segment/format.ts';
import { openSegment } from '../../src/journal/segment/reader.ts';
import { writeSegment } from '../support/segment-file.ts';
import { encodeCompare } from '../../src/journal/compare.ts';
import { encodeVerify, verifyDigest } from '../../src/journal/verify.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Files } from '../../src/platform/files.ts';
import type { Log } from '../../src/platform/log.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { nodeRandom } from '../../src/platform/node/random.ts';

const SEED = 0x5eed;
export const KEY = Buffer.alloc(32, 9);
export const VOLUME_SIZE = 64 * 1024;
/** Bytes of a piece of a compare record. */
export const COMPARED = 4096;

export type Step =
  | { readonly kind: 'attach'; readonly names: readonly string[] }
  | { readonly kind: 'resize'; readonly volume: number; readonly size: number }
  | {
      readonly kind: 'init-begin';
      readonly seed?: string;
      readonly resync?: string;
      readonly again?: true;
      readonly point?: CopyPoint;
    }
  | { readonly kind: 'init-end' }
  | { readonly kind: 'clock'; readonly time: number }
  | { readonly kind: 'write'; readonly volume: number; readonly offset: number; readonly fill: number }
  | { readonly kind: 'zero'; readonly volume: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'handover'; readonly epoch: EpochIdentity | null }
  | { readonly kind: 'marker'; readonly payload: unknown; readonly time?: number }
  | {
      readonly kind: 'verify';
      readonly volume: number;
      readonly offset: number;
      readonly length: number;
      readonly pass: number;
    }
  | { readonly kind: 'compare'; readonly volume: number; readonly window: number; readonly first: number };

export const write = (volume: number, offset: number, fill: number): Step => ({
  kind: 'write',
  volume,
  offset,
  fill,
});
export const verify = (volume: number, offset: number, length: number, pass = 1): Step => ({
  kind: 'verify',
  volume,
  offset,
  length,
  pass,
});
/** All of the volume. */
export const compare = (volume: number, window: number, first = 0): Step => ({
  kind: 'compare',
  volume,
  window,
  first,
});
export const marker = (kind: 'snapshot' | 'custom', name: string, id: string): Step => ({
  kind: 'marker',
  payload: { id, kind, name },
});

/** Where two sets of volumes differ is told; to print what is in them would take minutes. */
export function assertVolumes(actual: readonly Buffer[], expected: readonly Buffer[], of = ''): void {
  assert.equal(actual.length, expected.length, `volumes ${of}`);
  for (const [volume, bytes] of actual.entries()) {
    const other = expected[volume] ?? Buffer.alloc(0);
    const differs = bytes.equals(other) ? undefined : bytes.findIndex((byte, at) => byte !== other[at]);
    assert.equal(differs, undefined, `volume ${volume} differs at byte ${differs} ${of}`);
  }
}

/** A source's sealed segments, one after the other, made with the real codec. */
export class Stream {
  readonly #folder: string;
  readonly #key: Buffer | undefined;
  readonly #files: Files;
  #next = 1;
  #digest = DIGEST_START;
  /** Whether the next segments say that they may be applied as a whole only. */
  overwrittenDropped = false;
  /** What each volume holds at the end of the stream. */
  readonly volumes: Buffer[] = [Buffer.alloc(VOLUME_SIZE), Buffer.alloc(VOLUME_SIZE)];

  constructor(folder: string, key: Buffer | undefined = KEY, files: Files = nodeFiles) {
    this.#folder = folder;
    this.#key = key;
    this.#files = files;
    mkdirSync(folder, { recursive: true });
  }

  /** Seals the steps, one record each; returns the segment's path. */
  seal(...steps: readonly Step[]): string {
    const first = lsn(this.#next);
    const records = steps.map((step, i) => this.#encode(step, this.#next + i));
    this.#next += steps.length;
    const last = lsn(this.#next - 1);
    const digestBefore = this.#digest;
    this.#digest = createHash('sha256').update(digestBefore).update(Buffer.concat(records)).digest('hex');
    const path = join(this.#folder, sealedName({ epoch: epoch(1), first, last }));
    const facts = {
      group: { name: 'g', id: 'ab'.repeat(16) },
      epoch: { number: epoch(1), id: 'cd'.repeat(16) },
      ...{ first, last, digestBefore, digestAfter: this.#digest },
      ...{
        firstTime: 1_790_000_000_000,
        lastTime: 1_790_000_000_000 + last,
        overwrittenDropped: this.overwrittenDropped,
        recordSeed: SEED,
      },
    };
    const options = { key: this.#key, compression: 1, random: nodeRandom };
    writeSegment(this.#files, path, facts, records, 0, options);
    return path;
  }

  #encode(step: Step, at: number): Buffer {
    const base = { flags: 0, volume: 0 as VolumeIndex, lsn: lsn(at), offset: 0 };
    const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
    switch (step.kind) {
      case 'attach': {
        const volumes = step.names.map((name, index) => ({ index, name, size: VOLUME_SIZE }));
        return encodeRecord({ ...base, kind: RecordKind.attach }, json({ volumes }), SEED);
      }
      case 'resize': {
        const { volume, size } = step;
        this.volumes[volume] = Buffer.concat([this.volumes[volume]!], size);
        const header = { ...base, kind: RecordKind.resize, volume: volume as VolumeIndex, offset: size };
        return encodeRecord(header, Buffer.alloc(0), SEED);
      }
      case 'init-begin': {
        const { seed, resync, again, point } = step;
        return encodeRecord(
          { ...base, kind: RecordKind.initBegin },
          json({ seed, resync, again, point }),
          SEED,
        );
      }
      case 'clock':
        return encodeRecord({ ...base, kind: RecordKind.clock, offset: step.time }, Buffer.alloc(0), SEED);
      case 'init-end':
        return encodeRecord({ ...base, kind: RecordKind.initEnd }, json({}), SEED);
      case 'handover':
        return encodeRecord({ ...base, kind: RecordKind.handover }, json({ epoch: step.epoch }), SEED);
      case 'marker':
        return encodeRecord(
          { ...base, kind: RecordKind.marker, offset: step.time ?? 1_790_000_000_000 },
          json(step.payload),
          SEED,
        );
      case 'verify': {
        const { volume, offset, length, pass } = step;
        const content = this.volumes[volume]!.subarray(offset, offset + length);
        const digest = content.some((byte) => byte !== 0) ? verifyDigest(content) : undefined;
        const header = { ...base, kind: RecordKind.verify, volume: volume as VolumeIndex, offset };
        return encodeRecord(header, encodeVerify({ length, pass, digest }), SEED);
      }
      case 'compare': {
        const { volume, window, first } = step;
        const content = this.volumes[volume]!;
        const digests = Array.from({ length: VOLUME_SIZE / COMPARED }, (_, i) =>
          verifyDigest(content.subarray(i * COMPARED, (i + 1) * COMPARED)),
        );
        const payload = { length: VOLUME_SIZE, window: lsn(window), first, pieceSize: COMPARED, digests };
        const header = { ...base, kind: RecordKind.compare, volume: volume as VolumeIndex };
        return encodeRecord(header, encodeCompare(payload), SEED);
      }
      case 'write': {
        const data = Buffer.alloc(4096, step.fill);
        data.copy(this.volumes[step.volume]!, step.offset);
        const header = {
          ...base,
          kind: RecordKind.write,
          volume: step.volume as VolumeIndex,
          offset: step.offset,
        };
        return encodeRecord(header, data, SEED);
      }
      case 'zero': {
        this.volumes[step.volume]!.fill(0, step.offset, step.offset + step.length);
        const bytes = Buffer.alloc(RECORD_HEADER_SIZE);
        const { offset, length } = step;
        const header = { ...base, kind: RecordKind.zero, volume: step.volume as VolumeIndex, offset, length };
        encodeRecordInPlace(bytes, 0, header, SEED);
        return bytes;
      }
    }
  }
}

/** Real files, of which those that are to be removed soon are gone at once. */
const promptFiles: Files = { ...nodeFiles, removeLater: (path) => Promise.try(() => nodeFiles.remove(path)) };

/** Real files that are never waited for. */
export const unsyncedFiles: Files = {
  ...promptFiles,
  open: (path, mode) => Object.assign(nodeFiles.open(path, mode), { syncNow: () => undefined }),
  syncDirectory: () => undefined,
};

/** Copies of the volumes at each snapshot, taken for real; what was preserved is counted. */
export class TestSnapshots implements Snapshots {
  readonly taken = new Map<string, SnapshotFacts & { readonly content: readonly Buffer[] }>();
  creates = 0;
  preserved = 0;
  anticipated = 0;
  /** Ranges that were anticipated when the first were to be preserved, and were not among these. */
  ahead = 0;
  /** Calls. */
  preserves = 0;
  /** How many there may be. */
  limit = Number.POSITIVE_INFINITY;
  paths: readonly string[] = [];

  get isKeeping(): boolean {
    return this.taken.size > 0;
  }

  create(info: { id: string; name: string; lsn: SnapshotFacts['lsn']; time: number }): void {
    this.creates += 1;
    if (this.taken.has(info.id)) return;
    if (this.taken.size >= this.limit) {
      throw new OperatorError('SNAPSHOT_LIMIT', 'the store is full', { remedy: 'delete snapshots' });
    }
    this.taken.set(info.id, {
      ...info,
      kind: 'reflink',
      content: this.paths.map((path) => readFileSync(path)),
    });
  }

  list(): readonly SnapshotFacts[] {
    return [...this.taken.values()];
  }

  anticipate(ranges: readonly unknown[]): void {
    this.anticipated += ranges.length;
  }

  preserve(ranges: readonly unknown[]): void {
    if (this.preserves === 0) this.ahead = this.anticipated - ranges.length;
    this.preserved += ranges.length;
    this.preserves += 1;
  }

  leave(behind: SnapshotFacts['lsn']): void {
    for (const [id, taken] of this.taken)
      if (taken.lsn > behind) this.taken.set(id, { ...taken, apart: true });
  }

  delete(id: string): void {
    this.taken.delete(id);
  }

  tidy(): boolean {
    return false;
  }

  close(): void {
    // Kept across restarts, as a real store's files are.
  }
}

export const quiet: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A destination's folder and volumes, in which a back is started and started again. */
export class Site {
  readonly folder: string;
  readonly paths: ReadonlyMap<string, string>;
  readonly snapshots = new TestSnapshots();
  /** For the next start. */
  retain: WindowLimits | undefined;

  /** `volumes`: another place for the images; `names`: of those that are configured. */
  constructor(root: string, volumes = join(root, 'volumes'), names = ['a', 'b']) {
    this.folder = join(root, 'g');
    mkdirSync(volumes, { recursive: true });
    this.paths = new Map(names.map((name) => [name, join(volumes, `${name}.img`)]));
    this.snapshots.paths = [...this.paths.values()];
  }

  start(
    files: Files = promptFiles,
    key: Buffer | undefined = KEY,
    clock: Clock = nodeClock,
  ): DestinationBack {
    return new DestinationBack(files, clock, quiet, {
      groupName: 'g',
      folder: this.folder,
      paths: this.paths,
      key,
      openSegment: (path) => openSegment(files, path, key),
      openSnapshots: () => this.snapshots,
      retain: this.retain,
    });
  }

  /** As a transport does: `.part`, then the name. Returns the name. */
  deliver(path: string): string {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const target = join(this.folder, 'inbox', name);
    mkdirSync(join(this.folder, 'inbox'), { recursive: true });
    copyFileSync(path, `${target}.part`);
    renameSync(`${target}.part`, target);
    return name;
  }

  content(): Buffer[] {
    return [...this.paths.values()].map((path) => readFileSync(path));
  }
}
