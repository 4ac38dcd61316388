import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NbdClient } from '../../src/nbd/client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { pause, SitePair } from '../support/site-pair.ts';

const KIB = 1024;
const SIZE = 8 * 1024 * KIB;
const BLOCK = 16 * KIB;
const SLOTS = SIZE / BLOCK;
const NAMES = ['data', 'log'] as const;

/** Writes one after the other, to two volumes in turn: the count tells what each volume held after any of them. */
class Writer {
  /** Of the next write. */
  count = 1;
  #running = true;
  #done = Promise.resolve();

  start(pair: SitePair): void {
    this.#running = true;
    this.#done = this.#write(pair).catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #write(pair: SitePair): Promise<void> {
    const clients = await Promise.all(NAMES.map((name) => NbdClient.open({ path: pair.socket }, name)));
    try {
      while (this.#running) {
        await clients[this.count % 2]!.write(placeOf(this.count), stamp(this.count));
        // One that was cut off may be there or not, and is done again.
        this.count += 1;
        if (this.count % 50 === 0) await clients[0]!.flush();
        // Slower than the slowest disk: nothing holds hosts up, and a delta goes behind all that they have written.
        await pause(20);
      }
    } finally {
      for (const client of clients) client.close();
    }
  }
}

const placeOf = (count: number): number => ((count * 7) % SLOTS) * BLOCK;

function stamp(count: number): Buffer {
  const block = Buffer.alloc(BLOCK, count % 251);
  block.writeUInt32BE(count);
  return block;
}

/** Both volumes after so many writes. */
function after(count: number): Buffer[] {
  const volumes = NAMES.map(() => Buffer.alloc(SIZE));
  for (let i = 1; i <= count; i += 1) stamp(i).copy(volumes[i % 2]!, placeOf(i));
  return volumes;
}

/** I3: both are what they were after one and the same write, which is returned. */
function checkPoint(volumes: readonly Buffer[]): number {
  let newest = 0;
  for (const volume of volumes)
    for (let at = 0; at < SIZE; at += BLOCK) newest = Math.max(newest, volume.readUInt32BE(at));
  for (const [i, wanted] of after(newest).entries())
    assert.ok(volumes[i]!.equals(wanted), `volume ${NAMES[i]} is not what it was after write ${newest}`);
  return newest;
}

describe('a source that replicates on an interval', function () {
  this.timeout(600_000);

  it('takes its destination from one point of both volumes to the next, through kills, markers and a restart (I3, I6)', async () => {
    const folder = temporaryFolder();
    const share = join(folder, 'destination', 'buffer', 'g');
    const copies = join(folder, 'copies');
    const program = join(folder, 'program');
    mkdirSync(copies);
    const paths = NAMES.map((name) => `"$BLOCKFERRY_VOLUME_${name.toUpperCase()}"`).join(' ');
    const target = `"${copies}/$BLOCKFERRY_LSN"`;
    writeFileSync(program, `#!/bin/sh\nmkdir -p ${target} && cp ${paths} ${target}/\n`, { mode: 0o755 });
    const pair = new SitePair({
      folder,
      volumes: { data: SIZE, log: SIZE },
      segment: '{ size: 1 MiB, age: 1 s }',
      transport: `        folder: ${share}`,
      sourceExtra: '    replication: { every: 1 s }',
      destinationExtra: `    markers: { copy: { run: [${program}] } }`,
    });
    const writer = new Writer();
    const placed = async (): Promise<void> => {
      let lsn = 0;
      await pair.until(
        'placing a marker',
        async () => ((lsn = (await pair.marker('custom', 'copy')).lsn), true),
      );
      await pair.until('reaching it', async () => (await pair.destination()).applied >= lsn);
    };
    try {
      await pair.start('destination');
      await pair.start('source');
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        writer.start(pair);
        await placed();
        await pair.stop('source', signal);
        await writer.stop();
        await pair.start('source');
      }
      const hasAll = async (): Promise<boolean> => {
        const { mode, copy, streams } = await pair.source();
        return mode === 'snapshot-assisted' && copy?.left === 0 && streams[0]?.lagSeconds === 0;
      };
      await pair.until('bringing over the rest', hasAll);
      await pair.stop('source');
      await pair.stop('destination');
    } finally {
      await pair.stopAll();
    }
    const folders = readdirSync(copies).sort((a, b) => Number(a) - Number(b));
    assert.equal(folders.length, 2);
    const points = folders.map((name) =>
      checkPoint(NAMES.map((volume) => readFileSync(join(copies, name, `${volume}.raw`)))),
    );
    assert.deepEqual(
      points,
      points.toSorted((a, b) => a - b),
    );
    for (const name of NAMES)
      assert.ok(
        readFileSync(pair.volume('source', name)).equals(readFileSync(pair.volume('destination', name))),
      );
  });
});
