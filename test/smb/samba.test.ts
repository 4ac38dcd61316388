/** The client against a real Samba: every operation, and a server in trouble. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chownSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SmbClient, type SmbClientOptions } from '../../src/smb/client.ts';
import { CIPHERS } from '../../src/smb/crypto/algorithms.ts';
import { SmbError } from '../../src/smb/errors.ts';
import type { SmbTree } from '../../src/smb/tree.ts';
import { SAMBA_OWNER, SambaServer } from '../servers/samba.ts';
import { MIB, optionsFor, refused, roundTrip, upload, using } from './bench.ts';

describe('SMB client and Samba', () => {
  let server: SambaServer;
  let options: SmbClientOptions;
  let client: SmbClient;
  before(async () => {
    server = await SambaServer.start();
    options = optionsFor(server);
    client = new SmbClient(options);
  });
  after(async () => {
    await client.close();
    await server.stop();
  });
  const local = (name: string): string => join(server.root, name);
  const plant = (name: string, content: string): void => {
    writeFileSync(local(name), content);
    chownSync(local(name), SAMBA_OWNER.uid, SAMBA_OWNER.gid);
  };
  const use = <T>(work: (tree: SmbTree) => Promise<T>): Promise<T> => client.use(work);

  for (const cipher of CIPHERS) {
    it(`encrypts with ${cipher} when told to`, async () => {
      await using({ ...options, encryption: 'required', ciphers: [cipher] }, async (tree) => {
        assert.equal(tree.session.negotiated.cipher, cipher);
        assert.ok(tree.session.encrypts);
        await roundTrip(tree, server, cipher, randomBytes(2 * MIB + 1));
      });
    });
  }

  it('encrypts on a share that wants it, and nothing else', async () => {
    await using({ ...options, share: 'encrypted' }, async (tree) => {
      assert.ok(!tree.session.encrypts);
      await roundTrip(tree, server, 'share-encrypted', randomBytes(1000));
    });
  });

  it('names what is wrong with a user, a password or a share', async () => {
    const connecting = (changes: Partial<SmbClientOptions>): Promise<unknown> =>
      using({ ...options, ...changes }, () => Promise.resolve());
    await refused('LOGON_FAILURE', connecting({ password: 'wrong' }));
    await refused('LOGON_FAILURE', connecting({ user: 'nobody-of-that-name' }));
    await refused('PASSWORD_EXPIRED', connecting({ user: server.users.expired }));
    await refused('ACCOUNT_RESTRICTED', connecting({ user: server.users.disabled }));
    await refused('SHARE_NOT_FOUND', connecting({ share: 'no-such-share' }));
    await refused('CONNECTION_LOST', connecting({ port: 1 }));
    await refused('CONNECTION_LOST', connecting({ host: 'no-such-host.invalid' }));
    const reading = using({ ...options, user: server.users.reader }, (tree) => tree.makeFolder('reader'));
    await refused('ACCESS_DENIED', reading);
  });

  it('does what it is told with names that are there, and that are not', async () => {
    await use(async (tree) => {
      await refused('NOT_FOUND', tree.open('new', { mode: 'write', disposition: 'open' }));
      const file = await tree.open('new', { mode: 'write', disposition: 'create' });
      await refused('EXISTS', tree.open('new', { mode: 'write', disposition: 'create' }));
      await file.close();
      await refused('NOT_FOUND', tree.open('no\\where', { mode: 'write', disposition: 'openOrCreate' }));
      await tree.makeFolder('folder');
      await tree.makeFolder('folder');
      await refused('NOT_FOUND', tree.makeFolder('no\\where'));
      await refused('IS_FOLDER', tree.open('folder', { mode: 'read', disposition: 'open' }));
      await refused('NOT_A_FOLDER', tree.list('new', { limit: 10 }));
      assert.deepEqual([await tree.hasFolder('folder'), await tree.hasFolder('absent')], [true, false]);
      await tree.remove('new');
      await refused('NOT_FOUND', tree.remove('new'));
      await refused('NOT_FOUND', tree.open('a/b', { mode: 'read', disposition: 'open' }));
    });
  });

  it('renames over a file only when told to, and deletes what was marked when it is closed', async () => {
    await use(async (tree) => {
      plant('from', 'new');
      plant('to', 'old');
      await refused('EXISTS', tree.rename('from', 'to', false));
      assert.equal(readFileSync(local('to'), 'utf8'), 'old');
      await tree.rename('from', 'to', true);
      assert.equal(readFileSync(local('to'), 'utf8'), 'new');
      const file = await tree.open('to', { mode: 'write', disposition: 'open' });
      await file.markDeleted();
      await file.close();
      assert.equal(statSync(local('to'), { throwIfNoEntry: false }), undefined);
    });
  });

  it('reads a part, up to the end, and nothing behind it; cuts and extends', async () => {
    await use(async (tree) => {
      const content = randomBytes(3 * MIB);
      await roundTrip(tree, server, 'sized', content);
      const file = await tree.open('sized', { mode: 'write', disposition: 'open' });
      assert.equal(file.openedSize, content.length);
      assert.ok((await file.read(MIB + 1, 100)).equals(content.subarray(MIB + 1, MIB + 101)));
      assert.ok((await file.read(content.length - 10, 2 * MIB)).equals(content.subarray(-10)));
      assert.equal((await file.read(content.length, 10)).length, 0);
      await file.setSize(10);
      assert.equal(await file.size(), 10);
      await file.setSize(5000 * MIB);
      await file.write(5000 * MIB - 1, Buffer.from('x'));
      await file.flush();
      assert.equal(await file.size(), 5000 * MIB);
      assert.equal((await file.read(5000 * MIB - 2, 10)).toString('hex'), '0078');
      await file.close();
      await tree.remove('sized');
    });
  });

  it('lists 10,000 names, page after page, and tells files, folders and links apart', async () => {
    await use(async (tree) => {
      await tree.makeFolder('many');
      const names = Array.from({ length: 10_000 }, (_, index) => `${index}-${'x'.repeat(index % 50)}`);
      for (const [index, name] of names.entries())
        writeFileSync(local(`many/${name}`), 'x'.repeat(index % 3));
      await tree.makeFolder('many\\folder');
      const listed = await tree.list('many', { limit: 10_001 });
      const files = new Map(listed.map((file) => [file.name, file]));
      assert.equal(listed.length, 10_001);
      assert.equal(files.size, 10_001);
      for (const [index, name] of names.entries()) assert.equal(files.get(name)?.size, index % 3);
      assert.equal(files.get('folder')?.kind, 'folder');
      await refused('TOO_LARGE', tree.list('many', { limit: 10_000 }));
    });
  });

  it('does not follow a link out of the share', async () => {
    symlinkSync('/etc/hostname', local('link'));
    await use(async (tree) => {
      await assert.rejects(tree.open('link', { mode: 'read', disposition: 'open' }), SmbError);
    });
  });

  it('does many things at once over one connection', async () => {
    await use(async (tree) => {
      const contents = Array.from({ length: 12 }, () => randomBytes(400_000));
      await Promise.all(
        contents.map((content, index) => roundTrip(tree, server, `at-once-${index}`, content)),
      );
    });
  });

  it('cancels a read, at once, and goes on with the rest over the same connection', async () => {
    await use(async (tree) => {
      await roundTrip(tree, server, 'cancelled', randomBytes(4 * MIB));
      const file = await tree.open('cancelled', { mode: 'read', disposition: 'open' });
      const cancel = new AbortController();
      const reading = file.read(0, 4 * MIB, cancel.signal);
      cancel.abort();
      await refused('CANCELLED', reading);
      assert.equal((await file.read(0, 4 * MIB)).length, 4 * MIB);
      await file.close();
      assert.equal(tree.session.connection.ended, undefined);
    });
  });

  it('knows of a killed server at once, and that all before the last acknowledged byte is there', async () => {
    const content = randomBytes(64 * MIB);
    let acknowledged = 0;
    const uploading = use(async (tree) => {
      const file = await tree.open('killed', { mode: 'write', disposition: 'openOrCreate' });
      await upload(file, content, (offset) => {
        if (acknowledged === 0) server.killSessions();
        acknowledged = offset;
      });
    });
    await refused('CONNECTION_LOST', uploading);
    assert.ok(acknowledged > 0 && acknowledged < content.length);
    const held = readFileSync(local('killed')).subarray(0, acknowledged);
    assert.ok(held.equals(content.subarray(0, acknowledged)));
    // A new session, and the file again.
    await use((tree) => roundTrip(tree, server, 'killed', content.subarray(0, MIB * 64)));
  });

  it('begins once more where a kept connection proves dead, and only then', async () => {
    let attempts = 0;
    await use((tree) => tree.hasFolder('folder'));
    // Asked at once, before this process can have seen the connection's end.
    server.killSessions();
    await use(async (tree) => {
      attempts += 1;
      await tree.hasFolder('folder');
    });
    assert.equal(attempts, 2);
    attempts = 0;
    const failing = use(async (tree) => {
      attempts += 1;
      await tree.hasFolder('folder');
      server.killSessions();
      for (;;) await tree.hasFolder('folder');
    });
    await refused('CONNECTION_LOST', failing);
    assert.equal(attempts, 1);
  });

  it('connects anew when the server has closed the share but not the connection', async () => {
    const other = new SmbClient(options);
    await other.use((tree) => tree.hasFolder('folder'));
    server.closeShare();
    let lost = 0;
    for (let round = 0; round < 200 && lost === 0; round++) {
      await other
        .use((tree) => tree.hasFolder('folder'))
        .catch((error: unknown) => {
          assert.ok(error instanceof SmbError && error.code === 'CONNECTION_LOST', String(error));
          lost += 1;
        });
    }
    assert.equal(lost, 1, 'nobody noticed');
    assert.ok(await other.use((tree) => tree.hasFolder('folder')));
    await other.close();
  });

  it('gives up connecting at once when it is closed, or when who asked changes his mind', async () => {
    server.freeze();
    const waiting = new SmbClient(options);
    const cancel = new AbortController();
    const asked = refused(
      'CANCELLED',
      waiting.use((tree) => tree.hasFolder('folder'), cancel.signal),
    );
    const other = refused(
      'CANCELLED',
      waiting.use((tree) => tree.hasFolder('folder')),
    );
    cancel.abort();
    await asked;
    await waiting.close();
    await other;
    server.thaw();
    assert.ok(await waiting.use((tree) => tree.hasFolder('folder')));
    await waiting.close();
  });

  it('says TIMEOUT of a frozen server, and works when it thaws', async () => {
    const patient = new SmbClient({ ...options, timeout: 2_000 });
    await patient.use((tree) => tree.hasFolder('folder'));
    server.freeze();
    await refused(
      'TIMEOUT',
      patient.use((tree) => tree.hasFolder('folder')),
    );
    // The kernel still takes connections for it.
    await refused(
      'TIMEOUT',
      patient.use((tree) => tree.hasFolder('folder')),
    );
    server.thaw();
    assert.ok(await patient.use((tree) => tree.hasFolder('folder')));
    await patient.close();
  });

  it('rejects what is under way when it is closed, and can be used again', async () => {
    const busy = use(async (tree) => {
      for (;;) await tree.hasFolder('folder');
    });
    const seen = refused('CANCELLED', busy);
    await use((tree) => tree.hasFolder('folder'));
    await client.close();
    await seen;
    assert.ok(await use((tree) => tree.hasFolder('folder')));
  });
});
