/**
 * Brings the files of a seed into the volumes, a step at a time. Each is checked whole, against its drive's signed manifest,
 * before any of it is applied, and counts once what it holds is durable: whatever cuts it off, it is imported again.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { EpochIdentity, Lsn } from '../journal/ids.ts';
import { RegionBits } from '../journal/region-bits.ts';
import type { JournalRecord } from '../journal/record.ts';
import {
  manifestNames,
  readManifest,
  readManifestNamed,
  seedFileName,
  type SeedFileEntry,
  type SeedManifest,
} from '../journal/seed/manifest.ts';
import { openSeedFile, SEED_FILES_MAX } from '../journal/seed/seed-file.ts';
import { describeError, OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { readTwoCopies, writeTwoCopies } from '../platform/two-copy-file.ts';

const MIB = 1024 * 1024;
/** Bytes of a seed file that one step reads. */
const STEP_BYTES = 16 * MIB;
const READ_BYTES = 4 * MIB;

export interface SeedImportOptions {
  readonly groupName: string;
  /** The group's. */
  readonly folder: string;
  readonly key: Buffer | undefined;
}

/** Whom it must be for. */
export interface SeedExpectation {
  readonly seed: string;
  readonly groupId: string;
  readonly epoch: EpochIdentity | undefined;
}

export interface SeedTarget {
  /** Before each file. */
  readonly begin: () => void;
  readonly apply: (records: readonly JournalRecord[]) => void;
  /** All of the file is durable on return. */
  readonly sync: () => void;
}

/** What is imported of a seed. */
export interface SeedTally {
  readonly files: number;
  /** Undefined until the drive with the last file was seen. */
  readonly total: number | undefined;
  readonly whole: boolean;
}

/** What one drive brings. Bytes of its files. */
export interface SeedReading {
  readonly name: string;
  readonly done: number;
  readonly bytes: number;
}

const FILE = 'seed-import.json';
const count = z.number().int().nonnegative();
const schema = z.strictObject({
  version: z.literal(1),
  seed: z.string(),
  /** One bit a file, the lowest of the first byte file 1; hexadecimal. */
  files: z.string().length(SEED_FILES_MAX / 4),
  end: z.strictObject({ total: count, skipped: z.array(count) }).optional(),
});

export class SeedImport {
  readonly #files: Files;
  readonly #options: SeedImportOptions;
  #seed = '';
  #imported = new RegionBits(new Uint8Array(SEED_FILES_MAX / 8), SEED_FILES_MAX);
  #end: SeedManifest['end'];

  constructor(files: Files, options: SeedImportOptions) {
    this.#files = files;
    this.#options = options;
    const parsed = schema.safeParse(parseJson(readTwoCopies(files, join(options.folder, FILE))));
    // What cannot be read is imported again.
    if (!parsed.success) return;
    this.#seed = parsed.data.seed;
    this.#imported.bytes.set(Buffer.from(parsed.data.files, 'hex'));
    this.#end = parsed.data.end;
  }

