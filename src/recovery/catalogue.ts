/**
 * The list of a store's snapshots, `catalogue.json` in its folder: a snapshot exists if and only if it has an entry here.
 * Replaced atomically (I6). The first one is written when the store is first opened, before anything is kept, so that
 * kept data without a catalogue is known to be a loss and not a beginning.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { VOLUMES_PER_GROUP_MAX, type Lsn } from '../journal/ids.ts';
import { readSmallFile, replaceFile } from '../platform/atomic-file.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { whyInvalid } from '../platform/invalid.ts';
import type { SnapshotInfo } from './snapshot-store.ts';

export const SNAPSHOTS_MAX = 4096;
/** Bytes. */
export const CATALOGUE_SIZE_MAX = 64 * 1024 * 1024;
export const CATALOGUE_FILE = 'catalogue.json';

export interface CatalogueEntry extends Omit<SnapshotInfo, 'kind' | 'apart'> {
  readonly volumes: readonly CatalogueVolume[];
  /** Copy-on-write: bytes of its chunk file that count, once it has been ended; 0: it was found damaged. */
  readonly kept?: number | undefined;
  readonly apart?: true | undefined;
  /** Copy-on-write: the snapshot is no more; its entry is, as long as an older one may need what it kept. */
  readonly deleted?: true | undefined;
}

export interface CatalogueVolume {
  readonly name: string;
  /** Bytes, when the snapshot was made. */
  readonly size: number;
  /** Reflink: the clone. */
  readonly path?: string | undefined;
}

interface CatalogueContent {
  readonly kind: SnapshotInfo['kind'];
  /** Names what the store keeps outside its folder; 16 hexadecimal digits. */
  readonly store: string;
  /** In the order in which they were made, which is the order that copy-on-write reads by. */
  readonly snapshots: readonly CatalogueEntry[];
  /** Ids whose data nobody needs and whose files may still be there. */
  readonly removing: readonly string[];
}

const id = z.string().regex(/^[0-9a-f]{32}$/);
const count = z.number().int().nonnegative();

const contentSchema = z.strictObject({
  version: z.literal(2),
  kind: z.enum(['reflink', 'copy-on-write']),
  store: z.string().regex(/^[0-9a-f]{16}$/),
  snapshots: z
    .array(
      z.strictObject({
        id,
        name: z.string(),
        lsn: count.transform((value) => value as Lsn),
        time: count,
        volumes: z
          .array(z.strictObject({ name: z.string().min(1), size: count, path: z.string().optional() }))
          .max(VOLUMES_PER_GROUP_MAX),
        kept: count.optional(),
        deleted: z.literal(true).optional(),
        apart: z.literal(true).optional(),
      }),
    )
    .max(SNAPSHOTS_MAX)
    .refine(
      (entries) => new Set(entries.map((entry) => entry.id)).size === entries.length,
      'two snapshots have one id',
    ),
  removing: z.array(id).max(SNAPSHOTS_MAX),
});

export class Catalogue {
  readonly #files: Files;
  readonly #path: string;
  #content: CatalogueContent;
  /** Whether the file on disk may say something else than `#content`. */
  #unsettled = false;

  private constructor(files: Files, path: string, content: CatalogueContent) {
    this.#files = files;
    this.#path = path;
    this.#content = content;
  }

  /** Undefined when there is none. @throws OperatorError `SNAPSHOT_CATALOGUE_DAMAGED` */
  static read(files: Files, folder: string): Catalogue | undefined {
    const path = join(folder, CATALOGUE_FILE);
    try {
      const bytes = readSmallFile(files, path, CATALOGUE_SIZE_MAX);
      if (bytes === undefined) return undefined;
      return new Catalogue(files, path, contentSchema.parse(JSON.parse(bytes.toString('utf8'))));
    } catch (error) {
      if (error instanceof z.ZodError) throw damaged(path, whyInvalid(error), error);
      if (error instanceof SyntaxError || error instanceof RangeError)
        throw damaged(path, error.message, error);
      throw error;
    }
  }

  /** A store without snapshots; `decide` writes it. */
  static empty(files: Files, folder: string): Catalogue {
    const store = createHash('sha256').update(folder).digest('hex').slice(0, 16);
    const catalogue = new Catalogue(files, join(folder, CATALOGUE_FILE), {
      kind: 'copy-on-write',
      store,
      snapshots: [],
      removing: [],
    });
    catalogue.#unsettled = true;
    return catalogue;
  }

