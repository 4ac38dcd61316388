/**
 * A virus overwrites every file of a real file system; the state of the moment before is mounted at the destination, files are
 * copied out of it, and then the group goes back to it on both sides: by the commands that the README names, in their order.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MountEntry } from '../../../src/api/contract/mounts.ts';
import { uriOf } from '../../../src/api/contract/nbd-uri.ts';
import { sameFiles } from '../../../tools/verdicts.ts';
import { seededRandom } from '../../support/random.ts';
import { pause } from '../../support/site-pair.ts';
import { HostDisk, run } from './host-disk.ts';
import { TwoSites } from './two-sites.ts';

const MIB = 1024 * 1024;
const FILES = 40;

export interface VirusOptions {
  /** Empty; the caller removes it. */
  readonly folder: string;
  /** MiB of the volume. */
  readonly size: number;
  readonly seed: string;
  readonly signal?: AbortSignal;
}

export interface VirusReport {
  /** The moment that is gone back to. */
  readonly at: string;
  readonly files: number;
  /** Milliseconds from the command until hosts were served again, at the destination and as it was. */
  readonly servedIn: number;
  readonly wrong: readonly string[];
}

export async function runVirus(options: VirusOptions): Promise<VirusReport> {
  const size = options.size * MIB;
  const retain = '    retain: { time: 1 d, size: 8 GiB }\n';
  const sites = new TwoSites(options.folder, { a: size }, options.signal, retain);
  const disk = new HostDisk(join(options.folder, 'host'));
  try {
    return await new Virus(sites, disk, { ...options, size }).run();
  } finally {
    await disk.detach();
    await sites.pair.stopAll();
  }
}

/** Name → digest. */
type Contents = Readonly<Record<string, string>>;

class Virus {
  readonly #sites: TwoSites;
  readonly #disk: HostDisk;
  readonly #options: VirusOptions;
  readonly #wrong: string[] = [];

  constructor(sites: TwoSites, disk: HostDisk, options: VirusOptions) {
    this.#sites = sites;
    this.#disk = disk;
    this.#options = options;
  }

  async run(): Promise<VirusReport> {
    await this.#sites.start();
    await this.#attach('source');
    this.#disk.format();
    this.#disk.mount();
    const good = this.#write('good');
    // The state of this second is what is gone back to.
    await pause(2000);
    const at = new Date().toISOString();
    await pause(2000);
    this.#write('overwritten by a virus');
    await this.#sites.inStep('source');
    await this.#copyOut(at, good);
    await this.#disk.detach();
    const since = performance.now();
    await this.#sites.command('destination', 'failover', 'g', '--at', at, '--yes');
    await this.#sites.isServed('destination');
    const servedIn = performance.now() - since;
    await this.#sites.rejoin('source');
    await this.#sites.command('destination', 'switchover', 'g', '--yes');
    await this.#sites.isServed('source');
    await this.#sites.inStep('source');
    await this.#attach('source');
    this.#disk.checkAndMount();
    this.#compare('at the source', this.#disk.place, good);
    await this.#disk.detach();
    await this.#sites.inStep('source');
    const { pair } = this.#sites;
    if (!sameFiles(pair.volume('source', 'a'), pair.volume('destination', 'a')))
      this.#wrong.push('the volume is not the same on both sides');
    return { at, files: FILES, servedIn, wrong: this.#wrong };
  }

  async #attach(site: 'source'): Promise<void> {
    await this.#disk.attach(`nbd+unix:///a?socket=${this.#sites.socket(site)}`, this.#options.size);
  }

  /** Every file anew, and all of it at the source's disk. */
  #write(what: string): Contents {
    const random = seededRandom(`${this.#options.seed} ${what}`);
    for (let i = 0; i < FILES; i += 1)
      writeFileSync(
        join(this.#disk.place, `file-${i}`),
        Buffer.from(random.bytes(1 + Math.floor(random.fraction() * MIB))),
      );
    run('sync', '-f', this.#disk.place);
    return contentsOf(this.#disk.place);
  }

  /** Of what is mounted, which replication goes on beside. */
  async #copyOut(at: string, good: Contents): Promise<void> {
    const said = await this.#sites.command('destination', 'mount', 'g', '--at', at, '--writable', '--json');
    const mount = JSON.parse(said) as MountEntry;
    const rescue = join(this.#options.folder, 'rescued');
    const past = new HostDisk(join(this.#options.folder, 'past'));
    mkdirSync(rescue);
    try {
      const [offered] = mount.exports;
      await past.attach(uriOf(mount, offered?.name ?? ''), this.#options.size);
      past.mount();
      for (const name of namesIn(past.place)) copyFileSync(join(past.place, name), join(rescue, name));
    } finally {
      await past.detach();
      await this.#sites.command('destination', 'unmount', 'g', mount.name);
    }
    this.#compare('copied out of the mount', rescue, good);
  }

  #compare(what: string, folder: string, good: Contents): void {
    const found = contentsOf(folder);
    const differing = Object.keys({ ...good, ...found }).filter((name) => good[name] !== found[name]);
    if (differing.length > 0)
      this.#wrong.push(`${what}: ${differing.length} files differ, ${differing[0] ?? ''}`);
  }
}

const namesIn = (folder: string): string[] => readdirSync(folder).filter((name) => name.startsWith('file-'));

function contentsOf(folder: string): Contents {
  const digest = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  return Object.fromEntries(namesIn(folder).map((name) => [name, digest(name)]));
}
