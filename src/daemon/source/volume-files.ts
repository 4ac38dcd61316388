/**
 * Whether a source's image files are those that they were. An empty one in the place of one that was lost holds zeros: served,
 * it would be replicated as if they were the data.
 */
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { PlacedVolume } from './source-volumes.ts';

export interface VolumeFile {
  readonly name: string;
  readonly identity: string;
}

/** Of those that are image files: a device's place tells nothing of it. */
export function volumeFilesOf(
  files: Pick<Files, 'stat'>,
  volumes: readonly Pick<PlacedVolume, 'name' | 'path'>[],
): VolumeFile[] {
  return volumes.flatMap(({ name, path }) => {
    const stat = files.stat(path);
    return stat?.kind === 'file' ? [{ name, identity: stat.identity }] : [];
  });
}

/**
 * `before`: as they were noted; those that the journal has no record of yet are left out.
 * @throws OperatorError `VOLUME_EMPTY` another file is there, and nothing was ever written to it
 */
export function refuseEmptied(
  files: Pick<Files, 'stat' | 'open'>,
  volumes: readonly Pick<PlacedVolume, 'name' | 'path'>[],
  before: readonly VolumeFile[],
): void {
  for (const { name, identity } of volumeFilesOf(files, volumes)) {
    const noted = before.find((file) => file.name === name);
    if (noted === undefined || noted.identity === identity) continue;
    const { path } = volumes.find((volume) => volume.name === name) ?? { path: '' };
    if (isEmpty(files, path)) throw emptied(name, path);
  }
}

/** That is, all of it is a hole. */
export function isEmpty(files: Pick<Files, 'open'>, path: string): boolean {
  const file = files.open(path, 'read');
  try {
    return file.nextData(0) === undefined;
  } finally {
    file.close();
  }
}

function emptied(name: string, path: string): OperatorError {
  return new OperatorError(
    'VOLUME_EMPTY',
    `volume ${name} (${path}) is another file than before, to which nothing was written: what hosts wrote is not in it`,
    {
      remedy:
        'put the right one there. If it is lost, `blockferry failover` at the destination, move the group’s folder away here, start, and `blockferry rejoin`: what was not sent is lost. If it was all zeros before, too, write some to it: `dd if=/dev/zero bs=4096 count=1 conv=notrunc of=` its path',
    },
  );
}
