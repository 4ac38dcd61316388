import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Debian's folder of libraries, below `/usr` or `/`. */
export const LIBRARIES = `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/** Where tools/fetch-servers.sh put the servers. */
const cache =
  process.env.BLOCKFERRY_TEST_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'blockferry-test');

/** A file of a fetched package. @throws Error naming the command to run, when it is not there: nothing is skipped */
export function fetched(packageName: string, path: string): string {
  const file = join(cache, packageName, path);
  if (!existsSync(file)) throw new Error(`${file} is not there; run tools/fetch-servers.sh first`);
  return file;
}

/** For LD_LIBRARY_PATH: the fetched libraries. */
export function libraryPath(): string {
  return readdirSync(cache)
    .filter((name) => name.startsWith('lib') && !name.includes('_'))
    .flatMap((name) => ['usr', '.'].map((folder) => join(cache, name, folder, LIBRARIES)))
    .join(':');
}
