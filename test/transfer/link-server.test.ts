/** The link on its real clock, with real files, an encrypted status and a server that others may use too. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { decodeStatus, encodeStatus } from '../../src/journal/status-codec.ts';
import { sleep } from '../../src/platform/clock.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';
import { Link } from '../../src/transfer/link.ts';
import { FaultyTransport, type FaultPlan } from '../support/faulty-transport.ts';
import { temporaryFolder } from '../support/folder.ts';
import { MemoryTransport, type MemoryFiles } from '../support/memory-transport.ts';
import { said, segments } from './link-bench.ts';
import { GROUP_ID, GROUP_NAME } from './simulated-site.ts';

const KEY = Buffer.alloc(32, 7);
const { random, clock } = nodePlatform;
const silent = (): void => undefined;
const LOG = { debug: silent, info: silent, warn: silent, error: silent };

describe('link to a server', () => {
  const files: MemoryFiles = new Map<string, Buffer>();
  const folder = temporaryFolder();
  const journal = segments(6).map((each) => ({ ...each, path: join(folder, each.name), bytes: 200_000 }));

  const says = (received: number, key = KEY): void => {
    const facts = {
      groupId: GROUP_ID,
      sequence: received + 1,
      received: lsn(received),
      applied: lsn(received),
    };
    files.set('status/destination.json', encodeStatus(said(facts), key, GROUP_NAME, random));
  };

  const link = (plan: FaultPlan): Link =>
    new Link(nodePlatform, LOG, {
      name: 'dr-site',
      transport: new FaultyTransport(new MemoryTransport(files), plan),
      hours: { closure: () => undefined, onChange: () => silent },
      parallel: 2,
      segments: () => journal,
      groupId: GROUP_ID,
      epoch: { number: epoch(1), id: 'e'.repeat(32) },
      announcement: undefined,
      decode: (bytes) => decodeStatus(bytes, KEY, GROUP_NAME),
      initial: undefined,
      onStatus: silent,
      onServing: silent,
      onForeign: silent,
    });

  const until = async (what: string, isSo: () => boolean): Promise<void> => {
    const end = clock.monotonic() + 100_000;
    while (!isSo()) {
      assert.ok(clock.monotonic() < end, `it never happened that ${what}`);
      await sleep(clock, 20);
    }
  };

  it('carries every byte over a line that is cut, and believes only a status that has the key (I5, I12)', async () => {
    for (const { path, bytes } of journal) writeFileSync(path, random.bytes(bytes));
    let cuts = 2;
    const carried = link((operation) =>
      operation === 'put' && (cuts -= 1) >= 0 ? { kind: 'cut', after: 100_000 } : undefined,
    );
    carried.start();
    const arrived = (): number => journal.filter(({ name }) => files.has(`inbox/${name}`)).length;
    try {
      await until('all six are there', () => arrived() === 6);
      for (const { name, path } of journal)
        assert.ok(files.get(`inbox/${name}`)?.equals(readFileSync(path)), name);
      says(60, Buffer.alloc(32, 8));
      await until('the forged status is refused', () =>
        carried.report().waits.some(({ code }) => code === 'status-refused'),
      );
      assert.equal(carried.received, 0);
      says(60);
      await until(
        'the status is accepted',
        () => carried.received === 60 && carried.report().state === 'idle',
      );
      assert.equal([...files.keys()].filter((name) => name.endsWith('.part')).length, 0);
    } finally {
      await carried.stop();
    }
  });
});
