/**
 * Both daemons and a real FTP server under load, killed and frozen at random moments of a seeded schedule, with markers of
 * both kinds placed meanwhile; compared in the end. Nothing answered is lost (I1), source and destination are identical
 * (I2, I3, I6), markers fire in order and show the moment at which they were placed (I9).
 */
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { FtpServer } from '../servers/ftp-server.ts';
import { seededRandom } from '../support/random.ts';
import { pause, SitePair } from '../support/site-pair.ts';
import { MarkerLedger } from './marker-ledger.ts';
import { RegionHost } from './region-host.ts';
import { VICTIMS, Victims, type Victim } from './victims.ts';

const MIB = 1024 * 1024;
const VOLUMES = { a: 8 * MIB, b: 8 * MIB } as const;
const HOSTS = 4;
const PASSWORD_VARIABLE = 'BLOCKFERRY_CHAOS_PASSWORD';
/** Of all events: those that come without waiting for what was killed before to be running again. */
const HASTY = 0.2;
/** Milliseconds. */
const BETWEEN_MAX = 1500;
const AWAY_MAX = 1500;
const FREEZE_MAX = 6000;
const SETTLE_PATIENCE = 300_000;

export interface ChaosOptions {
  /** Empty; the caller removes it. */
  readonly folder: string;
  readonly seed: string;
  readonly kills: number;
  readonly freezes: number;
  readonly say: (line: string) => void;
  /** Aborted: it ends early, and what it began is cleaned up. */
  readonly signal?: AbortSignal;
}

export interface ChaosReport {
  readonly ok: boolean;
  readonly seed: string;
  readonly kills: Readonly<Record<Victim, number>>;
  readonly freezes: Readonly<Record<Victim, number>>;
  readonly writes: number;
  readonly flushes: number;
  /** Times that a host came back and read its region before it went on. */
  readonly reconnections: number;
  readonly markers: number;
  readonly programStarts: number;
  readonly seconds: number;
  /** What was not as it must be. */
  readonly wrong: readonly string[];
}

