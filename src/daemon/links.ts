/** The links of a daemon: those that several streams share, and one of its own for every other stream. */
import type { Config, LinkConfig } from '../config/config.ts';
import type { Clock } from '../platform/clock.ts';
import { SharedLink, type SharedLinkSettings } from '../transfer/shared-link.ts';
import { Turns } from '../transfer/turns.ts';

/** What all links together have in common: copies yield on each link by itself. */
const EVEN = 0.5;

export type LinksConfig = Pick<Config, 'transfers' | 'links' | 'groups'>;

export class Links {
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #shared = new Map<string, SharedLink>();
  readonly #own = new Set<SharedLink>();

  constructor(clock: Clock, config: LinksConfig) {
    this.#clock = clock;
    this.#turns = new Turns(config.transfers, EVEN);
    for (const [name, settings] of settingsOf(config)) {
      this.#shared.set(name, new SharedLink(clock, this.#turns, settings));
    }
  }

  /** The link that a stream uses. `segmentSize`: its group's, bytes. */
  of(config: LinkConfig, segmentSize: number): SharedLink {
    const shared = config.link === undefined ? undefined : this.#shared.get(config.link);
    if (shared !== undefined) return shared;
    const settings = { week: undefined, files: config.parallel, copyShare: EVEN, burstMax: segmentSize };
    const own = new SharedLink(this.#clock, this.#turns, settings);
    this.#own.add(own);
    return own;
  }

  /** Those that are there are changed as they are; no stream uses the ones that come and go. */
  configure(config: LinksConfig): void {
    this.#turns.configure(config.transfers, EVEN);
    const wanted = settingsOf(config);
    for (const [name, link] of this.#shared) {
      if (wanted.has(name)) continue;
      link.stop();
      this.#shared.delete(name);
    }
    for (const [name, settings] of wanted) {
      const link = this.#shared.get(name);
      if (link === undefined) this.#shared.set(name, new SharedLink(this.#clock, this.#turns, settings));
      else link.configure(settings);
    }
  }

  stop(): void {
    for (const link of [...this.#shared.values(), ...this.#own]) link.stop();
  }
}

function settingsOf({ links, groups }: LinksConfig): Map<string, SharedLinkSettings> {
  return new Map(
    links.map(({ name, week, files, copyShare }) => {
      const sizes = groups.flatMap((group) => {
        const uses = group.role === 'source' && group.destinations.some(({ link }) => link === name);
        return uses ? [group.segment.size] : [];
      });
      return [name, { week, files, copyShare, burstMax: Math.min(...sizes, Number.MAX_SAFE_INTEGER) }];
    }),
  );
}
