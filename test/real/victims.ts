/** What the chaos kills and freezes: either daemon, or the file server between them. Each comes back by itself. */
import type { FtpServer } from '../servers/ftp-server.ts';
import { pause, type Site, type SitePair } from '../support/site-pair.ts';

export const VICTIMS = ['source', 'destination', 'server'] as const;
export type Victim = (typeof VICTIMS)[number];

export class Victims {
  readonly #pair: SitePair;
  readonly #server: FtpServer;
  /** Counts up with each kill, so that a start which was cut short is told from one that failed. */
  readonly #lives: Record<Victim, number> = { source: 0, destination: 0, server: 0 };
  readonly #starts = new Set<Promise<void>>();
  readonly #thaws = new Set<Promise<void>>();
  /** Daemons that have started and were not killed since. */
  readonly #up = new Set<Site>(['source', 'destination']);
  readonly #failures: string[] = [];

  constructor(pair: SitePair, server: FtpServer) {
    this.#pair = pair;
    this.#server = server;
  }

  /** Those that did not start, or ended, although nobody killed them. */
  get failures(): string[] {
    const ended = [...this.#up].filter((site) => !this.#pair.alive(site));
    return [...this.#failures, ...ended.map((site) => `the ${site} ended by itself`)];
  }

  /** SIGKILL at once, also in the middle of its start, and a new start after `away` milliseconds, which is not waited for. */
  async kill(victim: Victim, away: number): Promise<void> {
    this.#lives[victim] += 1;
    const life = this.#lives[victim];
    if (victim === 'server') {
      await this.#server.kill();
    } else {
      this.#up.delete(victim);
      await this.#pair.stop(victim, 'SIGKILL');
    }
    keep(this.#starts, this.#start(victim, life, away));
  }

  /** SIGSTOP now, SIGCONT after `time` milliseconds, which is not waited for. */
  freeze(victim: Victim, time: number): void {
    this.#signal(victim, 'SIGSTOP');
    keep(
      this.#thaws,
      pause(time).then(() => this.#signal(victim, 'SIGCONT')),
    );
  }

  /** Resolves when all that was killed has started again. */
  async started(): Promise<void> {
    while (this.#starts.size > 0) await Promise.all(this.#starts);
  }

  /** Resolves when all are running. */
  async settled(): Promise<void> {
    await Promise.all(this.#thaws);
    await this.started();
  }

  async #start(victim: Victim, life: number, away: number): Promise<void> {
    await pause(away);
    if (life !== this.#lives[victim]) return;
    try {
      if (victim === 'server') {
        await this.#server.run();
        return;
      }
      await this.#pair.start(victim);
      if (life === this.#lives[victim]) this.#up.add(victim);
    } catch (error) {
      if (life === this.#lives[victim]) this.#failures.push(`the ${victim} did not start: ${String(error)}`);
    }
  }

  #signal(victim: Victim, signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (victim === 'server') {
      if (signal === 'SIGSTOP') this.#server.freeze();
      else this.#server.thaw();
    } else if (this.#pair.alive(victim)) {
      process.kill(this.#pair.pid(victim), signal);
    }
  }
}

function keep(among: Set<Promise<void>>, work: Promise<void>): void {
  among.add(work);
  void work.then(() => among.delete(work));
}
