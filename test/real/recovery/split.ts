/**
 * A split brain: the line is down, the other side takes over, and hosts write on both sides behind the fork. Once the side that
 * was deposed has rejoined, what its hosts were told was written is in the snapshot that it keeps apart, byte for byte (I10).
 */
import type { MountEntry } from '../../../src/api/contract/mounts.ts';
import type { RejoinAnswer } from '../../../src/api/contract/roles.ts';
import { NbdClient } from '../../../src/nbd/client.ts';
import type { Random } from '../../../src/platform/random.ts';
import { sameFiles } from '../../../tools/verdicts.ts';
import { seededRandom } from '../../support/random.ts';
import { pause, type Site } from '../../support/site-pair.ts';
import { RegionHost } from '../region-host.ts';
import { otherSite, TwoSites } from './two-sites.ts';

const MIB = 1024 * 1024;
const SIZE = 16 * MIB;
const VOLUMES = { a: SIZE, b: SIZE } as const;
const NAMES = Object.keys(VOLUMES);
const REGION = 4 * MIB;
const WRITE_MAX = 64 * 1024;

export interface SplitOptions {
  /** Empty; the caller removes it. */
  readonly folder: string;
  readonly seed: string;
  /** The side that is deposed. */
  readonly loser: Site;
  /** Whether its daemon dies before it hears of it, or lets its hosts go in the middle of what they write. */
  readonly isKilled: boolean;
  readonly signal?: AbortSignal;
}

export interface SplitReport extends RejoinAnswer {
  /** That the losing side's hosts were answered behind the fork, at least. */
  readonly answered: number;
  readonly wrong: readonly string[];
}

export async function runSplit(options: SplitOptions): Promise<SplitReport> {
  const split = new Split(options);
  try {
    return await split.run();
  } finally {
    await split.end();
  }
}

class Split {
  readonly #options: SplitOptions;
  readonly #random: Random;
  readonly #sites: TwoSites;
  readonly #losers: readonly RegionHost[];
  #winners: readonly Scribbler[] = [];

