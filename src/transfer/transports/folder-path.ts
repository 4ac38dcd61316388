/** Where the files of a group lie below its folder. Pure. */
import path, { type PlatformPath } from 'node:path';
import { parseName } from './names.ts';

export interface FilePlace {
  /** The folder that it lies in. */
  readonly directory: string;
  readonly path: string;
}

/**
 * `root` is a local folder, a mounted share or a UNC path (`\\server\share\group`, `\\?\UNC\server\share\group`).
 * @throws TransportError `BadName`
 */
export function filePlace(root: string, name: string, rules: PlatformPath = path): FilePlace {
  const { folder, file } = parseName(name);
  const directory = rules.join(root, folder ?? '');
  return { directory, path: rules.join(directory, file) };
}
