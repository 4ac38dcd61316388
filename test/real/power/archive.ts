/** Every segment that the source ever sent, and what the volumes hold at the end of each: the history that all must show. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseSealedName } from '../../../src/journal/names.ts';
import { RecordKind, type JournalRecord } from '../../../src/journal/record.ts';
import { DIGEST_START } from '../../../src/journal/segment/format.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';

export interface ArchivedSegment {
  readonly name: string;
  readonly path: string;
  readonly first: number;
  readonly last: number;
}

export class Archive {
  /** In order, from the first record on. */
  readonly segments: readonly ArchivedSegment[];
  /** LSN at the end of a segment → the journal's running digest there. */
  readonly digests = new Map<number, string>([[0, DIGEST_START]]);
  readonly #hashes = new Map<number, string>();

  /** `volumes`: bytes of each, by index. @throws Error when the segments do not follow each other */
  constructor(folder: string, key: Buffer, volumes: readonly number[]) {
    const content = volumes.map((size) => Buffer.alloc(size));
    this.segments = readdirSync(folder)
      .flatMap((name) => {
        const range = parseSealedName(name);
        return range === undefined ? [] : [{ name, path: join(folder, name), ...range }];
      })
      .sort((a, b) => a.first - b.first);
    let last = 0;
    for (const segment of this.segments) {
      const reader = openSegment(nodeFiles, segment.path, key);
      if (segment.first !== last + 1 || reader.header.digestBefore !== this.digests.get(last))
        throw new Error(`${segment.name} does not follow record ${last}`);
      for (const frame of reader.frames()) for (const record of frame) apply(content, record);
      reader.close();
      last = segment.last;
      this.digests.set(last, reader.header.digestAfter);
      this.#hashes.set(last, hashOf(content));
    }
  }

  get last(): number {
    return this.segments.at(-1)?.last ?? 0;
  }

  /** Of all volumes at the end of a segment. */
  hashAt(lsn: number): string | undefined {
    return this.#hashes.get(lsn);
  }
}

export function hashOf(volumes: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const volume of volumes) hash.update(volume);
  return hash.digest('hex');
}

function apply(volumes: readonly Buffer[], { kind, volume, offset, length, payload }: JournalRecord): void {
  if (kind === RecordKind.write) payload.copy(volumes[volume] ?? Buffer.alloc(0), offset);
  else if (kind === RecordKind.zero) volumes[volume]?.fill(0, offset, offset + length);
}
