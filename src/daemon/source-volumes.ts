import { dirname } from 'node:path';
import type { VolumeConfig } from '../config/config.ts';
import type { AttachedVolume, VolumeIndex } from '../journal/ids.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';

const SECTOR = 512;

export interface PlacedVolume {
  readonly index: VolumeIndex;
  readonly name: string;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * A source's volumes with the indexes they have in its journal; one keeps the index it once got. An image file that is
 * not there yet is made, sparse, when its size is given. `known`: volumes that the journal has records of.
 * @throws OperatorError `VOLUME_MISSING` one that held data is gone, `VOLUME_SIZE`
 */
export function placeVolumes(
  files: Files,
  volumes: readonly VolumeConfig[],
  known: readonly AttachedVolume[],
): PlacedVolume[] {
  let unused = Math.max(-1, ...known.map((volume) => volume.index)) + 1;
  return volumes.map((volume) => {
    const before = known.find(({ name }) => name === volume.name);
    const size = sizeOf(files, volume, before !== undefined);
    return {
      index: before?.index ?? (unused++ as VolumeIndex),
      name: volume.name,
      path: volume.path,
      size,
    };
  });
}

function sizeOf(files: Files, { name, path, size: wanted }: VolumeConfig, held: boolean): number {
  const stat = files.stat(path);
  if (stat === undefined && held) {
    throw new OperatorError('VOLUME_MISSING', `volume ${name} (${path}) is not there, and it held data`, {
      remedy: 'mount or restore it; an empty one in its place would be replicated as such',
    });
  }
  // One of no length is what a crash left of making it.
  const empty = stat === undefined || (stat.kind === 'file' && stat.size === 0);
  const made = empty && !held && wanted !== undefined;
  if (made) makeImage(files, path, wanted);
  const size = made ? wanted : stat?.size;
  if (size === undefined || size < SECTOR || size % SECTOR !== 0 || size !== (wanted ?? size)) {
    const what = size === undefined ? 'is not there' : `has ${size} bytes`;
    throw new OperatorError('VOLUME_SIZE', `volume ${name} (${path}) ${what}`, {
      remedy: 'a volume is as large as the configuration says and consists of sectors of 512 bytes',
    });
  }
  return size;
}

function makeImage(files: Files, path: string, size: number): void {
  const file = files.open(path, 'create');
  try {
    file.truncate(size);
    file.syncNow();
  } finally {
    file.close();
  }
  // Without its name, what is destaged into it is lost with it in a power cut (I6).
  files.syncDirectory(dirname(path));
}