  tally(seed: string): SeedTally {
    if (seed !== this.#seed) return { files: 0, total: undefined, whole: false };
    const { total, skipped = [] } = this.#end ?? {};
    const wanted = Array.from({ length: total ?? 0 }, (_, i) => i + 1).filter(
      (file) => !skipped.includes(file),
    );
    const whole = total !== undefined && wanted.every((file) => this.#has(file));
    return { files: this.#imported.marked(), total: total === undefined ? undefined : wanted.length, whole };
  }

  /** @throws OperatorError `SEED_NOT_FOUND`, `SEED_MANIFEST_INVALID`; the drive's errors */
  check(folder: string, seed: string | undefined): SeedManifest {
    const { groupName: group, key } = this.#options;
    const named =
      seed === undefined
        ? this.#anyManifest(folder)
        : readManifest(this.#files, folder, { group, seed, key });
    if (named !== undefined) return named;
    throw new OperatorError(
      'SEED_NOT_FOUND',
      `${folder} has no part of ${seed === undefined ? 'a seed' : `seed ${seed.slice(0, 8)}`} of group ${group}`,
      { remedy: 'name the folder that `blockferry seed export` wrote to' },
    );
  }

  /**
   * Imports what the folder has and is not here yet; a step each turn.
   * @throws OperatorError `SEED_FOREIGN`, `SEED_FILE_UNREADABLE`, `SEED_FILE_DAMAGED`, and as `SeedTarget` does
   */
  *run(folder: string, expected: SeedExpectation, target: SeedTarget): Generator<SeedReading, undefined> {
    const manifest = this.check(folder, expected.seed);
    checkIsFor(folder, manifest, expected);
    if (expected.seed !== this.#seed) {
      this.#seed = expected.seed;
      this.#imported = new RegionBits(new Uint8Array(SEED_FILES_MAX / 8), SEED_FILES_MAX);
      this.#end = undefined;
    }
    this.#end = manifest.end ?? this.#end;
    this.#note();
    const wanted = manifest.files
      .filter(({ number }) => !this.#has(number))
      .sort((a, b) => a.number - b.number);
    // Read twice: all of it is checked before any of it is applied.
    const bytes = 2 * wanted.reduce((sum, file) => sum + file.bytes, 0);
    let done = 0;
    for (const entry of wanted) {
      const name = seedFileName(manifest.group.name, manifest.seed, entry.number);
      const path = join(folder, name);
      for (const step of [
        () => this.#checkFile(path, entry),
        () => this.#applyFile(path, entry, manifest, target),
      ]) {
        for (const read of step()) {
          done += read;
          yield { name, done, bytes };
        }
      }
      target.sync();
      this.#imported.set(entry.number - 1, true);
      this.#note();
    }
  }

  #anyManifest(folder: string): SeedManifest | undefined {
    const { groupName: group, key } = this.#options;
    const [name] = manifestNames(this.#files.list(folder), group);
    return name === undefined ? undefined : readManifestNamed(this.#files, folder, { name, group, key });
  }

  *#checkFile(path: string, { bytes, sha256 }: SeedFileEntry): Generator<number, undefined> {
    const hash = createHash('sha256');
    const memory = Buffer.allocUnsafe(READ_BYTES);
    const file = readable(path, () => this.#files.open(path, 'read'));
    try {
      const size = readable(path, () => file.size());
      if (size !== bytes) throw damagedFile(path, `it has ${size} bytes; ${bytes} were written`);
      for (let at = 0; at < bytes;) {
        const stop = Math.min(bytes, at + STEP_BYTES);
        const from = at;
        while (at < stop) {
          const piece = memory.subarray(0, Math.min(READ_BYTES, stop - at));
          const length = readable(path, () => file.read(piece, at));
          if (length === 0) throw damagedFile(path, `it ends at ${at}`);
          hash.update(piece.subarray(0, length));
          at += length;
        }
        yield at - from;
      }
    } finally {
      file.close();
    }
    if (hash.digest('hex') !== sha256) throw damagedFile(path, 'its SHA-256 is not what the manifest says');
  }

  *#applyFile(
    path: string,
    { number }: SeedFileEntry,
    {
      group,
      epoch,
      seed,
      begun,
    }: { group: SeedManifest['group']; epoch: EpochIdentity; seed: string; begun: Lsn },
    target: SeedTarget,
  ): Generator<number, undefined> {
    const facts = { group, epoch, seed, begun, number };
    const reader = readable(path, () => openSeedFile(this.#files, path, this.#options.key, facts));
    try {
      target.begin();
      const share = reader.totals.fileBytes / Math.max(1, reader.totals.frames);
      const frames = reader.frames()[Symbol.iterator]();
      let [read, told] = [0, 0];
      for (;;) {
        const frame = readable(path, () => frames.next());
        if (frame.done === true) break;
        target.apply(frame.value);
        read += share;
        if (read - told < STEP_BYTES) continue;
        yield read - told;
        told = read;
      }
      yield read - told;
    } finally {
      reader.close();
    }
  }

  #has(file: number): boolean {
    return this.#imported.has(file - 1);
  }

  #note(): void {
    const files = Buffer.from(this.#imported.bytes).toString('hex');
    const text = JSON.stringify({ version: 1, seed: this.#seed, files, end: this.#end });
    writeTwoCopies(this.#files, join(this.#options.folder, FILE), Buffer.from(`${text}\n`, 'utf8'));
  }
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function checkIsFor(
  folder: string,
  { group, epoch }: SeedManifest,
  { groupId, epoch: ours }: SeedExpectation,
): void {
  if (group.id === groupId && epoch.number === ours?.number && epoch.id === ours.id) return;
  throw new OperatorError(
    'SEED_FOREIGN',
    `the seed in ${folder} is of another group that is also called ${group.name}, or of another epoch of it`,
    { remedy: 'see which source wrote it' },
  );
}

/** What the drive does not give is told with the file's name. */
function readable<R>(path: string, act: () => R): R {
  try {
    return act();
  } catch (error) {
    if (error instanceof OperatorError) throw damagedFile(path, describeError(error), error);
    throw new OperatorError('SEED_FILE_UNREADABLE', `${path} cannot be read: ${describeError(error)}`, {
      remedy: 'try the drive again, or another way to read it; what was imported of other files counts',
      cause: error,
    });
  }
}

function damagedFile(path: string, why: string, cause?: unknown): OperatorError {
  return new OperatorError('SEED_FILE_DAMAGED', `${path} is not what was written: ${why}`, {
    remedy: 'copy it again from where it is whole; else cancel the seed on both sides, and begin again',
    cause,
  });
}
