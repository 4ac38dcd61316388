/** Two sites with a folder between them that can be cut, of which either may serve: driven by the command line, as on the day. */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { MountEntry } from '../../../src/api/contract/mounts.ts';
import type { FailoverAnswer, RejoinAnswer } from '../../../src/api/contract/roles.ts';
import { NbdClient } from '../../../src/nbd/client.ts';
import { cli } from '../../api/fixture.ts';
import { SitePair, type Site } from '../../support/site-pair.ts';

/** Milliseconds for what goes on by itself, however busy the machine. */
const PATIENCE = 600_000;

export const otherSite = (site: Site): Site => (site === 'source' ? 'destination' : 'source');

/** Of the command that changed something: its answer in JSON. */
type Answers = {
  readonly failover: FailoverAnswer;
  readonly switchover: object;
  readonly rejoin: RejoinAnswer;
};

export class TwoSites {
  readonly pair: SitePair;
  readonly #line: string;
  readonly #far: string;
  readonly #signal: AbortSignal | undefined;

  /**
   * `folder`: empty; the caller removes it. `volumes`: name → bytes. `signal`, aborted: nothing is waited for any more.
   * `destinationExtra`: settings of the destination's group.
   */
  constructor(
    folder: string,
    volumes: Readonly<Record<string, number>>,
    signal?: AbortSignal,
    destinationExtra = '',
  ) {
    this.#signal = signal;
    this.#line = join(folder, 'line');
    this.#far = join(folder, 'destination/buffer');
    this.pair = new SitePair({
      folder,
      volumes,
      quota: '8 GiB',
      segment: '{ size: 8 MiB, age: 1 s }',
      transport: '        folder: ../line/g',
      destinationExtra: `    views: { socket: views.sock }\n${destinationExtra}`,
    });
    mkdirSync(this.#far, { recursive: true });
    this.join();
  }

  cut(): void {
    rmSync(this.#line, { force: true });
  }

  join(): void {
    this.cut();
    symlinkSync(this.#far, this.#line);
  }

  async start(): Promise<void> {
    await this.pair.start('destination');
    await this.pair.start('source');
    await this.inStep('source');
  }

  socket(site: Site): string {
    return site === 'source' ? this.pair.socket : this.pair.path(site, 'state', 'g.nbd.sock');
  }

  /** What a command says at a site. @throws Error with what it said instead */
  async command(site: Site, ...words: readonly string[]): Promise<string> {
    const { exitCode, out, error } = await cli([...words, '--state', this.pair.path(site, 'state')]);
    if (exitCode !== 0) throw new Error(`blockferry ${words.join(' ')} at the ${site}: ${error}${out}`);
    return out;
  }

  async change<V extends keyof Answers>(site: Site, verb: V): Promise<Answers[V]> {
    return JSON.parse(await this.command(site, verb, 'g', '--yes', '--json')) as Answers[V];
  }

  /** A recovery point as it is seen where it is mounted, one volume after the other; it is mounted while `look` runs. */
  async mounted<T>(site: Site, point: string, look: (mount: MountEntry) => Promise<T>): Promise<T> {
    const mount = JSON.parse(await this.command(site, 'mount', 'g', point, '--json')) as MountEntry;
    try {
      return await look(mount);
    } finally {
      await this.command(site, 'unmount', 'g', mount.name);
    }
  }

  async isServed(site: Site): Promise<void> {
    const [volume = ''] = Object.keys(this.pair.options.volumes);
    const reach = async (): Promise<boolean> => {
      (await NbdClient.open({ path: this.socket(site) }, volume)).close();
      return true;
    };
    await this.#until(`the ${site} serving`, reach);
  }

  /**
   * A side that served, and is running again, follows the one that took over: by itself, or once it is told to.
   * Returns what it kept aside. It is in step by then, but for what hosts write just now.
   */
  async rejoin(site: Site): Promise<RejoinAnswer | undefined> {
    let answer: RejoinAnswer | undefined;
    const follows = async (): Promise<boolean> => {
      const [group] = (await this.pair.report(site)).groups;
      if (group?.role === 'source' && group.waits.some(({ code }) => code === 'deposed'))
        answer = await this.change(site, 'rejoin');
      return this.#follows(site);
    };
    await this.#until(`the ${site} following`, follows);
    return answer;
  }

  /** What hosts wrote at a time (milliseconds since 1970) is applied at the side that follows; they write on. */
  async hasReached(follower: Site, time: number): Promise<void> {
    const isApplied = async (): Promise<boolean> => {
      const [group] = (await this.pair.report(follower)).groups;
      return group?.role === 'destination' && group.appliedTime > time;
    };
    await this.#until(`the ${follower} applying what hosts write`, isApplied);
  }

  /** Nobody writes, and both have everything. */
  async inStep(serving: Site): Promise<void> {
    const isSame = async (): Promise<boolean> => {
      const [source] = (await this.pair.report(serving)).groups;
      const [follower] = (await this.pair.report(otherSite(serving))).groups;
      return (
        source?.role === 'source' &&
        follower?.role === 'destination' &&
        follower.applied === source.lsn &&
        source.checkpoint === source.lsn &&
        (await this.#follows(otherSite(serving)))
      );
    };
    await this.#until(`the ${otherSite(serving)} getting into step`, isSame);
  }

  /** @throws Error when it was interrupted, or takes too long */
  async #until(what: string, isDone: () => Promise<boolean>): Promise<void> {
    const signal = this.#signal;
    await this.pair.until(what, async () => signal?.aborted === true || (await isDone()), PATIENCE);
    signal?.throwIfAborted();
  }

  async #follows(site: Site): Promise<boolean> {
    const [source] = (await this.pair.report(otherSite(site))).groups;
    const [follower] = (await this.pair.report(site)).groups;
    return (
      source?.role === 'source' &&
      source.mode === 'journal' &&
      follower?.role === 'destination' &&
      follower.consistent &&
      follower.epoch === source.epoch
    );
  }
}
