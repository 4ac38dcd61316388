import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AskedWindow, EqualRange } from '../../src/capture/comparing-copy.ts';
import { pieceBits } from '../../src/journal/compare-answer.ts';
import { parseCompare } from '../../src/journal/compare.ts';
import type { Lsn } from '../../src/journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../../src/journal/record.ts';
import { verifyDigest } from '../../src/journal/verify.ts';
import { seededRandom } from '../support/random.ts';
import { Engine, freshDisk, VOLUME_SIZE } from './engine.ts';
import { settle } from './journal.ts';

const REGION = 64 * 1024;
const NAMES = ['a', 'b'] as const;
const REGIONS = VOLUME_SIZE / REGION;

/** A destination with an old copy, played record for record, which answers windows. */
class Replica {
  readonly content: readonly Buffer[];
  applied = 0 as Lsn;
  complete = false;
  /** Of what was copied: volume and region of each record of data, and of zeros. */
  readonly sent: string[] = [];
  readonly zeroed: string[] = [];
  /** Compare records that were cut off, and so are not answered: the first so many. */
  #lost: number;
  #bits = { compared: pieceBits('', 8 * REGIONS), differing: pieceBits('', 8 * REGIONS) };
  #window = 0;

  constructor(content: readonly Buffer[], lost = 0) {
    this.content = content;
    this.#lost = lost;
  }

  async follow(engine: Engine): Promise<void> {
    await settle();
    for (let item = engine.closed[0]; item !== undefined; item = engine.closed[0]) {
      for (const record of engine.records(item.raw)) this.#play(record);
      this.applied = item.raw.last;
      engine.destage();
    }
  }

  answer(engine: Engine, { window, pieces }: AskedWindow): readonly EqualRange[] {
    const { compared, differing } = this.#bits;
    const equal = pieceBits('', 8 * REGIONS);
    for (let i = 0; i < pieces; i += 1) equal.set(i, compared.has(i) && !differing.has(i));
    return engine.host.windows.answer({ window, equal: equal.bytes, differing: differing.bytes });
  }

  #play(record: JournalRecord): void {
    const { kind, volume, offset, length, payload, flags } = record;
    const content = this.content[volume]!;
    if (kind === RecordKind.write) payload.copy(content, offset);
    if (kind === RecordKind.zero) content.fill(0, offset, offset + length);
    if (kind === RecordKind.initEnd) this.complete = true;
    if (kind === RecordKind.compare) this.#compare(record);
    if ((flags & RecordFlag.fromVolume) === 0) return;
    for (let at = offset; at < offset + length; at += REGION)
      (kind === RecordKind.write ? this.sent : this.zeroed).push(`${volume} ${Math.floor(at / REGION)}`);
  }

  #compare(record: JournalRecord): void {
    const told = parseCompare(record)!;
    if (told.window !== this.#window)
      this.#bits = { compared: pieceBits('', 8 * REGIONS), differing: pieceBits('', 8 * REGIONS) };
    this.#window = told.window;
    this.#lost -= 1;
    if (this.#lost >= 0) return;
    for (const [i, digest] of told.digests.entries()) {
      const start = record.offset + i * told.pieceSize;
      const end = Math.min(start + told.pieceSize, record.offset + told.length);
      this.#bits.compared.set(told.first + i, true);
      const isSame = verifyDigest(this.content[record.volume]!.subarray(start, end)).equals(digest);
      this.#bits.differing.set(told.first + i, !isSame);
    }
  }
}

/** Both volumes hold what is random. */
function filledDisk(): ReturnType<typeof freshDisk> {
  const remains = freshDisk();
  const random = seededRandom('volumes');
  for (const name of NAMES) {
    const file = remains.disk.open(`/volumes/${name}`, 'write');
    file.write(random.bytes(VOLUME_SIZE), 0);
    file.syncNow();
  }
  return remains;
}

/** The last two regions of the second volume are a hole, which nobody writes to. */
function withHole(remains: ReturnType<typeof freshDisk>): ReturnType<typeof freshDisk> {
  const { disk } = remains;
  const hole = 3 * REGION;
  disk.open('/volumes/b', 'write').write(Buffer.alloc(VOLUME_SIZE - hole), hole);
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    const file = open(path, mode);
    if (path !== '/volumes/b') return file;
    return { ...file, nextData: (at) => (at < hole ? { start: at, end: hole } : undefined) };
  };
  return remains;
}

/** Of each volume, what differs in these regions. */
function oldCopy(engine: Engine, differing: readonly number[]): Buffer[] {
  return NAMES.map((name, volume) => {
    const content = engine.read(name);
    for (let region = 0; region < REGIONS; region += 1)
      if (differing.includes(volume * REGIONS + region)) content[region * REGION + 7]! ^= 1;
    return content;
  });
}

