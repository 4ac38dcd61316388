/** Two sites that change their parts, as real processes, over one server that both reach by a line of which it is a link. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { MountEntry } from '../../src/api/contract/mounts.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { connectDaemon } from './daemon-client.ts';
import { temporaryFolder } from './folder.ts';
import { SitePair, type Site } from './site-pair.ts';
import { StampedHost } from './stamped-load.ts';

export const MIB = 1024 * 1024;
const VOLUMES = { a: 8 * MIB, b: 8 * MIB } as const;
const NAMES = Object.keys(VOLUMES) as (keyof typeof VOLUMES)[];
const other = (site: Site): Site => (site === 'source' ? 'destination' : 'source');

/** Called by what their files say; the line between them can be cut. */
export class RolePair {
  readonly folder = temporaryFolder();
  readonly sites: SitePair;
  readonly hosts = NAMES.map((volume, i) => ({
    volume,
    host: new StampedHost(i + 1, { start: 0, length: VOLUMES[volume] / 2 }, 16 * 1024),
  }));

  constructor() {
    this.sites = new SitePair({
      folder: this.folder,
      volumes: VOLUMES,
      transport: '        folder: ../line/g',
      destinationExtra: '    views: { socket: views.sock }',
    });
    mkdirSync(join(this.folder, 'destination/buffer'), { recursive: true });
    this.join();
  }

  cut(): void {
    rmSync(join(this.folder, 'line'));
  }

  join(): void {
    symlinkSync(join(this.folder, 'destination/buffer'), join(this.folder, 'line'));
  }

  socket(site: Site): string {
    return site === 'source' ? this.sites.socket : this.sites.path(site, 'state', 'g.nbd.sock');
  }

  async write(site: Site, count = 150): Promise<void> {
    for (const { volume, host } of this.hosts)
      assert.ok(await host.run({ path: this.socket(site) }, volume, count), `${volume} is served`);
  }

  ask<T>(site: Site, verb: string, body: object = {}): Promise<T> {
    return connectDaemon(this.sites.path(site, 'state'), 'POST', `/groups/g/${verb}`, body) as Promise<T>;
  }

  async isServed(site: Site): Promise<void> {
    await this.sites.until(`the ${site} serving`, async () => {
      const client = await NbdClient.open({ path: this.socket(site) }, 'a');
      client.close();
      return true;
    });
  }

  /** Until it says so; what it says. */
  async waits(site: Site, wanted: string): Promise<readonly string[]> {
    let told: string[] = [];
    await this.sites.until(`the ${site} ${wanted}`, async () => {
      const [group] = (await this.sites.report(site)).groups;
      const streams = group?.role === 'source' ? group.streams : [];
      const all = [...(group?.waits ?? []), ...streams.flatMap(({ waits }) => waits)];
      told = all.filter(({ code }) => code === wanted).map(({ message }) => message);
      return told.length > 0;
    });
    return told;
  }

  /** Both at the same record, the other one consistent; then both volumes of each are the same. */
  async identical(serving: Site): Promise<void> {
    await this.sites.until(`the ${other(serving)} following`, async () => {
      const [source] = (await this.sites.report(serving)).groups;
      const [follower] = (await this.sites.report(other(serving))).groups;
      return (
        source?.role === 'source' &&
        follower?.role === 'destination' &&
        source.mode === 'journal' &&
        follower.consistent &&
        follower.epoch === source.epoch &&
        follower.applied === source.lsn &&
        source.checkpoint === source.lsn
      );
    });
    for (const name of NAMES) {
      const [here, there] = [this.sites.volume('source', name), this.sites.volume('destination', name)];
      assert.ok(readFileSync(here).equals(readFileSync(there)), `volume ${name} is the same on both sides`);
    }
  }

  check(site: Site): void {
    for (const { volume, host } of this.hosts)
      assert.deepEqual(host.check(readFileSync(this.sites.volume(site, volume))).slice(0, 3), []);
  }
}

/** What a mount of a volume holds. */
export async function contentOf({ address, exports }: MountEntry, volume: string): Promise<Buffer> {
  const offered = exports.find((entry) => entry.volume === volume);
  assert.ok(offered !== undefined && address.kind === 'socket');
  const client = await NbdClient.open({ path: address.path }, offered.name);
  try {
    return await client.read(0, offered.size);
  } finally {
    client.close();
  }
}
