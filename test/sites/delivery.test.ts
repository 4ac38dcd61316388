import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, renameSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';
import { pause, SitePair } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;

/** A carrier by hand: the source ships into a plain folder, and the test takes the files from there to the inbox. */
describe('segments that are delivered by hand', () => {
  function prepare(): {
    pair: SitePair;
    depot: string;
    segments: () => string[];
    deliver: (name: string) => void;
  } {
    const folder = temporaryFolder();
    const depot = join(folder, 'depot');
    mkdirSync(depot);
    const pair = new SitePair({
      folder,
      volumes: { a: 16 * MIB, b: 16 * MIB },
      segment: '{ size: 1 MiB, age: 300 ms }',
      transport: `        folder: ${depot}`,
    });
    const inbox = join(pair.groupFolder('destination'), 'inbox');
    return {
      pair,
      depot,
      segments: () =>
        readdirSync(join(depot, 'inbox'))
          .filter((name) => name.endsWith('.seg'))
          .sort(),
      deliver: (name) => {
        copyFileSync(join(depot, 'inbox', name), join(inbox, `${name}.part`));
        renameSync(join(inbox, `${name}.part`), join(inbox, name));
      },
    };
  }

  async function load(pair: SitePair): Promise<number> {
    await pair.start('source');
    const hosts = ['a', 'b'].map((volume, i) => ({
      volume,
      host: new StampedHost(i + 1, { start: 0, length: 16 * MIB }),
    }));
    const ended = await Promise.all(
      hosts.map(({ volume, host }) => host.run({ path: pair.socket }, volume, 400)),
    );
    assert.deepEqual(ended, [true, true]);
    await pair.until('sending', async () => {
      const status = await pair.source();
      const sent = status.streams[0]?.segmentsSent ?? 0;
      return status.checkpoint === status.lsn && sent > 8 && sent === status.streams[0]?.backlogSegments;
    });
    return (await pair.source()).lsn;
  }

  async function assertIdentical(pair: SitePair, lsn: number): Promise<void> {
    await pair.until('applying', async () => (await pair.destination()).applied === lsn);
    await pair.stop('source');
    await pair.stop('destination');
    for (const name of ['a', 'b']) {
      assert.ok(
        readFileSync(pair.volume('destination', name)).equals(readFileSync(pair.volume('source', name))),
        name,
      );
    }
  }

  it('shuffled, twice, and with one held back for a while give the same volumes; a hole is never passed (I3)', async () => {
    const { pair, segments, deliver } = prepare();
    try {
      const lsn = await load(pair);
      await pair.start('destination');
      const names = segments();
      const held = names[3];
      assert.ok(held !== undefined && names.length > 8);
      const random = seededRandom('order');
      const order = names.filter((name) => name !== held).map((name) => ({ name, key: random.fraction() }));
      order.sort((a, b) => a.key - b.key);
      for (const { name } of [...order, ...order]) {
        deliver(name);
        if (random.fraction() < 0.3) await pause(50);
      }
      const before = Number.parseInt(held.split('-')[1] ?? '', 16) - 1;
      await pair.until('stopping at the hole', async () => {
        const status = await pair.destination();
        return status.applied === before && status.waits.some((wait) => wait.code === 'hole');
      });
      await pause(1000);
      const status = await pair.destination();
      assert.equal(status.applied, before, 'nothing behind the hole is applied');
      assert.equal(status.missing[0]?.first, before + 1);
      deliver(held);
      await assertIdentical(pair, lsn);
    } finally {
      await pair.stopAll();
    }
  });

  it('with a byte changed are refused and set aside, and taken when they come again (I4)', async () => {
    const { pair, depot, segments, deliver } = prepare();
    try {
      const lsn = await load(pair);
      await pair.start('destination');
      const names = segments();
      const broken = names[2];
      assert.ok(broken !== undefined);
      const path = join(depot, 'inbox', broken);
      const good = readFileSync(path);
      const bad = Buffer.from(good);
      const middle = bad.length >> 1;
      bad.writeUInt8(bad.readUInt8(middle) ^ 1, middle);
      writeFileSync(path, bad);
      for (const name of names) deliver(name);
      await pair.until('refusing', async () => (await pair.destination()).setAside === 1);
      const aside = readdirSync(join(pair.groupFolder('destination'), 'set-aside')).find((name) =>
        name.endsWith('.txt'),
      );
      assert.match(
        readFileSync(join(pair.groupFolder('destination'), 'set-aside', aside ?? ''), 'utf8'),
        /DAMAGED/,
      );
      const kept = readdirSync(join(pair.groupFolder('destination'), 'set-aside')).find((name) =>
        name.endsWith(broken),
      );
      const refused = readFileSync(join(pair.groupFolder('destination'), 'set-aside', kept ?? ''));
      assert.ok(refused.equals(bad), 'it is kept as it came');
      const status = readFileSync(join(pair.groupFolder('destination'), 'status/destination.json'), 'utf8');
      assert.match(status, /"blockferry":"status"/, 'the status file is encrypted, as the group has a key');
      writeFileSync(path, good);
      deliver(broken);
      await assertIdentical(pair, lsn);
    } finally {
      await pair.stopAll();
    }
  });

  it('sealed with another key are refused (I12)', async () => {
    const { pair, segments, deliver } = prepare();
    try {
      await load(pair);
      writeFileSync(join(pair.options.folder, 'key'), '22'.repeat(32));
      await pair.start('destination');
      const [first] = segments();
      assert.ok(first !== undefined);
      deliver(first);
      await pair.until('refusing', async () => (await pair.destination()).setAside === 1);
      assert.equal((await pair.destination()).received, 0);
    } finally {
      await pair.stopAll();
    }
  });
});