/** Until the copy has come to its end; what all windows came to. */
async function run(
  engine: Engine,
  replica: Replica,
  hosts: (turn: number) => void = () => undefined,
): Promise<EqualRange[]> {
  const equal: EqualRange[] = [];
  let asked: AskedWindow | undefined;
  const ask = (next: Promise<AskedWindow | undefined>): void => void next.then((window) => (asked = window));
  ask(engine.beginCompare());
  for (let i = 0; i < 400 && engine.copied === 0; i += 1) {
    hosts(i);
    await engine.clock.pass(10);
    await replica.follow(engine);
    if (asked === undefined || replica.applied < asked.last) continue;
    const { window } = asked;
    equal.push(...replica.answer(engine, asked));
    asked = undefined;
    ask(engine.host.windows.next(window));
  }
  assert.equal(engine.copied, 1);
  await engine.host.drain();
  await replica.follow(engine);
  engine.host.stop();
  return equal;
}

const keysOf = (ranges: readonly EqualRange[]): string[] =>
  ranges.flatMap(({ volume, start, end }) =>
    Array.from({ length: (end - start) / REGION }, (_, i) => `${volume} ${start / REGION + i}`),
  );

const unique = (keys: readonly string[]): string[] => [...new Set(keys)].sort();

describe('a copy that compares', () => {
  const SEGMENT = { segmentSize: 128 * 1024 };

  it('sends what differs and holes alone, once, whatever is cut off, and calls the rest equal (I3)', async () => {
    const regions = fc.uniqueArray(fc.nat({ max: 2 * REGIONS - 1 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(regions, fc.nat({ max: 3 }), async (differing, lost) => {
        const engine = new Engine(withHole(filledDisk()), SEGMENT);
        const replica = new Replica(oldCopy(engine, differing), lost);
        const equal = await run(engine, replica);
        assert.ok(replica.complete);
        for (const [i, name] of NAMES.entries())
          assert.ok(replica.content[i]!.equals(engine.read(name)), `volume ${name}`);
        const holes = ['1 3', '1 4'];
        const keys = differing.map((at) => `${Math.floor(at / REGIONS)} ${at % REGIONS}`);
        const data = keys.filter((key) => !holes.includes(key));
        assert.deepEqual(unique(replica.sent), data.sort());
        assert.deepEqual(unique(replica.zeroed), holes);
        const all = unique([...keysOf(equal), ...replica.sent, ...replica.zeroed]);
        assert.equal(all.length, 2 * REGIONS);
        assert.equal(keysOf(equal).length + data.length + holes.length, 2 * REGIONS, 'nothing twice');
      }),
      { numRuns: 8 },
    );
  });

  it('comes into step with what hosts write meanwhile (I3)', async () => {
    for (let seed = 0; seed < 5; seed += 1) {
      const engine = new Engine(filledDisk(), SEGMENT);
      const replica = new Replica(oldCopy(engine, [1, 4, 6]), seed % 3);
      const random = seededRandom(`hosts ${seed}`);
      await run(engine, replica, (turn) => {
        const name = NAMES[turn % 2]!;
        if (turn > 60 || engine.volume(name).room() !== undefined) return;
        const at = Math.floor((random.fraction() * VOLUME_SIZE) / 4096) * 4096;
        if (turn % 5 === 0) engine.volume(name).zero(at, 4096, { keepAllocated: false });
        else engine.write(name, at, random.bytes(4096));
      });
      for (const [i, name] of NAMES.entries())
        assert.ok(replica.content[i]!.equals(engine.read(name)), `volume ${name}, seed ${seed}`);
    }
  });

  it('that is stopped asks no more, sends no more, and an answer to it is for nothing', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    const replica = new Replica(oldCopy(engine, [0]));
    let asked: AskedWindow | undefined;
    void engine.beginCompare().then((window) => (asked = window));
    for (let i = 0; i < 50 && asked === undefined; i += 1) {
      await engine.clock.pass(10);
      await replica.follow(engine);
    }
    assert.ok(asked !== undefined);
    const next = engine.host.windows.next(asked.window);
    engine.host.stopCopy();
    assert.equal(await next, undefined);
    assert.deepEqual(replica.answer(engine, asked), []);
    await engine.clock.pass(1000);
    await engine.host.drain();
    await replica.follow(engine);
    assert.deepEqual([replica.sent, engine.copied], [[], 0]);
    engine.host.stop();
  });
});
