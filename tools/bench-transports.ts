/**
 * `npm run bench:transports`: 1 GiB in segments of 16 MiB through each transport, beside the program that people would use
 * in its place (lftp, sftp, smbclient, cp), in turns, against the same private servers. Tells medians, the ratio, and the
 * processor seconds that this process used for each GiB. Ours sends as many files at once as a destination does that says
 * nothing of it (`parallel`), the peers one after the other. `--size MIB`, `--segment MIB`, `--rounds N`, `--only TEXT` (in a
 * row's name), `--at-once N`, `--place DIR` (a folder in memory where there is one, so that no disk sets the measure), `--json`.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { INBOX_FOLDER } from '../src/journal/names.ts';
import { ENTRIES, makeFolders, type Contender } from './bench/contenders.ts';
import { compare, type Comparison } from './bench/measure.ts';

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1024' },
    segment: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    'at-once': { type: 'string', default: '2' },
    place: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const count = Math.ceil(Number(values.size) / Number(values.segment));
const segment = Number(values.segment) * MIB;
const rounds = Number(values.rounds);
const atOnce = Number(values['at-once']);
// Where the servers put what they are sent.
process.env.TMPDIR = values.place;

const source = mkdtempSync(join(tmpdir(), 'blockferry-bench-'));
const names = Array.from({ length: count }, (_, index) => `${String(index).padStart(4, '0')}.seg`);

async function sendAll({ transport }: Contender): Promise<void> {
  const waiting = [...names];
  const { signal } = new AbortController();
  const sendOne = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      await transport.put({ path: join(source, name), size: segment }, `${INBOX_FOLDER}/${name}`, { signal });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, sendOne));
}

function empty({ folder }: Contender): void {
  for (const name of ['inbox', 'peer']) {
    const files = readdirSync(join(folder, name));
    if (files.length !== 0 && files.length !== count)
      throw new Error(`${files.length} of ${count} files came to ${name}`);
    for (const file of files) rmSync(join(folder, name, file));
  }
}

function line(name: string, { ours, peer, ratio, cpu }: Comparison, aim: number): string {
  const speed = (bytes: number): string => `${(bytes / MIB).toFixed(0).padStart(5)} MiB/s`;
  const verdict = ratio >= aim ? 'reached' : 'BELOW';
  return `${name.padEnd(28)} ours (${atOnce} at once) ${speed(ours)} ${cpu.toFixed(2)} CPU s/GiB  peer ${speed(peer)}  ratio ${ratio.toFixed(2)}  aim ${aim.toFixed(2)}  ${verdict}\n`;
}

try {
  for (const name of names) writeFileSync(join(source, name), randomBytes(segment));
  const results: ({ readonly name: string; readonly aim: number } & Comparison)[] = [];
  for (const { name, aim, start } of ENTRIES.filter((entry) => entry.name.includes(values.only))) {
    const contender = await start({ connections: atOnce + 1 });
    try {
      makeFolders(contender);
      const comparison = await compare(
        {
          ours: () => sendAll(contender),
          peer: () => contender.peer(source),
          between: () => empty(contender),
        },
        { rounds, bytes: count * segment },
      );
      results.push({ name, aim, ...comparison });
      if (!values.json) process.stdout.write(line(name, comparison, aim));
    } finally {
      await contender.transport.close();
      await contender.stop();
    }
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ count, segment, rounds, atOnce, results })}\n`);
} finally {
  rmSync(source, { recursive: true });
}
