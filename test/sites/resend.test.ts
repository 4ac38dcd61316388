import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FtpServer } from '../servers/ftp-server.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;

describe('two sites with an FTP server between them', () => {
  let server: FtpServer;
  let pair: SitePair;

  before(async () => {
    server = await FtpServer.start('vsftpd', { tls: 'none' });
    const folder = temporaryFolder();
    // The server's folder is the destination's group folder.
    mkdirSync(join(folder, 'destination/buffer'), { recursive: true });
    symlinkSync(server.groupFolder, join(folder, 'destination/buffer/g'));
    pair = new SitePair({
      folder,
      volumes: { a: 16 * MIB, b: 16 * MIB },
      segment: '{ size: 1 MiB, age: 300 ms }',
      transport: `        ftp: { host: 127.0.0.1, port: ${server.port}, user: ${server.user}, password-file: ../password, path: '${server.groupPath}', tls: none }`,
    });
    writeFileSync(join(folder, 'password'), server.password, { mode: 0o600 });
  });

  after(async () => {
    await pair.stopAll();
    await server.stop();
  });

  const inbox = (): string[] =>
    readdirSync(join(server.groupFolder, 'inbox'))
      .filter((name) => name.endsWith('.seg'))
      .sort();

  const sourceLog = (): string => readFileSync(pair.path('source', 'log.jsonl'), 'utf8');

  /** Segment name → times that the source sent it. */
  function sendings(): Map<string, number> {
    const names = [...sourceLog().matchAll(/link to second: segment (\S+\.seg) sent/g)].map(
      (match) => match[1] ?? '',
    );
    return new Map(names.map((name) => [name, names.filter((other) => other === name).length]));
  }

  /** What the source writes now lies in the inbox, all of it, as nobody is there to take it in. */
  async function fillInbox(): Promise<string[]> {
    await pair.stop('destination');
    const hosts = ['a', 'b'].map((volume, i) =>
      new StampedHost(i + 1, { start: 0, length: 16 * MIB }).run({ path: pair.socket }, volume, 400),
    );
    assert.deepEqual(await Promise.all(hosts), [true, true]);
    await pair.until('sending', async () => {
      const { checkpoint, lsn, streams } = await pair.source();
      const names = inbox();
      return checkpoint === lsn && names.length >= 6 && names.length === streams[0]?.backlogSegments;
    });
    return inbox();
  }

  it('get what was damaged in the inbox sent again without anybody’s help, that and nothing else, and are equal (I4)', async () => {
    await pair.start('destination');
    await pair.start('source');
    await pair.inStep();
    const names = await fillInbox();
    // Behind the last there is nothing to show that it is missing: it is asked for because it was refused.
    const [changed, cut] = [names[1], names.at(-1)];
    assert.ok(changed !== undefined && cut !== undefined);
    const bytes = readFileSync(join(server.groupFolder, 'inbox', changed));
    bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
    writeFileSync(join(server.groupFolder, 'inbox', changed), bytes);
    truncateSync(join(server.groupFolder, 'inbox', cut), 2000);

    await pair.start('destination');
    await pair.inStep();
    const status = await pair.destination();
    assert.deepEqual([status.setAside, status.missing, status.waits], [2, [], []]);
    const aside = readdirSync(join(server.groupFolder, 'set-aside'));
    for (const name of [changed, cut]) {
      const reason = aside.find((entry) => entry.endsWith(`${name}.reason.txt`)) ?? '';
      assert.match(
        readFileSync(join(server.groupFolder, 'set-aside', reason), 'utf8'),
        /DAMAGED|CUT|TRUNCATED/,
      );
    }
    assert.doesNotMatch(
      sourceLog(),
      /gone from the destination's inbox/,
      'it was told, and did not have to look',
    );
    const times = sendings();
    for (const name of names) assert.equal(times.get(name), name === changed || name === cut ? 2 : 1, name);
    assert.equal(await pair.stop('source'), 0);
    assert.equal(await pair.stop('destination'), 0);
    for (const name of ['a', 'b']) {
      const source = readFileSync(pair.volume('source', name));
      assert.ok(source.equals(readFileSync(pair.volume('destination', name))), name);
    }
  });
});
