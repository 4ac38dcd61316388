/** The way back on its real clock, with real files: a link fills a depot, and a fetcher empties it by way of the receiver. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { sealedName } from '../../src/journal/names.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';
import { DEPOT_AHEAD, DepotTransport } from '../../src/transfer/depot-transport.ts';
import { Link } from '../../src/transfer/link.ts';
import type { LinkSegment } from '../../src/transfer/planner.ts';
import { FolderTransport } from '../../src/transfer/transports/folder.ts';
import { FtpTransport } from '../../src/transfer/transports/ftp.ts';
import { decode, GROUP_ID, silent, SiteA } from './fetch-bench.ts';
import { content, MIB, PASSWORD, startSite, until, USER, type Site } from './receiver/fixture.ts';

const ALWAYS = { closure: () => undefined, onChange: () => () => undefined };

describe('the way back through the receiver', () => {
  let server: Site;
  let folder: string;

  beforeEach(async () => {
    server = await startSite();
    for (const name of ['outbox', 'outbox-status']) mkdirSync(join(server.folder, name));
    folder = mkdtempSync(join(tmpdir(), 'fetching-'));
    for (const name of ['inbox', 'journal', 'status', 'sealed']) mkdirSync(join(folder, name));
  });
  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function seal(count: number): { segments: LinkSegment[]; truth: Map<string, Buffer> } {
    const truth = new Map<string, Buffer>();
    const segments = Array.from({ length: count }, (_, index) => {
      const range = { epoch: epoch(2), first: lsn(index * 10 + 1), last: lsn(index * 10 + 10) };
      const name = sealedName(range);
      const bytes = content(2 * MIB + 4 * index, index);
      const path = join(folder, 'sealed', name);
      writeFileSync(path, bytes);
      truth.set(name, bytes);
      return { name, path, range, bytes: bytes.length };
    });
    return { segments, truth };
  }

  it('brings every byte, and lets the other side free it (I5)', async () => {
    const { segments, truth } = seal(5);
    const link = new Link(nodePlatform, silent, {
      name: 'a',
      transport: new DepotTransport(new FolderTransport({ path: server.folder })),
      hours: ALWAYS,
      parallel: 2,
      ahead: DEPOT_AHEAD,
      segments: () => segments,
      groupId: GROUP_ID,
      epoch: { number: epoch(2), id: 'e'.repeat(32) },
      announcement: undefined,
      decode,
      initial: undefined,
      onStatus: () => undefined,
      onServing: () => undefined,
      onForeign: () => undefined,
    });
    const options = { host: '127.0.0.1', port: server.port, user: USER, password: PASSWORD, path: '/' };
    const trust = { tls: 'none', certificateAuthority: undefined, fingerprint: undefined } as const;
    const transport = new FtpTransport({ ...options, ...trust, timeout: 60_000, connections: 3 });
    const room = (): number => 1024 * MIB;
    const site = new SiteA(nodePlatform, { folder, transport, hours: ALWAYS, room, truth });
    try {
      link.start();
      await until(() => link.received === 50);
      await until(() => readdirSync(join(server.folder, 'outbox')).length === 0);
      for (const [name, bytes] of truth) assert.ok(readFileSync(join(folder, 'journal', name)).equals(bytes));
      assert.equal(site.refusals, 0);
      assert.deepEqual(readdirSync(join(folder, 'inbox')), []);
      assert.deepEqual(site.fetcher.report().waits, []);
    } finally {
      await link.stop();
      await site.stop();
    }
  });
});
