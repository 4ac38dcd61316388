import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import type { Files, OpenFile } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { assertVolumes, marker, Site, Stream, write } from './stream.ts';

const ID = '0123456789abcdef0123456789abcdef';

class Crash extends Error {}

/** Dies at the n-th call that changes anything, before it or after it, and does nothing from then on. */
function dyingAt(n: number, when: 'before' | 'after'): { files: Files; calls: () => number } {
  let calls = 0;
  const change = <R>(act: () => R): R => {
    calls += 1;
    if (calls > n || (calls === n && when === 'before')) throw new Crash();
    const result = act();
    if (calls === n) throw new Crash();
    return result;
  };
  const wrap = (file: OpenFile): OpenFile => ({
    path: file.path,
    size: () => file.size(),
    read: (into, position) => file.read(into, position),
    readNow: (into, position) => file.readNow(into, position),
    write: (from, position) => change(() => file.write(from, position)),
    sync: () => file.sync(),
    syncNow: () => change(() => file.syncNow()),
    beginSync: () => {
      const wait = file.beginSync();
      return () => change(wait);
    },
    shareWithGroup: () => file.shareWithGroup(),
    truncate: (size) => change(() => file.truncate(size)),
    allocate: (size) => change(() => file.allocate(size)),
    punchHole: (position, length) => change(() => file.punchHole(position, length)),
    nextData: (position) => file.nextData(position),
    startReading: (position, length) => file.startReading(position, length),
    startWriting: (position, length) => file.startWriting(position, length),
    forgetCached: (position, length) => file.forgetCached(position, length),
    close: () => file.close(),
  });
  const files: Files = {
    ...nodeFiles,
    open: (path, mode) =>
      wrap(mode === 'read' ? nodeFiles.open(path, mode) : change(() => nodeFiles.open(path, mode))),
    makeDirectory: (directory) => change(() => nodeFiles.makeDirectory(directory)),
    rename: (from, to) => change(() => nodeFiles.rename(from, to)),
    remove: (path) => change(() => nodeFiles.remove(path)),
    removeLater: (path) => {
      change(() => nodeFiles.remove(path));
      return Promise.resolve();
    },
    syncDirectory: (directory) => change(() => nodeFiles.syncDirectory(directory)),
  };
  return { files, calls: () => calls };
}

describe('a destination that dies at any of its changes', () => {
  /** Receives what is in the inbox and applies it, as the front does; returns the runs of the custom marker's program. */
  async function drain(back: DestinationBack, names: readonly string[], attempts: number[]): Promise<void> {
    const { received } = await back.facts();
    const rest = names.filter((name) => Number.parseInt(name.slice(26, 42), 16) > received);
    assert.equal((await back.receive(rest)).taken, rest.length);
    for (;;) {
      const facts = await back.applySome();
      if (facts.state.pending !== undefined) {
        const { id } = facts.state.pending;
        attempts.push((await back.startMarker(id))?.attempt ?? 0);
        await back.finishMarker(id);
      } else if (facts.journalSegments === 0) return;
    }
  }

  for (const when of ['before', 'after'] as const) {
    it(`comes to the same volumes, snapshot and marker runs: died ${when} the call (I6, I9)`, async () => {
      const source = new Stream(join(temporaryFolder(), 'source'));
      const paths = [
        source.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, write(0, 0, 1), {
          kind: 'init-end',
        }),
        source.seal(write(0, 0, 2), write(0, 4096, 2), marker('snapshot', 'noon', ID)),
      ];
      const atMarker = source.volumes.map((volume) => Buffer.from(volume));
      paths.push(
        source.seal(write(0, 0, 3), write(1, 0, 3), marker('custom', 'report', 'e'.repeat(32))),
        source.seal(write(0, 0, 4), { kind: 'zero', volume: 1, offset: 0, length: 4096 }),
      );
      let n = 0;
      for (let died = true; died;) {
        n += 1;
        const site = new Site(temporaryFolder());
        const names = paths.map((path) => site.deliver(path));
        const { files, calls } = dyingAt(n, when);
        const attempts: number[] = [];
        try {
          await drain(site.start(files), names, attempts);
        } catch (error) {
          // A volume's failure comes wrapped; the process is dead either way.
          assert.ok(calls() >= n, String(error));
        }
        const back = site.start();
        await drain(back, names, attempts);
        await back.close();
        assertVolumes(site.content(), source.volumes, `call ${n}`);
        assert.deepEqual(site.snapshots.taken.get(ID)?.content, atMarker, `snapshot, call ${n}`);
        // At least once; a second time only with a higher number, or when it is not known whether the first began.
        assert.ok(attempts.length >= 1 && attempts.length <= 2, `marker, call ${n}: ${attempts.join()}`);
        assert.ok(
          attempts.every((attempt, i) => attempt === (attempts[i - 1] ?? attempt - 1) + 1),
          `call ${n}`,
        );
        died = calls() >= n;
      }
      assert.ok(n > 40, `${n} calls were tried`);
    });
  }
});
