/** What lies in the way at the server: no room, no right to write, something else under the name, very large files. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { mountSmall, type SmallFolder } from '../servers/small-folder.ts';
import { MIB, never, rejectsWith, type StoredBench } from './transport-bench.ts';
import { folderView } from './folder-bench.ts';
import type { Subject } from './transport-subject.ts';

const GIB = 1024 * MIB;

export function describeStorage(subject: Subject<StoredBench>): void {
  const beside = (name: string): string => join(subject.bench.folder, '..', name);

  describe('in the way at the server', () => {
    it('NoSpace: publishes nothing on a full disk, and goes on when there is room', async () => {
      await withMount(subject, 'small', async (small) => {
        const content = randomBytes(3 * MIB);
        const source = subject.local.make(content);
        const view = folderView(small.folder, subject.bench.owner);
        const transport = subject.bench.openBeside('small');
        const full = await rejectsWith('NoSpace', transport.put(source, 'inbox/full.seg', { signal: never }));
        assert.ok(full.retryable);
        const tiny = subject.local.make(Buffer.from('tiny'));
        await rejectsWith('NoSpace', transport.put(tiny, 'inbox/tiny.seg', { signal: never }));
        assert.equal(view.peek('inbox/full.seg'), undefined);
        small.resize(8 * MIB);
        await transport.put(source, 'inbox/full.seg', { signal: never });
        assert.ok(view.peek('inbox/full.seg')?.equals(content));
        await transport.close();
      });
    });

    it('Auth: says so where it may not write', async () => {
      await withMount(subject, 'read-only', async (small) => {
        small.makeReadOnly();
        const transport = subject.bench.openBeside('read-only');
        const source = subject.local.make(Buffer.from('x'));
        await rejectsWith('Auth', transport.put(source, 'a.seg', { signal: never }));
        await transport.close();
      });
    });

    it('NotFound: never makes the group folder itself, lest a disk that is not mounted is filled', async () => {
      const transport = subject.bench.openBeside('not-mounted');
      const source = subject.local.make(Buffer.from('x'));
      const error = await rejectsWith('NotFound', transport.put(source, 'inbox/a.seg', { signal: never }));
      assert.match(`${error.message} ${error.remedy}`, /not-mounted/);
      await rejectsWith('NotFound', transport.list('inbox', never));
      await rejectsWith('NotFound', transport.readSmall('status/a.json', 10, never));
      await rejectsWith('NotFound', transport.remove('inbox/a.seg', never));
      assert.equal(existsSync(beside('not-mounted')), false);
      await transport.close();
    });

    it('Exists: names what lies where the file goes, and goes on when it is moved away', async () => {
      await subject.put(Buffer.from('x'), 'inbox/other.seg');
      const { uid, gid } = subject.bench.owner;
      for (const name of ['blocked.seg', 'blocked.seg.part']) {
        const obstacle = join(subject.bench.folder, 'inbox', name);
        mkdirSync(obstacle);
        chownSync(obstacle, uid, gid);
        const error = await rejectsWith('Exists', subject.put(Buffer.from('x'), 'inbox/blocked.seg'));
        assert.match(error.message, /blocked\.seg/);
        rmSync(obstacle, { recursive: true });
        await subject.put(Buffer.from('y'), 'inbox/blocked.seg');
        rmSync(join(subject.bench.folder, 'inbox/blocked.seg'));
      }
    });

    it('lists a folder of 10,000 names, each with its size', async () => {
      await withMount(subject, 'many', async ({ folder, resize }) => {
        resize(64 * MIB);
        const view = folderView(folder, subject.bench.owner);
        for (let index = 0; index < 10_000; index++)
          view.plant(`inbox/${index}.seg`, Buffer.alloc(index % 3));
        const transport = subject.bench.openBeside('many');
        const files = await transport.list('inbox', never);
        const sizes = new Map(files.map(({ name, size }) => [name, size]));
        assert.equal(files.length, 10_000);
        for (let index = 0; index < 10_000; index++) assert.equal(sizes.get(`${index}.seg`), index % 3);
        await transport.close();
      });
    });

    it('goes on behind 4 GiB, and publishes a file that is longer', async () => {
      // In memory, where zeros that were never written cost nothing to read back either.
      await withMount(subject, 'huge', async (mounted) => {
        mounted.resize(16 * MIB);
        const held = 4 * GIB + MIB + 1;
        const tail = randomBytes(2 * MIB);
        const source = { path: join(mounted.folder, 'source'), size: held + tail.length };
        writeFileSync(source.path, '');
        truncateSync(source.path, held);
        appendFileSync(source.path, tail);
        const view = folderView(mounted.folder, subject.bench.owner);
        view.plant('inbox/a.seg.part', Buffer.alloc(0));
        view.shorten('inbox/a.seg.part', held);
        const told: number[] = [];
        const transport = subject.bench.openBeside('huge');
        const onProgress = (taken: number): void => void told.push(taken);
        await transport.put(source, 'inbox/a.seg', { signal: never, onProgress });
        assert.equal(told.at(-1), source.size);
        assert.equal(view.size('inbox/a.seg'), source.size);
        assert.ok(readAt(join(mounted.folder, 'inbox/a.seg'), held, tail.length).equals(tail));
        assert.deepEqual(await transport.list('inbox', never), [{ name: 'a.seg', size: source.size }]);
        await transport.remove('inbox/a.seg', never);
        assert.deepEqual(view.names('inbox'), []);
        await transport.close();
      });
    });
  });
}

async function withMount(
  subject: Subject<StoredBench>,
  name: string,
  work: (small: SmallFolder) => Promise<void>,
): Promise<void> {
  const small = mountSmall(join(subject.bench.folder, '..', name), MIB, subject.bench.owner);
  try {
    await work(small);
  } finally {
    small.unmount();
  }
}

function readAt(path: string, position: number, length: number): Buffer {
  const file = openSync(path, 'r');
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, position);
  closeSync(file);
  return bytes;
}