type ChaosEvent = { readonly kind: 'kill' | 'freeze'; readonly victim: Victim };

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const server = await FtpServer.start('vsftpd', { tls: 'none' });
  const chaos = new Chaos(options, server);
  try {
    return await chaos.run();
  } finally {
    chaos.abandonHosts();
    await chaos.pair.stopAll();
    await server.stop();
  }
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #random;
  readonly #ledger: MarkerLedger;
  readonly #victims: Victims;
  readonly #hosts: readonly RegionHost[];
  readonly pair: SitePair;
  readonly #kills = { source: 0, destination: 0, server: 0 };
  readonly #freezes = { source: 0, destination: 0, server: 0 };
  readonly #wrong: string[] = [];

  constructor(options: ChaosOptions, server: FtpServer) {
    const { folder, seed } = options;
    this.#options = options;
    this.#random = seededRandom(seed);
    const evidence = join(folder, 'evidence');
    mkdirSync(evidence);
    this.#ledger = new MarkerLedger(evidence);
    // The server's folder is the destination's group folder.
    mkdirSync(join(folder, 'destination/buffer'), { recursive: true });
    symlinkSync(server.groupFolder, join(folder, 'destination/buffer/g'));
    process.env[PASSWORD_VARIABLE] = server.password;
    this.pair = new SitePair({
      folder,
      volumes: VOLUMES,
      quota: '4 GiB',
      segment: '{ size: 1 MiB, age: 200 ms }',
      destinationExtra: this.#ledger.configuration,
      transport: `        ftp: { host: 127.0.0.1, port: ${server.port}, user: ${server.user}, password-env: ${PASSWORD_VARIABLE}, path: '${server.groupPath}', tls: none, timeout: 3 s }`,
    });
    this.#victims = new Victims(this.pair, server);
    this.#hosts = Array.from({ length: HOSTS }, (_, i) => {
      const start = Math.floor(i / 2) * 4 * MIB;
      const place = { volume: i % 2 === 0 ? 'a' : 'b', start, length: 4 * MIB };
      return new RegionHost({ number: i + 1, socket: this.pair.socket, seed, paceMax: 10, ...place });
    });
  }

  async run(): Promise<ChaosReport> {
    const begun = performance.now();
    await this.pair.start('destination');
    await this.pair.start('source');
    await this.pair.inStep();
    for (const host of this.#hosts) host.start();
    const marking = { on: true };
    const markers = this.#placeMarkers(marking);
    await this.#unleash();
    marking.on = false;
    await markers;
    await this.#victims.settled();
    if (!this.#failed()) await this.#settle();
    if (this.#options.signal?.aborted === true) this.#wrong.push('it was interrupted');
    this.#wrong.push(...this.#victims.failures, ...this.#hosts.flatMap((host) => host.wrong));
    if (this.#wrong.length === 0) await this.#end();
    return this.#report((performance.now() - begun) / 1000);
  }

  abandonHosts(): void {
    for (const host of this.#hosts) host.abandon();
  }

  /** In the order of the seed; ends early when something is wrong. */
  async #unleash(): Promise<void> {
    const events = this.#schedule();
    for (const [i, { kind, victim }] of events.entries()) {
      if (this.#random.fraction() >= HASTY) await this.#victims.started();
      await pause(this.#random.fraction() * BETWEEN_MAX);
      if (this.#failed()) return;
      if (kind === 'kill') {
        this.#kills[victim] += 1;
        await this.#victims.kill(victim, this.#random.fraction() ** 3 * AWAY_MAX);
      } else {
        this.#freezes[victim] += 1;
        this.#victims.freeze(victim, this.#random.fraction() ** 2 * FREEZE_MAX);
      }
      if ((i + 1) % 10 === 0) this.#options.say(`${i + 1} of ${events.length}: ${this.#counts()}`);
    }
  }

  #schedule(): ChaosEvent[] {
    const { kills, freezes } = this.#options;
    const events = Array.from({ length: kills + freezes }, (_, i) => ({
      event: { kind: i < kills ? ('kill' as const) : ('freeze' as const), victim: this.#anyVictim() },
      key: this.#random.fraction(),
    }));
    return events.sort((a, b) => a.key - b.key).map(({ event }) => event);
  }

  #anyVictim(): Victim {
    const at = Math.floor(this.#random.fraction() * 5);
    return VICTIMS[Math.floor(at / 2)] ?? 'server';
  }

  /** Of both kinds in turn, as soon as the source takes the next one. */
  async #placeMarkers(marking: { readonly on: boolean }): Promise<void> {
    for (let i = 0; marking.on;) {
      const kind = i % 2 === 0 ? 'snapshot' : 'custom';
      if (await this.#ledger.place(this.pair, this.#hosts, kind)) {
        i += 1;
        await pause(3000);
      } else {
        await pause(200);
      }
    }
  }

  /** Nobody helps: the link, the destination and its markers find their way back by themselves. */
  async #settle(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
    this.#options.say(`all are running again: ${this.#counts()}`);
    await this.pair.inStep(SETTLE_PATIENCE);
    await this.pair.until('running markers', () => Promise.resolve(this.#ledger.allRan()), SETTLE_PATIENCE);
  }

  async #end(): Promise<void> {
    for (const site of ['source', 'destination'] as const) {
      const code = await this.pair.stop(site);
      if (code !== 0)
        this.#wrong.push(`the ${site} ended with ${code ?? 'a signal'} when it was told to stop`);
    }
    this.#compare();
    this.#wrong.push(...this.#ledger.check(this.pair, this.#hosts));
  }

  #compare(): void {
    for (const name of Object.keys(VOLUMES)) {
      const source = readFileSync(this.pair.volume('source', name));
      if (!source.equals(readFileSync(this.pair.volume('destination', name))))
        this.#wrong.push(`volume ${name} is not the same on both sides`);
      for (const host of this.#hosts.filter(({ options }) => options.volume === name)) {
        const wrong = host.history.recover(host.regionOf(source), 'answered');
        if (wrong !== undefined) this.#wrong.push(`in the end ${wrong}`);
      }
    }
  }

  #failed(): boolean {
    if (this.#options.signal?.aborted === true) return true;
    return this.#victims.failures.length > 0 || this.#hosts.some(({ wrong }) => wrong.length > 0);
  }

  #counts(): string {
    const writes = this.#sum((host) => host.history.writes);
    const back = this.#sum((host) => host.connections - 1);
    return `${writes} writes, ${back} reconnections, ${this.#ledger.placed} markers`;
  }

  #sum(of: (host: RegionHost) => number): number {
    return this.#hosts.reduce((sum, host) => sum + of(host), 0);
  }

  #report(seconds: number): ChaosReport {
    return {
      ok: this.#wrong.length === 0,
      seed: this.#options.seed,
      kills: this.#kills,
      freezes: this.#freezes,
      writes: this.#sum((host) => host.history.writes),
      flushes: this.#sum((host) => host.flushes),
      reconnections: this.#sum((host) => host.connections - 1),
      markers: this.#ledger.placed,
      programStarts: this.#ledger.programStarts,
      seconds: Math.round(seconds),
      wrong: this.#wrong,
    };
  }
}
