/** The small vocabulary of tests of the SMB client against a real Samba. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SmbClient, type SmbClientOptions } from '../../src/smb/client.ts';
import { SmbError, type SmbErrorCode } from '../../src/smb/errors.ts';
import type { SmbFile } from '../../src/smb/file.ts';
import type { SmbTree } from '../../src/smb/tree.ts';
import type { SambaServer } from '../servers/samba.ts';

export const MIB = 1 << 20;

export function optionsFor(server: SambaServer): SmbClientOptions {
  return {
    host: '127.0.0.1',
    port: server.port,
    share: server.share,
    user: server.users.writer,
    password: server.password,
    domain: '',
    timeout: 60_000,
    encryption: 'when-demanded',
  };
}

/** Does `work` with a client of its own. */
export async function using<T>(options: SmbClientOptions, work: (tree: SmbTree) => Promise<T>): Promise<T> {
  const client = new SmbClient(options);
  try {
    return await client.use(work);
  } finally {
    await client.close();
  }
}

export async function refused(code: SmbErrorCode, work: Promise<unknown>): Promise<SmbError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof SmbError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`it should have been refused with ${code}`);
}

/** Puts a file there, whole, and reads it back. */
export async function roundTrip(
  tree: SmbTree,
  server: SambaServer,
  name: string,
  content: Buffer,
): Promise<void> {
  const file = await tree.open(name, { mode: 'write', disposition: 'openOrCreate' });
  await upload(file, content);
  assert.ok(
    (await file.read(0, content.length + 1)).equals(content),
    'it reads otherwise than it was written',
  );
  await file.close();
  assert.ok(
    readFileSync(join(server.root, name)).equals(content),
    'it lies there otherwise than it was written',
  );
}

export async function upload(
  file: SmbFile,
  content: Buffer,
  onAcknowledged?: (offset: number) => void,
): Promise<void> {
  const fill = (buffer: Buffer, offset: number): Promise<number> =>
    Promise.resolve(content.copy(buffer, 0, offset));
  await file.upload({
    from: 0,
    to: content.length,
    fill,
    ...(onAcknowledged === undefined ? {} : { onAcknowledged }),
  });
}
