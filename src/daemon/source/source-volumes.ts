import type { VolumeConfig } from '../../config/config.ts';
import type { VolumeIndex } from '../../journal/ids.ts';
import type { GroupFile } from '../../journal/source-files.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { makeImage } from '../../volume/image-file.ts';

const SECTOR = 512;

export interface PlacedVolume {
  readonly index: VolumeIndex;
  readonly name: string;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What the journal says that it has, where a resize to `size` was begun and not finished. */
  readonly grewFrom?: number | undefined;
}

/**
 * A source's volumes with the indexes they have in its journal; one keeps the index it once got. An image file that is
 * not there yet is made, sparse, when its size is given. `known`: volumes that the journal has records of.
 * `growing`: a resize that was begun; where the file did not get its size, it is as if it had not been.
 * @throws OperatorError `VOLUME_MISSING` one that held data is gone, `VOLUME_SIZE`
 */
export function placeVolumes(
  files: Files,
  volumes: readonly VolumeConfig[],
  { volumes: known, growing }: Pick<GroupFile, 'volumes' | 'growing'>,
): PlacedVolume[] {
  let unused = Math.max(-1, ...known.map((volume) => volume.index)) + 1;
  return volumes.map((volume) => {
    const before = known.find(({ name }) => name === volume.name);
    const size = sizeOf(files, volume, before?.size);
    const isGrowing = before !== undefined && growing?.index === before.index && growing.size === size;
    return {
      index: before?.index ?? (unused++ as VolumeIndex),
      name: volume.name,
      path: volume.path,
      size,
      ...(isGrowing && size > before.size ? { grewFrom: before.size } : {}),
    };
  });
}

/** `held`: bytes of one that held data, which it has still. The size that is wanted is that of one that is made. */
function sizeOf(files: Files, { name, path, size: wanted }: VolumeConfig, held: number | undefined): number {
  const stat = files.stat(path);
  if (stat === undefined && held !== undefined) {
    throw new OperatorError('VOLUME_MISSING', `volume ${name} (${path}) is not there, and it held data`, {
      remedy:
        'mount it. If it is lost, `blockferry failover` at the destination, move the group’s folder away here, start, and `blockferry rejoin`: what was not sent is lost, and an empty one in its place would be replicated as such',
    });
  }
  // One of no length, or of the right one, may be what a crash left of making it.
  const canBeMade = stat === undefined || (stat.kind === 'file' && [0, wanted].includes(stat.size));
  const made = canBeMade && held === undefined && wanted !== undefined;
  if (made) makeImage(files, path, wanted);
  const size = made ? wanted : stat?.size;
  const least = Math.max(SECTOR, held ?? wanted ?? 0, wanted ?? 0);
  const most = held === undefined ? (wanted ?? Infinity) : Infinity;
  if (size === undefined || size < least || size > most || size % SECTOR !== 0) {
    const what = size === undefined ? 'is not there' : `has ${size} bytes instead of ${least}`;
    throw new OperatorError('VOLUME_SIZE', `volume ${name} (${path}) ${what}`, {
      remedy:
        'a volume is at first as large as the configuration says, and grows by `blockferry volume resize`; it never shrinks, and consists of sectors of 512 bytes',
    });
  }
  return size;
}
