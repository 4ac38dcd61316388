import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import { temporaryFolder } from '../support/folder.ts';
import { assertVolumes, marker, Site, Stream, write } from './stream.ts';

const ID = '0123456789abcdef0123456789abcdef';

describe('what is received and applied next', () => {
  let stream: Stream;
  let site: Site;
  let back: DestinationBack;

  beforeEach(async () => {
    const root = temporaryFolder();
    stream = new Stream(join(root, 'source'));
    site = new Site(root);
    back = site.start();
    await receive(
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
    );
    await back.applySome();
  });

  afterEach(() => back.close());

  async function receive(path: string): Promise<void> {
    assert.equal((await back.receive([site.deliver(path)])).taken, 1);
  }

  async function anotherGroup(): Promise<{ others: Stream; other: Site; second: DestinationBack }> {
    const root = temporaryFolder();
    const [others, other] = [new Stream(join(root, 'source')), new Site(root)];
    const second = other.start();
    const begin = others.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' });
    await second.receive([other.deliver(begin)]);
    await second.applySome();
    return { others, other, second };
  }

  /** All that is received and not applied is no longer what it was. */
  function rot(): void {
    const journal = join(site.folder, 'journal');
    for (const name of readdirSync(journal)) {
      const bytes = readFileSync(join(journal, name));
      bytes.writeUInt8(bytes.readUInt8(300) ^ 1, 300);
      writeFileSync(join(journal, name), bytes);
    }
  }

  /** MiB of writes, a little more. */
  function sealed(size: number, fill: number): string {
    return stream.seal(
      ...Array.from({ length: size * 256 }, (_, i) => write(i % 2, (i % 16) * 4096, (i + fill) % 251)),
    );
  }

  it('is what was checked, whatever becomes of its file until then (I4)', async () => {
    for (const fill of [1, 2]) await receive(sealed(2, fill));
    rot();
    assert.equal((await back.applySome()).journalSegments, 0);
    assertVolumes(site.content(), stream.volumes);
  });

  it('is read again behind as much as memory allows', async () => {
    for (const fill of [1, 2]) await receive(sealed(12, fill));
    const volumes = stream.volumes.map((volume) => Buffer.from(volume));
    const third = sealed(12, 3);
    await receive(third);
    rot();
    await assert.rejects(async () => back.applySome(), { code: 'DAMAGED' });
    assertVolumes(site.content(), volumes, 'of the first two');
    await receive(third);
    rot();
    await back.applySome();
    assertVolumes(site.content(), stream.volumes, 'the memory is free again');
  });

  it('is read again after a failure', async () => {
    const image = site.paths.get('a') ?? '';
    const content = readFileSync(image);
    await receive(sealed(2, 1));
    writeFileSync(image, content.subarray(0, 512));
    await assert.rejects(async () => back.applySome(), { code: 'VOLUME_OFFLINE' });
    writeFileSync(image, content);
    rot();
    await assert.rejects(async () => back.applySome(), { code: 'DAMAGED' });
  });

  it('is not kept in memory while the program of a marker runs', async () => {
    await receive(stream.seal(marker('custom', 'backup', ID)));
    await back.applySome();
    await receive(sealed(2, 1));
    rot();
    await back.finishMarker(ID);
    await assert.rejects(async () => back.applySome(), { code: 'DAMAGED' });
  });

  it('is of one group at a time: that of another is read again', async () => {
    const { others, other, second } = await anotherGroup();
    await receive(sealed(2, 1));
    await second.receive([other.deliver(others.seal(write(0, 0, 7)))]);
    rot();
    await second.applySome();
    assertVolumes(other.content(), others.volumes);
    await assert.rejects(async () => back.applySome(), { code: 'DAMAGED' });
    await second.close();
  });

  it('shares memory with other groups, one after the other', async () => {
    const { others, other, second } = await anotherGroup();
    for (const fill of [1, 2, 3]) {
      await receive(sealed(2, fill));
      const steps = Array.from({ length: 600 }, (_, i) => write(0, (i % 16) * 4096, i % 251));
      await second.receive([other.deliver(others.seal(...steps))]);
      await back.applySome();
      await receive(sealed(2, fill + 10));
      await second.applySome();
      await back.applySome();
    }
    assertVolumes(site.content(), stream.volumes);
    assertVolumes(other.content(), others.volumes);
    await second.close();
  });
});
