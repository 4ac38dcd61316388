/**
 * `markers.json` in the group's folder: the newest markers that a destination has passed, so that the states at them are found by
 * their names. Nothing rests on it: what cannot be written is not found.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { lsn, type Lsn } from '../journal/ids.ts';
import { replaceFile, readSmallFile } from '../platform/atomic-file.ts';
import { describeError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { shortList } from '../platform/invalid.ts';
import type { Log } from '../platform/log.ts';

const FILE = 'markers.json';
const MARKERS_MAX = 1000;
const SIZE_MAX = 1024 * 1024;

const markerSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string().max(255),
  lsn: z.int().nonnegative().transform(lsn),
  /** The source's clock, milliseconds since 1970. */
  time: z.int().nonnegative(),
});
export type PassedMarker = z.infer<typeof markerSchema>;

const schema = z.strictObject({ version: z.literal(1), markers: shortList(markerSchema, MARKERS_MAX) });

export class PassedMarkers {
  readonly #files: Files;
  readonly #log: Log;
  readonly #path: string;
  #markers: readonly PassedMarker[];

  /** `folder`: the group's. */
  constructor(files: Files, log: Log, folder: string) {
    this.#files = files;
    this.#log = log;
    this.#path = join(folder, FILE);
    this.#markers = this.#read();
  }

  /** In their order. */
  list(): readonly PassedMarker[] {
    return this.#markers;
  }

  /** Again after a crash, it has no effect. */
  note(marker: PassedMarker): void {
    if (this.#markers.some(({ id }) => id === marker.id)) return;
    this.#keep([...this.#markers, marker].slice(-MARKERS_MAX));
  }

  /** What follows this record is another history from now on. */
  leave(fork: Lsn): void {
    const shared = this.#markers.filter((marker) => marker.lsn <= fork);
    if (shared.length < this.#markers.length) this.#keep(shared);
  }

  #keep(markers: readonly PassedMarker[]): void {
    this.#markers = markers;
    try {
      replaceFile(this.#files, this.#path, Buffer.from(JSON.stringify({ version: 1, markers }), 'utf8'));
    } catch (error) {
      this.#log.warn(`the markers that were passed cannot be noted: ${describeError(error)}`);
    }
  }

  #read(): readonly PassedMarker[] {
    try {
      const bytes = readSmallFile(this.#files, this.#path, SIZE_MAX);
      return bytes === undefined ? [] : schema.parse(JSON.parse(bytes.toString('utf8'))).markers;
    } catch (error) {
      this.#log.warn(`${this.#path} cannot be read, and begins anew: ${describeError(error)}`);
      return [];
    }
  }
}
