import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import { pieceBits, type CompareAnswer } from '../../src/journal/compare-answer.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { assertVolumes, compare, COMPARED, Site, type Step, Stream, VOLUME_SIZE, write } from './stream.ts';

const PIECES = VOLUME_SIZE / COMPARED;
const ATTACH: Step = { kind: 'attach', names: ['a', 'b'] };

/** A source that begins to compare its volumes with an old copy that differs in two pieces of the first one. */
function oldCopy(): { site: Site; stream: Stream; begin: string } {
  const root = temporaryFolder();
  const stream = new Stream(join(root, 'source'));
  const site = new Site(root);
  const old = Buffer.alloc(VOLUME_SIZE);
  old[3 * COMPARED + 5] = old[9 * COMPARED] = 7;
  writeFileSync(site.paths.get('a')!, old);
  writeFileSync(site.paths.get('b')!, Buffer.alloc(VOLUME_SIZE));
  return { site, stream, begin: stream.seal(ATTACH, { kind: 'init-begin' }) };
}

async function take(
  back: DestinationBack,
  site: Site,
  ...paths: readonly string[]
): Promise<CompareAnswer | undefined> {
  for (const path of paths) await back.receive([site.deliver(path)]);
  for (;;) {
    const facts = await back.applySome();
    if (facts.journalSegments === 0) return facts.state.comparison;
  }
}

/** Numbers of the pieces that are set. */
function pieces(text: string | undefined): number[] {
  const bits = pieceBits(text ?? '', 4 * PIECES);
  return Array.from({ length: 4 * PIECES }, (_, i) => i).filter((i) => bits.has(i));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('a destination that is asked what an old copy holds', () => {
  it('says which pieces it holds otherwise at that very record, also after a restart, until the copy ends (I3)', async () => {
    const { site, stream, begin } = oldCopy();
    const back = site.start();
    const segment = stream.seal(
      write(0, 3 * COMPARED, 1),
      compare(0, 3),
      compare(1, 3, PIECES),
      write(0, 0, 2),
    );
    const told = await take(back, site, begin, segment);
    assert.equal(told?.window, 3);
    assert.deepEqual(pieces(told.compared), range(0, 2 * PIECES));
    assert.deepEqual(pieces(told.differing), [9], 'the other was overwritten before');
    await back.close();
    const again = site.start();
    assert.deepEqual((await again.facts()).state.comparison, told);
    const next = await take(again, site, stream.seal(write(0, 9 * COMPARED, 4), compare(0, 7)));
    assert.deepEqual(
      [next?.window, pieces(next?.compared), pieces(next?.differing)],
      [7, range(0, PIECES), []],
    );
    assert.equal(await take(again, site, stream.seal({ kind: 'init-end' })), undefined);
    assert.ok((await again.facts()).state.consistent);
    assertVolumes(site.content(), stream.volumes);
    await again.close();
  });

  it('says nothing of a record that its volumes may be ahead of, after a crash (I3)', async () => {
    const { site, stream, begin } = oldCopy();
    const fault = { on: false };
    const cut = site.start(withoutCheckpoint(fault));
    await take(cut, site, begin);
    fault.on = true;
    await cut.receive([site.deliver(stream.seal(compare(0, 3), write(0, 0, 9)))]);
    await assert.rejects(async () => cut.applySome(), { code: 'EIO' });
    assert.equal(site.content()[0]![0], 9, 'it is ahead');
    const after = site.start();
    const told = await take(after, site, stream.seal(compare(1, 3, PIECES)));
    assert.deepEqual(pieces(told?.compared), range(PIECES, 2 * PIECES), 'what follows is compared');
    await after.close();
  });

  it('says of what it cannot read that it differs, and why it cannot until the copy has ended', async () => {
    const { site, stream, begin } = oldCopy();
    const bad = site.paths.get('b')!;
    const back = site.start(withBadPiece(bad, 2 * COMPARED));
    const told = await take(back, site, begin, stream.seal(compare(1, 3)));
    assert.deepEqual([pieces(told?.compared), pieces(told?.differing)], [range(0, PIECES), [2]]);
    const { unreadable } = await back.facts();
    assert.match(unreadable ?? '', /^volume b \(.*b\.img\) cannot be read at byte 8192: EIO/);
    await take(back, site, stream.seal(write(1, 2 * COMPARED, 0), { kind: 'init-end' }));
    assert.equal((await back.facts()).unreadable, undefined);
    await back.close();
  });
});

/** The checkpoint cannot move: as if the process died between the volumes' sync and it. */
function withoutCheckpoint(fault: { on: boolean }): Files {
  return {
    ...nodeFiles,
    open: (path, mode) => {
      const file = nodeFiles.open(path, mode);
      if (!path.endsWith('destination-state.json')) return file;
      const write = file.write.bind(file);
      return Object.assign(file, {
        write: (bytes: Uint8Array, at: number) => {
          const applied = /"applied": (\d+)/.exec(Buffer.from(bytes).toString())?.[1];
          if (fault.on && Number(applied) > 2) throw Object.assign(new Error('EIO'), { code: 'EIO' });
          write(bytes, at);
        },
      });
    },
  };
}

function withBadPiece(bad: string, position: number): Files {
  return {
    ...nodeFiles,
    open: (path, mode) => {
      const file = nodeFiles.open(path, mode);
      if (path !== bad) return file;
      const read = file.read.bind(file);
      return Object.assign(file, {
        read: (into: Uint8Array, at: number) => {
          if (at === position) throw Object.assign(new Error('EIO'), { code: 'EIO' });
          return read(into, at);
        },
      });
    },
  };
}
