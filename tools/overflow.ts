/**
 * `npm run overflow`: a link that is down while hosts write 20 GiB, with a buffer of 256 MiB. Hosts write on, at least 0.7
 * times as fast as with room in the buffer; when the link returns the pair comes into step by itself, in journal mode, with the
 * recovery points from before still there. `--total`, `--size` (of the volume) and `--quota` in MiB; `--room` is what is
 * written to measure the speed with room.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NbdClient } from '../src/nbd/client.ts';
import { nodeFiles } from '../src/platform/node/files.ts';
import { openSnapshotStore } from '../src/recovery/open-store.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { SitePair } from '../test/support/site-pair.ts';
import { conclude, sameFiles, verdict } from './verdicts.ts';

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    total: { type: 'string', default: '20480' },
    room: { type: 'string', default: '4096' },
    size: { type: 'string', default: '4096' },
    quota: { type: 'string', default: '256' },
  },
});
const [total, room, size] = [values.total, values.room, values.size].map((text) => Number(text) * MIB) as [
  number,
  number,
  number,
];
const BLOCK = 64 * 1024;
const CONNECTIONS = 4;
const RATIO_MIN = 0.7;
/** Milliseconds for what was marked to be brought over. */
const PATIENCE = 3_600_000;

interface Outage {
  readonly pair: SitePair;
  readonly mend: () => void;
}

const roomy = await withLinkDown(Math.ceil((2 * room) / MIB) + 1024, async ({ pair }) => {
  const speed = await write(pair, room);
  verdict((await pair.source()).mode === 'journal', `with room in the buffer: ${speed.toFixed(0)} MiB/s`);
  return speed;
});
await withLinkDown(Number(values.quota), async ({ pair, mend }) => {
  const before = digestOf(pair.volume('source', 'disk'));
  while ((await pair.source()).mode !== 'change-map') await write(pair, 64 * MIB);
  const speed = await write(pair, total);
  const told = `with the buffer full: ${speed.toFixed(0)} MiB/s, ${(speed / roomy).toFixed(2)} of that`;
  verdict(speed >= RATIO_MIN * roomy && (await pair.source()).mode === 'change-map', told);
  mend();
  await pair.start('destination');
  await pair.inStep(PATIENCE);
  verdict((await pair.source()).mode === 'journal', 'in journal mode again, and in step');
  await pair.stop('source');
  await pair.stop('destination');
  const [here, there] = [pair.volume('source', 'disk'), pair.volume('destination', 'disk')];
  verdict(sameFiles(here, there), 'the destination is identical to the source');
  checkSnapshots(pair, there, before);
});
conclude();

/** A pair that was in step, with a snapshot there, when its link went down. */
async function withLinkDown<T>(quota: number, act: (outage: Outage) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-overflow-'));
  const [share, away] = [join(folder, 'share'), join(folder, 'away')];
  mkdirSync(share);
  const pair = new SitePair({
    folder,
    volumes: { disk: size },
    quota: `${quota} MiB`,
    whenFull: 'change-map',
    segment: '{ size: 8 MiB, age: 1 s, compression: 0 }',
    transport: `        folder: ${share}`,
  });
  try {
    mkdirSync(pair.path('destination', 'buffer'));
    symlinkSync(share, pair.groupFolder('destination'));
    await pair.start('destination');
    await pair.start('source');
    await pair.inStep();
    await write(pair, 32 * MIB);
    await pair.inStep(PATIENCE);
    await pair.marker('snapshot', 'before');
    await pair.inStep(PATIENCE);
    // A daemon that stands in the share would be in the way of its going away.
    await pair.stop('destination');
    renameSync(share, away);
    return await act({ pair, mend: () => renameSync(away, share) });
  } finally {
    await pair.stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** At random places, from some connections at once; MiB a second. */
async function write(pair: SitePair, bytes: number): Promise<number> {
  const data = randomBytes(2 * BLOCK);
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = await NbdClient.open({ path: pair.socket }, 'disk');
      for (let done = 0; done < bytes / CONNECTIONS; done += BLOCK) {
        const from = Math.floor((Math.random() * BLOCK) / 512) * 512;
        const place = Math.floor((Math.random() * size) / BLOCK) * BLOCK;
        await client.write(place, data.subarray(from, from + BLOCK));
      }
      await client.flush();
      client.close();
    }),
  );
  return bytes / MIB / ((performance.now() - begun) / 1000);
}

function checkSnapshots(pair: SitePair, path: string, before: string): void {
  const folder = join(pair.groupFolder('destination'), 'snapshots');
  const store = openSnapshotStore(nodeFiles, silentLog, { folder, volumes: [{ name: 'disk', path, size }] });
  const snapshots = store.list();
  verdict(
    snapshots.some(({ name }) => name.startsWith('before-copy-')),
    'the destination has kept what it was before the delta',
  );
  const marked = snapshots.find(({ name }) => name === 'before');
  const reader = marked && store.open(marked.id, 'disk');
  const digest = reader && digestBy((into, at) => (reader.read(at, into), into.length));
  reader?.close();
  verdict(digest === before, 'the recovery point from before the link went down is what it was');
  store.close();
}

function digestOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    return digestBy((into, at) => readSync(file, into, 0, into.length, at));
  } finally {
    closeSync(file);
  }
}

function digestBy(read: (into: Buffer, at: number) => number): string {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(MIB);
  for (let at = 0; at < size; at += MIB) hash.update(buffer.subarray(0, read(buffer, at)));
  return hash.digest('hex');
}
