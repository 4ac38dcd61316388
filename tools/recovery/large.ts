/**
 * A sparse volume of 100 GiB with 200 snapshots: how long any of them takes to be looked at, how long a failover takes until
 * the first read is answered, and what a rejoin sends after 1 % of the volume was written over at the side that took over.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { MountEntry } from '../../src/api/contract/mounts.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import type { Random } from '../../src/platform/random.ts';
import { TwoSites } from '../../test/real/recovery/two-sites.ts';
import { connectDaemon } from '../../test/support/daemon-client.ts';
import { seededRandom } from '../../test/support/random.ts';
import { pause } from '../../test/support/site-pair.ts';
import { verdict } from '../verdicts.ts';

const MIB = 1024 * 1024;
const REGION = 64 * 1024;
const CONNECTIONS = 4;
/** Regions written before each snapshot, and, of these, by the old source's hosts behind the fork: 4 MiB and 64 MiB. */
const BETWEEN = 64;
const LOST = 1024;
const MOUNT_MAX = 1;
const FAILOVER_MAX = 5;
const SENT_MAX = 1.05;

export interface LargeShow {
  readonly folder: string;
  readonly seed: string;
  readonly gibibytes: number;
  readonly snapshots: number;
  readonly signal: AbortSignal;
}

/** Where random data was written, and how what is there now begins. */
type Written = Map<number, Buffer>;

export async function showLarge(options: LargeShow): Promise<void> {
  const large = new Large(options);
  try {
    await large.start();
    await large.look();
    await large.failOver();
    await large.rejoin();
  } finally {
    await large.end();
  }
}

class Large {
  readonly #options: LargeShow;
  readonly #random: Random;
  readonly #sites: TwoSites;
  readonly #regions: number;
  readonly #written: Written = new Map();
  #lost: Written = new Map();

