/**
 * `npm run initial-copy`: a volume of 16 GiB, a quarter of it filled, is brought over through a real vsftpd while a host
 * writes at random places, and the source's daemon is killed five times on the way (every other time the destination's too).
 * Then both are compared, and what went over the wire with what the data and the host's writes are when compressed.
 * `--size GIB`, `--kills N`.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { constants, zstdCompressSync } from 'node:zlib';
import { NbdClient } from '../src/nbd/client.ts';
import { FtpServer } from '../test/servers/ftp-server.ts';
import { pause, SitePair } from '../test/support/site-pair.ts';
import { conclude, sameFiles, verdict } from './verdicts.ts';

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: { size: { type: 'string', default: '16' }, kills: { type: 'string', default: '5' } },
});
const size = Number(values.size) * 1024 * MIB;
const kills = Number(values.kills);
/** Of the volume, in runs of this many bytes. */
const FILLED = 1 / 4;
const RUN = 4 * MIB;
/** Of each block of a file system a part compresses: so many random bytes, and then text. */
const BLOCK = 4096;
const RANDOM_BYTES = 2048;
const OVERHEAD_MAX = 0.02;
/** Milliseconds between the host's writes. */
const WRITE_EVERY = 50;
const PATIENCE = 3_600_000;

const folder = mkdtempSync(join(tmpdir(), 'blockferry-initial-'));
const server = await FtpServer.start('vsftpd', { tls: 'none' });
mkdirSync(join(folder, 'destination/buffer'), { recursive: true });
symlinkSync(server.groupFolder, join(folder, 'destination/buffer/g'));
process.env.INITIAL_PASSWORD = server.password;
const pair = new SitePair({
  folder,
  volumes: { disk: size },
  quota: '2 GiB',
  segment: '{ size: 8 MiB, age: 1 s, compression: 1 }',
  transport: `        ftp: { host: 127.0.0.1, port: ${server.port}, user: ${server.user}, password-env: INITIAL_PASSWORD, path: '${server.groupPath}', tls: none }`,
});
try {
  const { data, compressed } = fill(pair.volume('source', 'disk'));
  process.stdout.write(`${mib(data)} MiB of data, ${mib(compressed)} MiB compressed\n`);
  await pair.start('destination');
  await pair.start('source');
  const host = { running: true, bytes: 0 };
  const writing = writeAtRandom(host);
  let cut = 0;
  for (let n = 1; n <= kills; n += 1) cut += await killAt(n);
  await pair.until('the copy', async () => (await pair.source()).mode === 'journal', PATIENCE);
  host.running = false;
  await writing;
  await pair.inStep(PATIENCE);
  verdict((await pair.stop('source')) === 0 && (await pair.stop('destination')) === 0, 'both stopped');
  const same = sameFiles(pair.volume('source', 'disk'), pair.volume('destination', 'disk'));
  verdict(same, `identical after ${kills} kills`);
  const { blocks } = statSync(pair.volume('destination', 'disk'));
  verdict(
    blocks * 512 <= (data + host.bytes) * 1.05,
    `${mib(blocks * 512)} MiB allocated at the destination`,
  );
  const wire = sentBytes() + cut;
  const wanted = compressed + host.bytes;
  const told = `${mib(wire)} MiB on the wire (${mib(cut)} of them cut off by kills), ${mib(host.bytes)} MiB of them written meanwhile: ${(wire / wanted).toFixed(4)} of the compressed data`;
  verdict(wire <= wanted * (1 + OVERHEAD_MAX), told);
} finally {
  await pair.stopAll();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
conclude();

/** Runs of data at random places. How much it is, and what its runs are when each is compressed as a replication file's frame is. */
function fill(path: string): { readonly data: number; readonly compressed: number } {
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  const places = Array.from({ length: size / RUN }, (_, i) => i)
    .map((place) => ({ place, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .slice(0, Math.floor((size / RUN) * FILLED));
  let compressed = 0;
  const run = Buffer.alloc(RUN);
  for (const { place } of places) {
    for (let at = 0; at < RUN; at += BLOCK) {
      randomBytes(RANDOM_BYTES).copy(run, at);
      run.fill(`block ${place} ${at} `, at + RANDOM_BYTES, at + BLOCK);
    }
    writeSync(file, run, 0, RUN, place * RUN);
    compressed += zstdCompressSync(run, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length;
  }
  closeSync(file);
  return { data: places.length * RUN, compressed };
}

/** A host that goes on when the daemon is there again. */
async function writeAtRandom(host: { running: boolean; bytes: number }): Promise<void> {
  const isRunning = (): boolean => host.running;
  while (isRunning()) {
    try {
      const client = await NbdClient.open({ path: pair.socket }, 'disk');
      while (isRunning()) {
        await client.write(Math.floor((Math.random() * size) / BLOCK) * BLOCK, randomBytes(BLOCK));
        host.bytes += BLOCK;
        await pause(WRITE_EVERY);
      }
      await client.flush();
      client.close();
    } catch {
      await pause(200);
    }
  }
}

/** Once so many parts of the copy are done. What of a transfer was cut off by it, bytes. */
async function killAt(n: number): Promise<number> {
  const isReached = async (): Promise<boolean> => {
    const { copy, mode } = await pair.source();
    if (mode === 'journal') throw new Error('the copy ended before it was killed often enough');
    return copy?.total !== undefined && copy.left <= size * (1 - n / (kills + 1));
  };
  for (const limit = Date.now() + PATIENCE; Date.now() < limit && !(await isReached());) await pause(50);
  await pair.stop('source', 'SIGKILL');
  if (n % 2 === 0) await pair.stop('destination', 'SIGKILL');
  const inbox = join(pair.groupFolder('destination'), 'inbox');
  const parts = readdirSync(inbox).filter((name) => name.endsWith('.part'));
  const cut = parts.reduce((sum, name) => sum + statSync(join(inbox, name)).size, 0);
  if (n % 2 === 0) await pair.start('destination');
  await pair.start('source');
  return cut;
}

/** By the source's log, over all of its lives. */
function sentBytes(): number {
  let bytes = 0;
  for (const line of readFileSync(pair.path('source', 'log.jsonl'), 'utf8').split('\n')) {
    if (!/link to \S+: segment \S+ sent"/.test(line)) continue;
    bytes += (JSON.parse(line) as { readonly fields: { readonly bytes: number } }).fields.bytes;
  }
  return bytes;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
