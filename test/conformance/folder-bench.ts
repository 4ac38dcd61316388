import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCode } from '../../src/platform/errors.ts';
import type { Owner } from '../servers/small-folder.ts';
import type { TransportBench } from './transport-bench.ts';

export type FolderView = Pick<TransportBench, 'peek' | 'size' | 'plant' | 'shorten' | 'names'>;

/** A view of a group's folder that lies on this machine; what is planted belongs to `owner`. */
export function folderView(folder: string, owner: Owner): FolderView {
  return {
    peek: (name) => {
      try {
        return readFileSync(join(folder, name));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    size: (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0,
    plant: (name, content) => {
      const path = join(folder, name);
      if (!existsSync(dirname(path))) {
        mkdirSync(dirname(path));
        chownSync(dirname(path), owner.uid, owner.gid);
      }
      writeFileSync(path, content);
      chownSync(path, owner.uid, owner.gid);
    },
    shorten: (name, size) => truncateSync(join(folder, name), size),
    names: (name) => readdirSync(join(folder, name)),
  };
}
