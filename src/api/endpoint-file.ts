/** Writes the endpoint file when the API can be reached, and takes it away when it no longer can. */
import { join } from 'node:path';
import { readSmallFile, replaceFile } from '../platform/atomic-file.ts';
import type { Files } from '../platform/files.ts';
import { ENDPOINT_FILE, type Endpoint } from './contract/endpoint.ts';
import { ENDPOINT_FILE_SIZE_MAX } from './contract/limits.ts';

const encode = (endpoint: Endpoint): Buffer => Buffer.from(`${JSON.stringify(endpoint)}\n`, 'utf8');

/** Whole or not there at any moment, readable by this user alone: new files of `Files` have mode 0600. */
export function writeEndpointFile(files: Files, stateFolder: string, endpoint: Endpoint): void {
  files.makeDirectory(stateFolder);
  replaceFile(files, join(stateFolder, ENDPOINT_FILE), encode(endpoint));
}

/** Only if it still is this daemon's: another one may have started meanwhile. */
export function removeEndpointFile(files: Files, stateFolder: string, endpoint: Endpoint): void {
  const path = join(stateFolder, ENDPOINT_FILE);
  const content = readSmallFile(files, path, ENDPOINT_FILE_SIZE_MAX);
  if (content?.equals(encode(endpoint)) === true) files.remove(path);
}
