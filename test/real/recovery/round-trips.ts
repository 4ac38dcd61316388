/**
 * PostgreSQL under pgbench on two volumes of a group, whose source dies at random moments: what a failover says that it has
 * is there, what hosts were told before a switchover is there, and after each way there and back both sides are the same.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../../src/platform/random.ts';
import { sameFiles } from '../../../tools/verdicts.ts';
import { seededRandom } from '../../support/random.ts';
import { pause, type Site } from '../../support/site-pair.ts';
import { Database, type Load } from './database.ts';
import { HostDisk } from './host-disk.ts';
import { compareLedger, type Compared, type Held } from './ledger.ts';
import { otherSite, TwoSites } from './two-sites.ts';

const MIB = 1024 * 1024;
const NAMES = ['data', 'log'] as const;
type Name = (typeof NAMES)[number];

export interface RoundTripOptions {
  /** Empty; the caller removes it. */
  readonly folder: string;
  /** Of the moments; real processes keep their own time. */
  readonly seed: string;
  /** pgbench's: 100,000 accounts each. */
  readonly scale: number;
  /** Milliseconds at most that clients write before something happens. */
  readonly loadMax: number;
  readonly signal?: AbortSignal;
}

/** The source is gone at once; or nothing reaches the other side any more, hosts go on for a while, and then it is gone. */
export type Disaster = 'killed' | 'cut off';

export interface Takeover extends Compared {
  readonly kind: 'failover' | 'switchover';
  readonly serving: Site;
  /** Seconds from the command to PostgreSQL taking queries. */
  readonly seconds: number;
}

export interface Failover extends Takeover {
  readonly disaster: Disaster;
  /** As the command says. */
  readonly behindSeconds: number;
}

export class RoundTrips {
  readonly #random: Random;
  readonly #options: RoundTripOptions;
  /** Bytes. */
  readonly #sizes: Readonly<Record<Name, number>>;
  readonly #sites: TwoSites;
  readonly #disks: Readonly<Record<Name, HostDisk>>;
  readonly #database: Database;
  /** Of each load, as it was found: from then on it is there for good. */
  readonly #settled = new Map<number, ReadonlyMap<number, Held>>();
  #serving: Site = 'source';
  #load: Load | undefined;
  #loads = 0;

  constructor(options: RoundTripOptions) {
    const { folder, seed, scale, signal } = options;
    this.#options = options;
    this.#random = seededRandom(seed);
    this.#sizes = { data: (160 + 96 * scale) * MIB, log: 160 * MIB };
    // PostgreSQL's user gets through.
    chmodSync(folder, 0o755);
    this.#sites = new TwoSites(folder, this.#sizes, signal);
    const host = join(folder, 'host');
    mkdirSync(host);
    this.#disks = { data: new HostDisk(join(host, 'data')), log: new HostDisk(join(host, 'log')) };
    const { data, log } = this.#disks;
    this.#database = new Database({ data: data.place, log: log.place, work: join(host, 'work'), scale });
  }

  get serving(): Site {
    return this.#serving;
  }

  /** A database on the source's volumes. */
  async start(): Promise<void> {
    await this.#sites.start();
    for (const name of NAMES) {
      await this.#attach(name);
      this.#disks[name].format();
      this.#disks[name].mount();
    }
    await this.#database.create();
  }

  /** Whatever is left of it; harmless a second time. */
  async end(): Promise<void> {
    await this.#hostFails();
    await this.#sites.pair.stopAll();
  }

  /** The side that serves dies under load, the other one takes over. @throws Error with what is not as it must be */
  async failover(disaster: Disaster): Promise<Failover> {
    const [dead, serving] = [this.#serving, otherSite(this.#serving)];
    await this.#work();
    await this.#sites.hasReached(serving, Date.now());
    await this.#moment();
    if (disaster === 'cut off') {
      this.#sites.cut();
      await this.#moment();
    }
    await this.#sites.pair.stop(dead, 'SIGKILL');
    await this.#hostFails();
    const begun = performance.now();
    const { time, behindSeconds } = await this.#sites.change(serving, 'failover');
    const takenOver = await this.#recover('failover', begun, time);
    return { ...takenOver, disaster, behindSeconds };
  }

  /** The side that died is back, and follows the other while that one's hosts write. */
  async rejoin(): Promise<void> {
    const back = otherSite(this.#serving);
    await this.#work();
    await this.#sites.pair.start(back, false);
    await this.#moment();
    this.#sites.join();
    const kept = (await this.#sites.rejoin(back))?.keptAs;
    if (kept !== undefined) await this.#sites.command(back, 'snapshot', 'delete', 'g', kept, '--yes');
  }

  /** The sides change their parts under load; hosts are cut off by it. @throws Error with what is not as it must be */
  async switchover(): Promise<Takeover> {
    await this.#work();
    const begun = performance.now();
    await this.#sites.change(this.#serving, 'switchover');
    await this.#hostFails();
    return this.#recover('switchover', begun, Infinity);
  }

  /** Both sides are the same, byte for byte, once nobody writes. @throws Error where they are not */
  async compare(): Promise<void> {
    await this.#hostFails();
    await this.#sites.inStep(this.#serving);
    const { pair } = this.#sites;
    for (const name of NAMES)
      if (!sameFiles(pair.volume('source', name), pair.volume('destination', name)))
        throw new Error(`volume ${name} is not the same on both sides`);
    await this.#hostReturns();
  }

  /** Clients write for a moment, and go on. */
  async #work(): Promise<void> {
    if (this.#load === undefined) {
      this.#load = this.#database.load((this.#loads += 1));
      await this.#load.begun();
    }
    await this.#moment();
  }

  async #moment(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    await pause(this.#random.fraction() * this.#options.loadMax);
  }

  /** The other side serves. `before`: what was confirmed until then must be there, milliseconds since 1970. */
  async #recover(kind: Takeover['kind'], begun: number, before: number): Promise<Takeover> {
    this.#serving = otherSite(this.#serving);
    await this.#sites.isServed(this.#serving);
    await this.#hostReturns();
    const seconds = (performance.now() - begun) / 1000;
    const compared = await this.#compareLoad(before);
    const wrong = [...compared.wrong, ...this.#database.check()];
    if (wrong.length > 0) throw new Error(`after a ${kind}: ${wrong.join('\n')}`);
    return { ...compared, kind, seconds, serving: this.#serving };
  }

  async #compareLoad(before: number): Promise<Compared> {
    const load = this.#load;
    if (load === undefined) throw new Error('nobody wrote');
    this.#load = undefined;
    const held = this.#database.held();
    const compared = compareLedger(await load.end(), held.get(load.number) ?? new Map(), before);
    this.#settled.set(load.number, held.get(load.number) ?? new Map());
    const gone = [...this.#settled].filter(
      ([number, was]) => JSON.stringify([...(held.get(number) ?? [])]) !== JSON.stringify([...was]),
    );
    const wrong = gone.map(([number]) => `of load ${number} there is not what there was before`);
    return { ...compared, wrong: [...compared.wrong, ...wrong] };
  }

  async #hostFails(): Promise<void> {
    await this.#database.crash();
    await Promise.all(NAMES.map((name) => this.#disks[name].detach()));
  }

  async #hostReturns(): Promise<void> {
    for (const name of NAMES) {
      await this.#attach(name);
      this.#disks[name].checkAndMount();
    }
    await this.#database.start();
  }

  #attach(name: Name): Promise<void> {
    const uri = `nbd+unix:///${name}?socket=${this.#sites.socket(this.#serving)}`;
    return this.#disks[name].attach(uri, this.#sizes[name]);
  }
}
