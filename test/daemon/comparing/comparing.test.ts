import assert from 'node:assert/strict';
import {
  comparedWith,
  outcomeOf,
  waitsFor,
  type Answers,
} from '../../../src/daemon/comparing/window-answers.ts';
import { pieceBits, withCompared, type CompareAnswer } from '../../../src/journal/compare-answer.ts';
import { parseCompare } from '../../../src/journal/compare.ts';
import { lsn, LSN_NONE, type Lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../../../src/journal/record.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { verifyDigest } from '../../../src/journal/verify.ts';
import { VOLUME_SIZE } from '../../capture/engine.ts';
import { SEGMENT_BYTES_MAX, SourceSite } from '../source/source-site.ts';

const REGION = 64 * 1024;
const NAMES = ['a', 'b'];

/** A destination with an old copy, which takes what is sealed. */
class Replica {
  readonly content = [Buffer.alloc(VOLUME_SIZE), Buffer.alloc(VOLUME_SIZE)];
  applied: Lsn = LSN_NONE;
  comparison: CompareAnswer | undefined;
  /** Bytes that were copied to it. */
  copied = 0;
  /** It says nothing new. */
  mute = false;
  #told: Answers = new Map([['there', undefined]]);

  answers = (): Answers => {
    const { applied, comparison } = this;
    if (!this.mute) this.#told = new Map([['there', { applied, comparison }]]);
    return this.#told;
  };

  /** In simulated time, until it says so. */
  async follow(site: SourceSite, isDone: () => boolean, confirms = true): Promise<void> {
    for (let i = 0; i < 120 && !isDone(); i += 1) {
      await site.clock.pass(500);
      for (const { range, path } of site.group.sealed) {
        if (range.first !== this.applied + 1) continue;
        const reader = openSegment(site.files, path, undefined);
        for (const frame of reader.frames()) for (const record of frame) this.#play(record);
        reader.close();
        this.applied = range.last;
      }
      if (confirms) site.confirm();
    }
    assert.ok(isDone(), `it takes too long: ${site.group.mode}`);
  }

  #play(record: JournalRecord): void {
    const { kind, volume, offset, length, payload, flags } = record;
    const content = this.content[volume]!;
    if (kind === RecordKind.write) payload.copy(content, offset);
    if (kind === RecordKind.zero) content.fill(0, offset, offset + length);
    if ((flags & RecordFlag.fromVolume) !== 0) this.copied += length;
    if (kind !== RecordKind.compare) return;
    const told = parseCompare(record)!;
    const differs = told.digests.map((digest, i) => {
      const start = offset + i * told.pieceSize;
      return !verifyDigest(content.subarray(start, start + told.pieceSize)).equals(digest);
    });
    this.comparison = withCompared(this.comparison, told, differs);
  }
}

async function sameAs(site: SourceSite, replica: Replica): Promise<void> {
  await replica.follow(site, () => replica.applied === site.group.checkpoint.shipped);
  for (const [i, name] of NAMES.entries()) assert.ok(replica.content[i]!.equals(site.seen(name)), name);
}