  get kind(): SnapshotInfo['kind'] {
    return this.#content.kind;
  }

  get store(): string {
    return this.#content.store;
  }

  get entries(): readonly CatalogueEntry[] {
    return this.#content.snapshots;
  }

  /** Ids whose files are to be removed, should they still be there. */
  get removing(): readonly string[] {
    return this.#content.removing;
  }

  /** Also one that was deleted, as long as what it kept is there. */
  has(id: string): boolean {
    return this.entries.some((entry) => entry.id === id);
  }

  /** Oldest LSN first. */
  list(): SnapshotInfo[] {
    return this.entries
      .filter((entry) => entry.deleted === undefined)
      .map(({ id, name, lsn, time, apart }) => {
        return { id, name, lsn, time, kind: this.kind, ...(apart === undefined ? {} : { apart }) };
      })
      .sort((a, b) => a.lsn - b.lsn);
  }

  /** The kind of a store without snapshots. Durable on return. */
  decide(kind: SnapshotInfo['kind']): void {
    if (!this.#unsettled && kind === this.kind) return;
    this.#replace({ ...this.#content, kind });
  }

  /** @throws OperatorError `SNAPSHOT_LIMIT` when no further snapshot may be added */
  checkRoom(): void {
    if (this.entries.length < SNAPSHOTS_MAX) return;
    throw limit(`${this.#path} lists ${SNAPSHOTS_MAX} snapshots, which is the most a store may hold`);
  }

  /** Durable on return. `ended`: the chunk file that this snapshot ends, and what counts of it. */
  add(entry: CatalogueEntry, ended?: { readonly id: string; readonly kept: number }): void {
    this.checkRoom();
    const before = this.entries.map((other) =>
      other.id === ended?.id ? { ...other, kept: ended.kept } : other,
    );
    this.#replace({ ...this.#content, snapshots: [...before, entry] });
  }

  /** Changes fields of entries, by their ids; all of it or nothing. Durable on return. */
  change(changes: Readonly<Record<string, Partial<CatalogueEntry>>>): void {
    const snapshots = this.entries.map((entry) => ({ ...entry, ...changes[entry.id] }));
    this.#replace({ ...this.#content, snapshots });
  }

  /** What lies behind this record is apart. Durable on return. */
  leave(behind: Lsn): void {
    const left = this.entries.filter(({ lsn, apart }) => lsn > behind && apart === undefined);
    if (left.length > 0) this.change(Object.fromEntries(left.map(({ id }) => [id, { apart: true }])));
  }

  /** The entries of these ids go; their files are `removing` until `removed` is called. Durable on return. */
  remove(ids: readonly string[]): void {
    this.#replace({
      ...this.#content,
      snapshots: this.entries.filter((entry) => !ids.includes(entry.id)),
      removing: [...this.removing, ...ids],
    });
  }

  /** The files of all that was removed are gone, durably. */
  removed(): void {
    if (this.removing.length > 0) this.#replace({ ...this.#content, removing: [] });
  }

  /**
   * Puts the file in order after a failed replacement, which may or may not have shown the new entry. To be called before
   * anything that depends on which snapshot is the newest.
   */
  settle(): void {
    if (this.#unsettled) this.#replace(this.#content);
  }

  #replace(content: CatalogueContent): void {
    const bytes = Buffer.from(`${JSON.stringify({ version: 2, ...content }, undefined, 1)}\n`, 'utf8');
    if (bytes.length > CATALOGUE_SIZE_MAX) throw limit(`${this.#path} would have ${bytes.length} bytes`);
    this.#unsettled = true;
    replaceFile(this.#files, this.#path, bytes);
    this.#unsettled = false;
    this.#content = content;
  }
}

function damaged(path: string, why: string, cause: unknown): OperatorError {
  return new OperatorError(
    'SNAPSHOT_CATALOGUE_DAMAGED',
    `the snapshot catalogue ${path} cannot be read: ${why}`,
    {
      remedy:
        'to go on without the snapshots made so far, move the folder that it is in away; a backup of the file serves only when no snapshot was made after it',
      cause,
    },
  );
}

function limit(message: string): OperatorError {
  return new OperatorError('SNAPSHOT_LIMIT', message, {
    remedy: 'delete snapshots that are no longer needed; work goes on by itself',
    retryable: true,
  });
}