  constructor(options: LargeShow) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#regions = (options.gibibytes * 1024 * MIB) / REGION;
    this.#sites = new TwoSites(options.folder, { disk: this.#regions * REGION }, options.signal);
  }

  /** Each snapshot after some writes at random places. */
  async start(): Promise<void> {
    const { gibibytes, snapshots } = this.#options;
    await this.#sites.start();
    for (let i = 1; i <= snapshots; i += 1) {
      await this.#write(this.#sites.socket('source'), this.#choose(BETWEEN), this.#written);
      await this.#sites.pair.marker('snapshot', `s-${i}`);
      if (i % 50 === 0) say(`${i} snapshots placed`);
    }
    await this.#sites.inStep('source');
    const { snapshots: held } = await this.#sites.pair.destination();
    verdict(
      held === snapshots,
      `${gibibytes} GiB, ${held} snapshots at the destination, each ${(BETWEEN * REGION) / MIB} MiB on`,
    );
  }

  /** Each snapshot is mounted, read from, and let go. */
  async look(): Promise<void> {
    const { snapshots } = this.#options;
    const seconds: number[] = [];
    const state = this.#sites.pair.path('destination', 'state');
    for (let i = 1; i <= snapshots; i += 1) {
      const begun = performance.now();
      const body = { point: { kind: 'snapshot', called: `s-${i}` }, writable: false };
      const mount = (await connectDaemon(state, 'POST', '/groups/g/mounts', body)) as MountEntry;
      const client = await openMount(mount);
      await client.read(Math.floor(this.#random.fraction() * this.#regions) * REGION, 4096);
      seconds.push((performance.now() - begun) / 1000);
      client.close();
      await connectDaemon(state, 'DELETE', `/groups/g/mounts/${mount.name}`);
    }
    const told = `each of ${snapshots} snapshots mounted and read from: ${spread(seconds)}`;
    verdict(Math.max(...seconds) < MOUNT_MAX, told);
    const commands: number[] = [];
    for (let i = 1; i <= snapshots; i += Math.ceil(snapshots / 10)) {
      const begun = performance.now();
      await this.#sites.mounted('destination', `s-${i}`, () => {
        commands.push((performance.now() - begun) / 1000);
        return Promise.resolve();
      });
    }
    say(`  of that by the command, whose own start is in it, ${commands.length}: ${spread(commands)}`);
  }

  /** What the source's hosts write at the end does not get over, and then it dies. */
  async failOver(): Promise<void> {
    this.#sites.cut();
    this.#lost = new Map();
    // Where there is something to be sent again.
    const places = [...this.#written.keys()].slice(0, LOST);
    await this.#write(this.#sites.socket('source'), places, this.#lost);
    await this.#sites.pair.stop('source', 'SIGKILL');
    const [place = 0, content = Buffer.alloc(0)] = [...this.#written].at(-1) ?? [];
    const begun = performance.now();
    const answered = this.#sites
      .change('destination', 'failover')
      .then(() => (performance.now() - begun) / 1000);
    let first: Buffer | undefined;
    while (first === undefined) {
      this.#options.signal.throwIfAborted();
      await pause(20);
      first = await this.#readFrom('destination', place);
    }
    const seconds = (performance.now() - begun) / 1000;
    const told = `failover, from the command to the first read: ${seconds.toFixed(2)} s (the command's answer: ${(await answered).toFixed(2)} s)`;
    verdict(seconds < FAILOVER_MAX && first.equals(content), told);
  }

  async rejoin(): Promise<void> {
    const changed = this.#choose(Math.ceil(this.#regions / 100));
    await this.#write(this.#sites.socket('destination'), changed, this.#written);
    const differing = new Set([...changed, ...this.#lost.keys()]);
    const since = new Date().toISOString();
    await this.#sites.pair.start('source', false);
    this.#sites.join();
    const answer = await this.#sites.rejoin('source');
    await this.#sites.inStep('destination');
    const sent = fetchedBytes(this.#sites.pair.path('source'), since);
    const told =
      `rejoin: ${changed.length} regions of 64 KiB written at the new source, ${this.#lost.size} behind the fork at the old one, ` +
      `${differing.size} in all, ${(differing.size * REGION) / MIB} MiB; ${(sent / MIB).toFixed(1)} MiB fetched, ` +
      `${((100 * sent) / (differing.size * REGION)).toFixed(2)} %`;
    verdict(sent > 0 && sent <= SENT_MAX * differing.size * REGION, told);
    await this.#compareLost(answer?.keptAs ?? '');
    const [here, there] = [
      this.#sites.pair.volume('source', 'disk'),
      this.#sites.pair.volume('destination', 'disk'),
    ];
    // Reads what is no hole alone.
    const compared = execFileSync('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', here, there], {
      encoding: 'utf8',
    });
    verdict(/identical/.test(compared), `both sides: ${compared.trim()}`);
  }

  end(): Promise<void> {
    return this.#sites.pair.stopAll();
  }

  async #compareLost(keptAs: string): Promise<void> {
    let same = 0;
    await this.#sites.mounted('source', keptAs, async (mount) => {
      const client = await openMount(mount);
      for (const [place, content] of this.#lost)
        if ((await client.read(place, content.length)).equals(content)) same += 1;
      client.close();
    });
    const told = `${keptAs} has ${same} of the ${this.#lost.size} regions that only the old source had`;
    verdict(same === this.#lost.size, told);
  }

  #choose(count: number): number[] {
    const chosen = new Set<number>();
    while (chosen.size < count) chosen.add(Math.floor(this.#random.fraction() * this.#regions) * REGION);
    return [...chosen];
  }

  /** Whole regions, of data that nothing makes smaller, from some connections at once. */
  async #write(path: string, places: readonly number[], written: Written): Promise<void> {
    const left = [...places];
    const host = async (): Promise<void> => {
      const client = await NbdClient.open({ path }, 'disk');
      for (let place = left.pop(); place !== undefined; place = left.pop()) {
        const data = randomBytes(REGION);
        await client.write(place, data);
        written.set(place, data.subarray(0, 512));
      }
      await client.flush();
      client.close();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, host));
  }

  async #readFrom(site: 'source' | 'destination', place: number): Promise<Buffer | undefined> {
    try {
      const client = await NbdClient.open({ path: this.#sites.socket(site) }, 'disk');
      const data = await client.read(place, 512);
      client.close();
      return data;
    } catch {
      return undefined;
    }
  }
}

function openMount({ address, exports }: MountEntry): Promise<NbdClient> {
  if (address.kind !== 'socket') throw new Error('it is served at a socket');
  return NbdClient.open({ path: address.path }, exports[0]?.name ?? '');
}

/** Of the files that the old source got from the other side, as it logged each. */
function fetchedBytes(folder: string, since: string): number {
  let sum = 0;
  for (const name of readdirSync(folder).filter((file) => file.startsWith('log'))) {
    for (const line of readFileSync(`${folder}/${name}`, 'utf8').split('\n')) {
      if (!/: get outbox\/[^ ]+: done"/.test(line)) continue;
      const { time, fields } = JSON.parse(line) as { time: string; fields: { bytes: number } };
      if (time >= since) sum += fields.bytes;
    }
  }
  return sum;
}

function spread(seconds: readonly number[]): string {
  const sorted = [...seconds].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(3);
  return `median ${at(0.5)} s, at most ${at(1)} s`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
