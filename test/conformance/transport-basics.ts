/** What every transport does while nothing is in its way. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { NAME_PART_MAX } from '../../src/transfer/transports/names.ts';
import { arrived, MIB, never, rejectsWith } from './transport-bench.ts';
import type { Subject } from './transport-subject.ts';

export function describeBasics(subject: Subject): void {
  const put = (content: Buffer, name: string): Promise<void> => subject.put(content, name);

  describe('putting', () => {
    it('publishes a file whole and leaves no part behind', async () => {
      const content = randomBytes(300_001);
      await put(content, 'inbox/one.seg');
      assert.ok(subject.bench.peek('inbox/one.seg')?.equals(content));
      assert.equal(subject.bench.peek('inbox/one.seg.part'), undefined);
    });

    it('publishes an empty file', async () => {
      await put(Buffer.alloc(0), 'inbox/empty.seg');
      assert.equal(subject.bench.peek('inbox/empty.seg')?.length, 0);
    });

    it('makes a folder that is missing, once, and takes names without one', async () => {
      await put(Buffer.from('1'), 'status/a.json');
      await put(Buffer.from('2'), 'status/a.json');
      await put(Buffer.from('3'), 'top.json');
      assert.equal(subject.bench.peek('status/a.json')?.toString(), '2');
      assert.equal(subject.bench.peek('top.json')?.toString(), '3');
    });

    it('replaces a file without a moment at which a reader sees less than the whole of one (I6)', async () => {
      const old = Buffer.alloc(2 * MIB, 'a');
      const fresh = Buffer.alloc(2 * MIB, 'b');
      await put(old, 'inbox/replaced.seg');
      const publishing = put(fresh, 'inbox/replaced.seg');
      const done = publishing.then(() => true);
      let looks = 0;
      do {
        const seen = subject.bench.peek('inbox/replaced.seg');
        assert.ok(seen !== undefined && (seen.equals(old) || seen.equals(fresh)), 'a torn file was seen');
        looks++;
      } while (!(await Promise.race([done, turn(false)])));
      assert.ok(looks > 1, 'nobody looked while it was replaced');
      assert.ok(subject.bench.peek('inbox/replaced.seg')?.equals(fresh));
    });

    it('publishes several files at once', async () => {
      const contents = Array.from({ length: 5 }, () => randomBytes(200_000));
      await Promise.all(contents.map((content, index) => put(content, `inbox/several-${index}.seg`)));
      for (const [index, content] of contents.entries()) {
        assert.ok(subject.bench.peek(`inbox/several-${index}.seg`)?.equals(content));
      }
    });

    it('tells progress that never goes back and ends with the size', async () => {
      const told: number[] = [];
      const source = subject.local.make(randomBytes(3 * MIB));
      await subject.transport.put(source, 'inbox/progress.seg', {
        signal: never,
        onProgress: (bytes) => void told.push(bytes),
      });
      assert.deepEqual(
        told,
        [...new Set(told)].sort((a, b) => a - b),
      );
      assert.equal(told.at(-1), source.size);
    });

    it('names a local file that is missing or has changed, and publishes nothing', async () => {
      const missing = subject.transport.put({ path: '/nowhere/x.seg', size: 1 }, 'inbox/x.seg', {
        signal: never,
      });
      assert.match((await rejectsWith('NotFound', missing)).message, /\/nowhere\/x\.seg/);
      const source = subject.local.make(randomBytes(100));
      const changed = subject.transport.put({ ...source, size: 99 }, 'inbox/x.seg', { signal: never });
      assert.ok((await rejectsWith('Integrity', changed)).message.includes(source.path));
      assert.equal(subject.bench.peek('inbox/x.seg'), undefined);
    });

    it('names a local file that cannot be read, publishes nothing, and goes on with the next', async () => {
      // A folder opens like a file, and fails at the first read.
      const path = dirname(subject.local.make(Buffer.from('its folder has a size')).path);
      const unreadable = { path, size: statSync(path).size };
      assert.ok(unreadable.size > 0);
      const putting = subject.transport.put(unreadable, 'inbox/unreadable.seg', { signal: never });
      assert.ok((await rejectsWith('Exists', putting)).message.includes(`reading ${path}`));
      assert.equal(subject.bench.peek('inbox/unreadable.seg'), undefined);
      await put(Buffer.from('readable'), 'inbox/unreadable.seg');
      assert.equal(subject.bench.peek('inbox/unreadable.seg')?.toString(), 'readable');
    });
  });

  describe('resuming', () => {
    it('goes on from what the server has', async () => {
      const content = randomBytes(6 * MIB);
      subject.bench.plant('inbox/resumed.seg.part', content.subarray(0, 5 * MIB));
      const told: number[] = [];
      await subject.transport.put(subject.local.make(content), 'inbox/resumed.seg', {
        signal: never,
        onProgress: (taken) => void told.push(taken),
      });
      assert.ok((told.find((taken) => taken > 0) ?? 0) >= MIB, `it began again: ${told.join()}`);
      assert.ok(subject.bench.peek('inbox/resumed.seg')?.equals(content));
    });

    it('renames a part that is there whole', async () => {
      const content = randomBytes(2 * MIB);
      subject.bench.plant('inbox/whole.seg.part', content);
      await put(content, 'inbox/whole.seg');
      assert.ok(subject.bench.peek('inbox/whole.seg')?.equals(content));
      assert.equal(subject.bench.peek('inbox/whole.seg.part'), undefined);
    });

    it('begins again when the part is longer than the file', async () => {
      const content = randomBytes(2 * MIB);
      subject.bench.plant('inbox/longer.seg.part', Buffer.concat([content, Buffer.from('more')]));
      await put(content, 'inbox/longer.seg');
      assert.ok(subject.bench.peek('inbox/longer.seg')?.equals(content));
    });

    it('begins a small file again, whatever its part holds', async () => {
      subject.bench.plant('status/small.json.part', Buffer.from('{"older":'));
      await put(Buffer.from('{"newer":true}'), 'status/small.json');
      assert.equal(subject.bench.peek('status/small.json')?.toString(), '{"newer":true}');
    });
  });

  describe('cancelling', () => {
    it('does nothing when it was cancelled before it began', async () => {
      const signal = AbortSignal.abort();
      await rejectsWith(
        'Cancelled',
        subject.transport.put(subject.local.make(Buffer.from('x')), 'inbox/no.seg', { signal }),
      );
      await rejectsWith('Cancelled', subject.transport.list('inbox', signal));
      await rejectsWith('Cancelled', subject.transport.readSmall('inbox/no.seg', 10, signal));
      await rejectsWith('Cancelled', subject.transport.remove('inbox/no.seg', signal));
      assert.equal(subject.bench.peek('inbox/no.seg'), undefined);
    });

    it('publishes nothing when it was cancelled behind the last byte, before the rename', async () => {
      const cancel = new AbortController();
      const source = subject.local.make(randomBytes(1000));
      const putting = subject.transport.put(source, 'inbox/last.seg', {
        signal: cancel.signal,
        onProgress: (bytes) => {
          if (bytes === source.size) cancel.abort();
        },
      });
      await rejectsWith('Cancelled', putting);
      assert.equal(subject.bench.peek('inbox/last.seg'), undefined);
      assert.equal(subject.bench.size('inbox/last.seg.part'), source.size);
    });

    it('rejects what is under way when it is closed, and works again afterwards', async () => {
      const content = randomBytes(3 * MIB);
      const refused = rejectsWith('Cancelled', put(content, 'inbox/closed.seg'));
      await arrived(subject.bench, 'inbox/closed.seg', 1);
      await subject.transport.close();
      await refused;
      assert.equal(subject.bench.peek('inbox/closed.seg'), undefined);
      await put(content, 'inbox/closed.seg');
      assert.ok(subject.bench.peek('inbox/closed.seg')?.equals(content));
    });
  });

  describe('reading, listing and removing', () => {
    it('reads a small file, and tells one that is absent from one that is empty', async () => {
      subject.bench.plant('status/read.json', Buffer.from('{"a":1}'));
      subject.bench.plant('status/nothing.json', Buffer.alloc(0));
      assert.equal((await subject.transport.readSmall('status/read.json', 7, never))?.toString(), '{"a":1}');
      assert.equal((await subject.transport.readSmall('status/nothing.json', 7, never))?.length, 0);
      assert.equal(await subject.transport.readSmall('status/absent.json', 7, never), undefined);
      assert.equal(await subject.transport.readSmall('folderless/absent.json', 7, never), undefined);
    });

    it('refuses to read more than the limit', async () => {
      subject.bench.plant('status/long.json', Buffer.alloc(100_000));
      await rejectsWith('TooLarge', subject.transport.readSmall('status/long.json', 99_999, never));
    });

    it('lists a folder of 1,000 files with their sizes, parts included', async () => {
      for (let index = 0; index < 1_000; index++)
        subject.bench.plant(`many/${index}.seg`, Buffer.alloc(index % 7));
      subject.bench.plant('many/x.seg.part', Buffer.alloc(11));
      const files = await subject.transport.list('many', never);
      assert.equal(files.length, 1_001);
      const sizes = new Map(files.map(({ name, size }) => [name, size]));
      for (let index = 0; index < 1_000; index++) assert.equal(sizes.get(`${index}.seg`), index % 7);
      assert.equal(sizes.get('x.seg.part'), 11);
    });

    it('lists nothing of a folder that is missing', async () => {
      assert.deepEqual(await subject.transport.list('missing', never), []);
    });

    it('leaves names out of a listing that it would not take itself', async () => {
      subject.bench.plant('odd/good.seg', Buffer.alloc(1));
      subject.bench.plant('odd/b d.seg', Buffer.alloc(1));
      subject.bench.plant('odd/-dash', Buffer.alloc(1));
      const names = (await subject.transport.list('odd', never)).map(({ name }) => name);
      assert.deepEqual(names, ['good.seg']);
    });

    it('removes a file, and minds none that is absent', async () => {
      subject.bench.plant('inbox/removed.seg', Buffer.alloc(1));
      await subject.transport.remove('inbox/removed.seg', never);
      assert.equal(subject.bench.peek('inbox/removed.seg'), undefined);
      await subject.transport.remove('inbox/removed.seg', never);
      await subject.transport.remove('folderless/removed.seg', never);
    });
  });

  it('refuses odd names before the server is asked', async () => {
    const names = [
      '..',
      '../x',
      'a/..',
      '/etc/passwd',
      'a\\b',
      'a\0b',
      'a/b/c',
      '',
      'a/',
      '/a',
      '.',
      '.hidden',
      '-x',
      'a b',
    ];
    names.push('a\r\nDELE b', 'x'.repeat(NAME_PART_MAX + 1), 'nul.seg', 'COM1', 'ä.seg', 'a.');
    const source = subject.local.make(Buffer.from('x'));
    for (const name of names) {
      await rejectsWith('BadName', subject.transport.put(source, name, { signal: never }));
      await rejectsWith('BadName', subject.transport.readSmall(name, 10, never));
      await rejectsWith('BadName', subject.transport.remove(name, never));
      await rejectsWith('BadName', subject.transport.list(name, never));
    }
    await rejectsWith('BadName', subject.transport.list('inbox/deep', never));
  });
}