  constructor(options: SplitOptions) {
    this.#options = options;
    const { folder, seed, loser, signal } = options;
    this.#random = seededRandom(seed);
    this.#sites = new TwoSites(folder, VOLUMES, signal);
    const socket = this.#sites.socket(loser);
    this.#losers = [0, 1, 2, 3].map(
      (i) =>
        new RegionHost({
          number: i + 1,
          socket,
          volume: NAMES[i % 2] ?? '',
          start: (i >> 1) * REGION,
          length: REGION,
          seed,
          paceMax: 5,
        }),
    );
  }

  async run(): Promise<SplitReport> {
    const { loser, isKilled } = this.#options;
    const winner = otherSite(loser);
    await this.#sites.start();
    if (loser === 'destination') {
      await this.#sites.change('source', 'switchover');
      await this.#sites.isServed(loser);
      await this.#sites.rejoin('source');
    }
    for (const host of this.#losers) host.start();
    await this.#sites.hasReached(winner, Date.now());
    await this.#moment();
    this.#sites.cut();
    await this.#sites.change(winner, 'failover');
    await this.#sites.isServed(winner);
    const atFork = this.#writes();
    this.#winners = await Promise.all(
      NAMES.map((name) => Scribbler.start({ path: this.#sites.socket(winner) }, name, SIZE)),
    );
    await this.#moment();
    // In the middle of what they write, and then they come no more.
    for (const host of this.#losers) host.abandon();
    if (isKilled) {
      await this.#sites.pair.stop(loser, 'SIGKILL');
      await this.#sites.pair.start(loser, false);
    }
    this.#sites.join();
    const answer = await this.#sites.rejoin(loser);
    const answered = this.#writes() - atFork;
    return { ...(answer ?? nothing), answered, wrong: await this.#compare(answer?.keptAs, winner) };
  }

  async end(): Promise<void> {
    for (const host of this.#losers) host.abandon();
    await this.#sites.pair.stopAll();
  }

  async #compare(keptAs: string | undefined, winner: Site): Promise<string[]> {
    await Promise.all(this.#winners.map((host) => host.stop()));
    await Promise.all(this.#losers.map((host) => host.stop()));
    await this.#sites.inStep(winner);
    const wrong = this.#losers.flatMap((host) => host.wrong);
    const { pair } = this.#sites;
    for (const name of NAMES)
      if (!sameFiles(pair.volume('source', name), pair.volume('destination', name)))
        wrong.push(`volume ${name} is not the same on both sides`);
    for (const host of this.#winners) wrong.push(...(await host.check()));
    if (keptAs === undefined) return [...wrong, 'nothing was kept'];
    const looked = await this.#sites.mounted(otherSite(winner), keptAs, (mount) => this.#lookAt(mount));
    return [...wrong, ...looked];
  }

  /** What the losing side's hosts were answered, and nothing of what the other's wrote. */
  async #lookAt(mount: MountEntry): Promise<string[]> {
    const wrong: string[] = [];
    for (const volume of NAMES) {
      const content = await contentOf(mount, volume);
      for (const host of this.#losers.filter((one) => one.options.volume === volume)) {
        const said = host.history.recover(host.regionOf(content), 'answered');
        if (said !== undefined) wrong.push(`kept apart, volume ${volume}: ${said}`);
      }
      if (content.subarray(2 * REGION).some((byte) => byte !== 0))
        wrong.push(`kept apart, volume ${volume}: something of the other side is in it`);
    }
    return wrong;
  }

  #writes(): number {
    return this.#losers.reduce((sum, { history }) => sum + history.writes, 0);
  }

  #moment(): Promise<void> {
    return pause(500 + this.#random.fraction() * 2000);
  }
}

const nothing: RejoinAnswer = {
  at: 0,
  fork: { lsn: 0, time: 0 },
  epoch: 0,
  writes: 0,
  bytes: 0,
  volumes: [],
};

async function contentOf({ address, exports }: MountEntry, volume: string): Promise<Buffer> {
  const offered = exports.find((entry) => entry.volume === volume);
  if (offered === undefined || address.kind !== 'socket') throw new Error(`${volume} is not mounted`);
  const client = await NbdClient.open({ path: address.path }, offered.name);
  try {
    return await client.read(0, offered.size);
  } finally {
    client.close();
  }
}

/** A host that writes anywhere in its volume, over what others wrote too, and knows what it must read from then on. */
class Scribbler {
  readonly #client: NbdClient;
  readonly #content: Buffer;
  readonly #random: Random;
  readonly #ended: Promise<void>;
  #stopping = false;

  private constructor(client: NbdClient, content: Buffer, name: string) {
    this.#client = client;
    this.#content = content;
    this.#random = seededRandom(`scribbler ${name}`);
    this.#ended = this.#run();
    // Told of by `stop`.
    this.#ended.catch(() => undefined);
  }

  static async start(address: { readonly path: string }, name: string, size: number): Promise<Scribbler> {
    const client = await NbdClient.open(address, name);
    return new Scribbler(client, await client.read(0, size), name);
  }

  /** @throws Error when it could not go on */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
  }

  async check(): Promise<string[]> {
    const read = await this.#client.read(0, this.#content.length);
    this.#client.close();
    return read.equals(this.#content) ? [] : ['the side that took over does not hold what its hosts wrote'];
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const length = 512 * (1 + Math.floor(this.#random.fraction() ** 4 * (WRITE_MAX / 512 - 1)));
      const at = 512 * Math.floor((this.#random.fraction() * (this.#content.length - length)) / 512);
      const data = this.#random.bytes(length);
      await this.#client.write(at, data);
      data.copy(this.#content, at);
      await pause(this.#random.fraction() * 5);
    }
    await this.#client.flush();
  }
}
