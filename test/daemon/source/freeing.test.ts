import assert from 'node:assert/strict';
import { Freeing } from '../../../src/daemon/source/freeing.ts';
import { ReplicationFiles } from '../../../src/daemon/source/replication-files.ts';
import type { SealedFile } from '../../../src/daemon/source-back/sealed-file.ts';
import { epoch, lsn } from '../../../src/journal/ids.ts';

const MIB = 1024 * 1024;

function file(first: number): SealedFile {
  const range = { epoch: epoch(1), first: lsn(first), last: lsn(first + 9) };
  return { name: `${first}.seg`, path: `/journal/${first}.seg`, range, bytes: 8 * MIB, end: 'control' };
}

/** Ten files of ten records each; what is asked of the back thread. */
function buffer(): {
  readonly freed: { name: string; spareBytes: number }[];
  readonly facts: { upTo: number; sending: string; quota: number; freeSpace: number };
  readonly files: ReplicationFiles;
  readonly freeing: Freeing;
  readonly drops: () => number;
} {
  const freed: { name: string; spareBytes: number }[] = [];
  const facts = { upTo: 0, sending: '', quota: 1024 * MIB, freeSpace: 10_000 * MIB };
  let drops = 0;
  const found = Array.from({ length: 10 }, (_, i) => file(10 * i + 1));
  const files = new ReplicationFiles(found, 0);
  const freeing = new Freeing({
    files,
    back: {
      free: ({ name }, spareBytes) => {
        freed.push({ name, spareBytes });
        return Promise.resolve(spareBytes > 0);
      },
      dropSpares: () => Promise.resolve(void (drops += 1)),
    },
    received: () => lsn(facts.upTo),
    applied: () => lsn(1000),
    isSending: (name) => name === facts.sending,
    quota: () => facts.quota,
    free: () => facts.freeSpace,
  });
  return { freed, facts, files, freeing, drops: () => drops };
}

describe('what nobody needs any more of a source’s replication files', () => {
  it('goes, and may be kept to be written over, unless a link still reads it', async () => {
    const { freed, facts, freeing } = buffer();
    facts.upTo = 30;
    facts.sending = '11.seg';
    await freeing.free();
    assert.deepEqual(
      freed.map(({ name, spareBytes }) => [name, spareBytes > 0]),
      [
        ['1.seg', true],
        ['11.seg', false],
        ['21.seg', true],
      ],
    );
  });

  it('is kept in what the quota leaves and in half of what the disk does, and 256 MiB at most (I8)', async () => {
    const { freed, facts, freeing } = buffer();
    for (const [upTo, quota, freeSpace] of [
      [10, 1024, 10_000],
      [20, 90, 10_000],
      [30, 1024, 30],
    ] as const) {
      Object.assign(facts, { upTo, quota: quota * MIB, freeSpace: freeSpace * MIB });
      await freeing.free();
    }
    assert.deepEqual(
      freed.map(({ spareBytes }) => spareBytes / MIB),
      [256, 90 - 9 * 8, 15],
    );
  });

  it('is kept no longer than something is sealed', async () => {
    const { facts, files, freeing, drops } = buffer();
    await freeing.tidy();
    assert.equal(drops(), 0, 'there was nothing');
    facts.upTo = 10;
    files.add([file(101)], 0);
    await freeing.tidy();
    assert.equal(drops(), 0);
    await freeing.tidy();
    assert.equal(drops(), 1);
    await freeing.tidy();
    assert.equal(drops(), 1, 'nothing was kept since');
    facts.upTo = 20;
    await freeing.free();
    await freeing.tidy();
    assert.equal(drops(), 2);
  });
});