describe('a source whose destination has an old copy', () => {
  const isInStep = (site: SourceSite) => (): boolean => site.group.mode === 'journal';
  const isNoted = (site: SourceSite): boolean => site.disk.stat('/group/comparing.json') !== undefined;

  it('sends what differs instead of the first copy, after a restart too, and then asks no more', async () => {
    const replica = new Replica();
    replica.content[0]!.fill(9, 2 * REGION + 512, 2 * REGION + 1024);
    const { answers } = replica;
    const begun = await SourceSite.startFresh({ answers });
    await begun.group.initialize({ compare: true });
    replica.mute = true;
    await replica.follow(begun, () => replica.comparison !== undefined);
    assert.deepEqual([begun.group.mode, begun.group.copy?.comparing], ['initializing', true]);
    begun.write('b', REGION);
    await begun.clock.pass(2000);
    await begun.host.stop();
    await begun.group.stop().catch(() => undefined);
    const { checkpoint } = await begun.back.open();
    const site = await SourceSite.startFresh({ answers }, { disk: begun.disk, done: checkpoint.applied });
    replica.mute = false;
    assert.equal(site.group.copy?.comparing, true);
    await replica.follow(site, isInStep(site));
    await sameAs(site, replica);
    assert.equal(replica.copied, REGION);
    assert.ok(!isNoted(site));
    await site.group.stop();
  });

  it('believes no answer about what hosts overwrote since while nothing was shipped (I3)', async () => {
    const replica = new Replica();
    let quota = 64 * SEGMENT_BYTES_MAX;
    const options = { whenFull: 'change-map', quota: () => quota, answers: replica.answers } as const;
    const site = await SourceSite.startFresh(options);
    await site.group.initialize({ compare: true });
    replica.mute = true;
    await replica.follow(site, () => replica.comparison !== undefined);
    const { window } = replica.comparison!;
    quota = 2 * SEGMENT_BYTES_MAX;
    for (let i = 0; i < 40 && site.group.mode !== 'change-map'; i += 1) await site.fill(1);
    assert.equal(site.group.mode, 'change-map');
    site.write('a', 0);
    await site.clock.pass(2000);
    const everything = [{ volume: 0 as VolumeIndex, start: 0, end: VOLUME_SIZE }];
    assert.equal(await site.back.markEqual(everything, window), undefined, 'in the gap');
    quota = 64 * SEGMENT_BYTES_MAX;
    replica.mute = false;
    const { copyBegun } = site.group.checkpoint;
    await replica.follow(site, () => site.group.checkpoint.copyBegun > copyBegun);
    assert.equal(await site.back.markEqual(everything, window), undefined, 'behind it');
    await replica.follow(site, isInStep(site));
    await sameAs(site, replica);
    await site.group.stop();
  });

  it('says which destination it waits for, and sends all without a question when it is told to', async () => {
    const replica = new Replica();
    const site = await SourceSite.startFresh({ answers: replica.answers });
    await site.group.initialize({ compare: true });
    replica.mute = true;
    await replica.follow(site, () => site.waiting().includes('comparing'));
    assert.match(site.group.waits.list()[0]?.message ?? '', /waits until there has said what differs there/);
    await site.group.initialize({ compare: false });
    assert.deepEqual([isNoted(site), site.waiting()], [false, []]);
    await replica.follow(site, isInStep(site));
    assert.equal(replica.copied, 2 * VOLUME_SIZE);
    await site.group.stop();
  });
});

describe('what several destinations answer', () => {
  const asked = { window: lsn(5), last: lsn(9), pieces: 4 };
  const answer = (applied: number, compared: number, differing: number, window = 5): Answers =>
    new Map([
      [
        'bern',
        {
          applied: lsn(applied),
          comparison: {
            window: lsn(window),
            compared: Buffer.of(compared).toString('base64'),
            differing: Buffer.of(differing).toString('base64'),
          },
        },
      ],
    ]);
  const both = (one: Answers, other: Answers): Answers => new Map([...one, ['basel', other.get('bern')]]);
  const outcome = (answers: Answers): unknown => {
    const { equal, differing } = outcomeOf(asked, answers);
    const pieces = (bytes: Uint8Array): number[] =>
      [0, 1, 2, 3].filter((i) => pieceBits(Buffer.from(bytes).toString('base64'), 4).has(i));
    return [pieces(equal), pieces(differing)];
  };

  it('is equal where all say so, differs where one says so, and is open where one does not say', () => {
    assert.deepEqual(outcome(both(answer(9, 0b1111, 0b0001), answer(9, 0b0111, 0b0100))), [[1], [0, 2]]);
    assert.deepEqual(
      outcome(both(answer(9, 0b1111, 0), answer(9, 0b1111, 0, 4))),
      [[], []],
      'another window',
    );
  });

  it('is asked of those alone that do not wait for another copy, if there are any', () => {
    const asking = (id: string): Answers =>
      new Map([['bern', { applied: lsn(1), comparison: undefined, resync: { id, volumes: [] } }]]);
    const named = (answers: Answers): string[] => [...comparedWith(answers, 'a').keys()];
    assert.deepEqual(named(both(answer(9, 0, 0), asking('b'))), ['bern']);
    assert.deepEqual(named(both(answer(9, 0, 0), asking('a'))), ['bern', 'basel']);
    assert.deepEqual(named(asking('b')), ['bern']);
  });

  it('is waited for until each has come to the window’s end', () => {
    assert.deepEqual(waitsFor(asked, both(answer(8, 0, 0), answer(9, 0, 0))), ['bern']);
    assert.deepEqual(waitsFor(asked, new Map([['bern', undefined]])), ['bern']);
  });
});
