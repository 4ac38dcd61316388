/** What the receiver lets the other side do where this side keeps a depot, out of which that one fetches. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STATUS_SIZE_MAX } from '../../../src/journal/status.ts';
import type { Transport } from '../../../src/transfer/transport.ts';
import { FtpTransport } from '../../../src/transfer/transports/ftp.ts';
import { content, MIB, PASSWORD, segmentName, startSite, USER, type Site } from './fixture.ts';
import { RawClient } from './raw-client.ts';

const name = segmentName();
const never = new AbortController().signal;

describe('the depot behind the receiver', () => {
  let site: Site;
  let client: RawClient;
  let transport: Transport;

  beforeEach(async () => {
    // I8: the answer is taken though the quota is used up.
    site = await startSite({ stream: { quota: () => 0, folder: mkdtempSync(join(tmpdir(), 'receiver-')) } });
    client = await RawClient.loggedIn(site);
    const options = { host: '127.0.0.1', port: site.port, user: USER, password: PASSWORD, path: '/' };
    const trust = { tls: 'none', certificateAuthority: undefined, fingerprint: undefined } as const;
    transport = new FtpTransport({ ...options, ...trust, timeout: 60_000, connections: 2 });
  });
  afterEach(async () => {
    await transport.close();
    await client.close();
    await site.stop();
  });

  const path = (...parts: string[]): string => join(site.folder, ...parts);
  const makeDepot = (): void => {
    for (const folder of ['outbox', 'outbox-status']) mkdirSync(path(folder));
  };

  async function expect(replies: Record<string, RegExp>): Promise<void> {
    for (const [command, answer] of Object.entries(replies))
      assert.match(await client.command(command), answer, command);
  }

  it('gives segments out, resumed too, lets them be removed, and takes the answer as a whole', async () => {
    makeDepot();
    const segment = content(3 * MIB);
    writeFileSync(path('outbox', name), segment);
    writeFileSync(path('outbox', `${segmentName(11)}.part`), 'still being put there');
    assert.deepEqual(await transport.list('outbox', never), [{ name, size: segment.length }]);
    const target = { path: path('got'), size: segment.length };
    writeFileSync(target.path, segment.subarray(0, 2 * MIB));
    await transport.get(`outbox/${name}`, target, { signal: never });
    assert.ok(readFileSync(target.path).equals(segment));
    const answer = 'outbox-status/destination.json';
    for (const text of ['{"received":0}', '{"received":10}']) {
      writeFileSync(path('answer'), text);
      await transport.put({ path: path('answer'), size: text.length }, answer, { signal: never });
      assert.equal(readFileSync(path(answer), 'latin1'), text);
      assert.equal((await transport.readSmall(answer, 100, never))?.toString(), text);
    }
    assert.deepEqual(readdirSync(path('outbox-status')), ['destination.json']);
    await transport.remove(`outbox/${name}`, never);
    assert.deepEqual(await transport.list('outbox', never), []);
    assert.deepEqual(site.stored, [], 'an answer was taken for a segment');
  });

  it('is empty where there is none, and makes room for what the other side says', async () => {
    assert.deepEqual(await transport.list('outbox', never), []);
    assert.deepEqual(await transport.list('outbox-status', never), []);
    await expect({ PASV: /^227/, [`RETR outbox/${name}`]: /^550/, [`DELE outbox/${name}`]: /^550/ });
    assert.deepEqual(readdirSync(site.folder), ['inbox']);
    writeFileSync(path('answer'), '{}');
    await transport.put({ path: path('answer'), size: 2 }, 'outbox-status/destination.json', {
      signal: never,
    });
    assert.equal(readFileSync(path('outbox-status/destination.json'), 'latin1'), '{}');
  });

  it('gives out nothing else, follows no link, and is written to by nobody but its owner (I12)', async () => {
    makeDepot();
    writeFileSync(path('secret'), 'secret');
    symlinkSync(path('secret'), path('outbox', name));
    writeFileSync(path('outbox', segmentName(11)), 'kept');
    writeFileSync(path('outbox', 'notes.txt'), 'private');
    assert.deepEqual(
      (await transport.list('outbox', never)).map((file) => file.name),
      [segmentName(11)],
    );
    await expect({
      PASV: /^227/,
      [`RETR outbox/${name}`]: /^550/,
      'RETR outbox/notes.txt': /^550/,
      'DELE outbox/notes.txt': /^550/,
      [`STOR outbox/${segmentName(11)}`]: /^553/,
      [`STOR outbox/${segmentName(21)}.part`]: /^553/,
      [`APPE outbox/${segmentName(11)}`]: /^553/,
      [`RNFR outbox/${segmentName(11)}`]: /^553/,
      'STOR outbox-status/destination.json': /^553/,
      'STOR outbox-status/other.json.part': /^553/,
      'DELE outbox-status/destination.json': /^550/,
    });
    assert.equal(readFileSync(path('outbox', segmentName(11)), 'latin1'), 'kept');
    assert.deepEqual(readdirSync(path('outbox-status')), []);
  });

  it('takes no answer that is longer than a status file, and gives it no other name', async () => {
    makeDepot();
    writeFileSync(path('outbox-status', 'destination.json'), 'old');
    const part = 'outbox-status/destination.json.part';
    assert.match(await client.upload(`STOR ${part}`, content(STATUS_SIZE_MAX + 4)), /^550/);
    assert.match(await client.upload(`STOR ${part}`, Buffer.from('new')), /^226/);
    await expect({ [`RNFR ${part}`]: /^350/, [`RNTO inbox/${name}`]: /^553/ });
    assert.equal(readFileSync(path('outbox-status', 'destination.json'), 'latin1'), 'old');
    await expect({ [`RNFR ${part}`]: /^350/, 'RNTO outbox-status/destination.json': /^250/ });
    assert.equal(readFileSync(path('outbox-status', 'destination.json'), 'latin1'), 'new');
  });
});
