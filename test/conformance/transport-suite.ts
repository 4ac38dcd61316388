/** What every {@link Transport} must do, whatever is behind it. Tests of one kind of server are beside it. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  TransportError,
  type LocalFile,
  type Transport,
  type TransportErrorCode,
} from '../../src/transfer/transport.ts';
import { NAME_PART_MAX } from '../../src/transfer/transports/names.ts';
import { describePace } from './transport-pace-suite.ts';

/** A server, and a view of the group's folder on it that does not go through the transport. */
export interface TransportBench {
  readonly open: () => Transport;
  /** What is under a name now. */
  readonly peek: (name: string) => Buffer | undefined;
  /** Bytes that are under a name now, 0 when nothing is. */
  readonly size: (name: string) => number;
  readonly plant: (name: string, content: Buffer) => void;
  readonly stop: () => Promise<void>;
}

export const MIB = 1 << 20;
/** A signal that nobody aborts. */
export const never = new AbortController().signal;

/** Local files to send. */
export class LocalFiles {
  #folder: string | undefined;
  #count = 0;

  make(content: Buffer): LocalFile {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'blockferry-local-'));
    const path = join(this.#folder, String(this.#count++));
    writeFileSync(path, content);
    return { path, size: content.length };
  }

  remove(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true });
  }
}

export async function rejectsWith(code: TransportErrorCode, work: Promise<unknown>): Promise<TransportError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof TransportError, `not a TransportError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.notEqual(error.remedy, '');
    return error;
  }
  assert.fail(`it should have been refused with ${code}`);
}

/** Resolves when the server has so many bytes of a file that is on its way. */
export async function arrived(
  bench: Pick<TransportBench, 'size'>,
  name: string,
  bytes: number,
): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (bench.size(`${name}.part`) < bytes) {
    assert.ok(Date.now() < deadline, `${name}.part never had ${bytes} bytes`);
    await turn();
  }
}

export function describeTransport(title: string, start: () => Promise<TransportBench>): void {
  describe(`transport: ${title}`, () => {
    let bench: TransportBench;
    let transport: Transport;
    const local = new LocalFiles();

    before(async () => {
      bench = await start();
      transport = bench.open();
    });
    after(async () => {
      await transport.close();
      await bench.stop();
      local.remove();
    });

    const put = (content: Buffer, name: string): Promise<void> =>
      transport.put(local.make(content), name, { signal: never });

    describe('putting', () => {
      it('publishes a file whole and leaves no part behind', async () => {
        const content = randomBytes(300_001);
        await put(content, 'inbox/one.seg');
        assert.ok(bench.peek('inbox/one.seg')?.equals(content));
        assert.equal(bench.peek('inbox/one.seg.part'), undefined);
      });

      it('publishes an empty file', async () => {
        await put(Buffer.alloc(0), 'inbox/empty.seg');
        assert.equal(bench.peek('inbox/empty.seg')?.length, 0);
      });

      it('makes a folder that is missing, once, and takes names without one', async () => {
        await put(Buffer.from('1'), 'status/a.json');
        await put(Buffer.from('2'), 'status/a.json');
        await put(Buffer.from('3'), 'top.json');
        assert.equal(bench.peek('status/a.json')?.toString(), '2');
        assert.equal(bench.peek('top.json')?.toString(), '3');
      });

      it('replaces a file without a moment at which a reader sees less than the whole of one (I6)', async () => {
        const old = Buffer.alloc(2 * MIB, 'a');
        const fresh = Buffer.alloc(2 * MIB, 'b');
        await put(old, 'inbox/replaced.seg');
        const publishing = put(fresh, 'inbox/replaced.seg');
        const done = publishing.then(() => true);
        let looks = 0;
        do {
          const seen = bench.peek('inbox/replaced.seg');
          assert.ok(seen !== undefined && (seen.equals(old) || seen.equals(fresh)), 'a torn file was seen');
          looks++;
        } while (!(await Promise.race([done, turn(false)])));
        assert.ok(looks > 1, 'nobody looked while it was replaced');
        assert.ok(bench.peek('inbox/replaced.seg')?.equals(fresh));
      });

      it('publishes several files at once', async () => {
        const contents = Array.from({ length: 5 }, () => randomBytes(200_000));
        await Promise.all(contents.map((content, index) => put(content, `inbox/several-${index}.seg`)));
        for (const [index, content] of contents.entries()) {
          assert.ok(bench.peek(`inbox/several-${index}.seg`)?.equals(content));
        }
      });

      it('tells progress that never goes back and ends with the size', async () => {
        const told: number[] = [];
        const source = local.make(randomBytes(3 * MIB));
        await transport.put(source, 'inbox/progress.seg', {
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
        const missing = transport.put({ path: '/nowhere/x.seg', size: 1 }, 'inbox/x.seg', { signal: never });
        assert.match((await rejectsWith('NotFound', missing)).message, /\/nowhere\/x\.seg/);
        const source = local.make(randomBytes(100));
        const changed = transport.put({ ...source, size: 99 }, 'inbox/x.seg', { signal: never });
        assert.ok((await rejectsWith('Integrity', changed)).message.includes(source.path));
        assert.equal(bench.peek('inbox/x.seg'), undefined);
      });
    });

    describe('after a cut', () => {
      for (const round of [1, 2, 3]) {
        it(`publishes nothing at the cut and the whole file the next time, round ${round}`, async () => {
          const content = randomBytes(3 * MIB + round);
          const name = `inbox/cut-${round}.seg`;
          const cut = new AbortController();
          const bytes = randomInt(1, 2 * MIB);
          const sending = transport.put(local.make(content), name, { signal: cut.signal });
          const refused = rejectsWith('Cancelled', sending);
          await arrived(bench, name, bytes);
          cut.abort();
          await refused;
          assert.equal(bench.peek(name), undefined, `it was published after ${bytes} bytes`);
          await put(content, name);
          assert.ok(bench.peek(name)?.equals(content), `what came after a cut at ${bytes} bytes differs`);
        });
      }

      it('goes on from what the server has', async () => {
        const content = randomBytes(3 * MIB);
        bench.plant('inbox/resumed.seg.part', content.subarray(0, 2 * MIB));
        const told: number[] = [];
        await transport.put(local.make(content), 'inbox/resumed.seg', {
          signal: never,
          onProgress: (taken) => void told.push(taken),
        });
        assert.ok((told.find((taken) => taken > 0) ?? 0) >= MIB, `it began again: ${told.join()}`);
        assert.ok(bench.peek('inbox/resumed.seg')?.equals(content));
      });

      it('renames a part that is there whole', async () => {
        const content = randomBytes(2 * MIB);
        bench.plant('inbox/whole.seg.part', content);
        await put(content, 'inbox/whole.seg');
        assert.ok(bench.peek('inbox/whole.seg')?.equals(content));
        assert.equal(bench.peek('inbox/whole.seg.part'), undefined);
      });

      it('begins again when the part is longer than the file', async () => {
        const content = randomBytes(2 * MIB);
        bench.plant('inbox/longer.seg.part', Buffer.concat([content, Buffer.from('more')]));
        await put(content, 'inbox/longer.seg');
        assert.ok(bench.peek('inbox/longer.seg')?.equals(content));
      });

      it('begins a small file again, whatever its part holds', async () => {
        bench.plant('status/small.json.part', Buffer.from('{"older":'));
        await put(Buffer.from('{"newer":true}'), 'status/small.json');
        assert.equal(bench.peek('status/small.json')?.toString(), '{"newer":true}');
      });
    });

    describe('cancelling', () => {
      it('does nothing when it was cancelled before it began', async () => {
        const signal = AbortSignal.abort();
        await rejectsWith(
          'Cancelled',
          transport.put(local.make(Buffer.from('x')), 'inbox/no.seg', { signal }),
        );
        await rejectsWith('Cancelled', transport.list('inbox', signal));
        await rejectsWith('Cancelled', transport.readSmall('inbox/no.seg', 10, signal));
        await rejectsWith('Cancelled', transport.remove('inbox/no.seg', signal));
        assert.equal(bench.peek('inbox/no.seg'), undefined);
      });

      it('publishes nothing when it was cancelled behind the last byte, before the rename', async () => {
        const cancel = new AbortController();
        const source = local.make(randomBytes(1000));
        const putting = transport.put(source, 'inbox/last.seg', {
          signal: cancel.signal,
          onProgress: (bytes) => {
            if (bytes === source.size) cancel.abort();
          },
        });
        await rejectsWith('Cancelled', putting);
        assert.equal(bench.peek('inbox/last.seg'), undefined);
        assert.equal(bench.size('inbox/last.seg.part'), source.size);
      });

      it('rejects what is under way when it is closed, and works again afterwards', async () => {
        const content = randomBytes(3 * MIB);
        const refused = rejectsWith('Cancelled', put(content, 'inbox/closed.seg'));
        await arrived(bench, 'inbox/closed.seg', 1);
        await transport.close();
        await refused;
        assert.equal(bench.peek('inbox/closed.seg'), undefined);
        await put(content, 'inbox/closed.seg');
        assert.ok(bench.peek('inbox/closed.seg')?.equals(content));
      });
    });

    describePace(() => ({ bench, transport, local }));

    describe('reading, listing and removing', () => {
      it('reads a small file, and tells one that is absent from one that is empty', async () => {
        bench.plant('status/read.json', Buffer.from('{"a":1}'));
        bench.plant('status/nothing.json', Buffer.alloc(0));
        assert.equal((await transport.readSmall('status/read.json', 7, never))?.toString(), '{"a":1}');
        assert.equal((await transport.readSmall('status/nothing.json', 7, never))?.length, 0);
        assert.equal(await transport.readSmall('status/absent.json', 7, never), undefined);
        assert.equal(await transport.readSmall('folderless/absent.json', 7, never), undefined);
      });

      it('refuses to read more than the limit', async () => {
        bench.plant('status/long.json', Buffer.alloc(100_000));
        await rejectsWith('TooLarge', transport.readSmall('status/long.json', 99_999, never));
      });

      it('lists a folder of 1,000 files with their sizes, parts included', async () => {
        for (let index = 0; index < 1_000; index++) bench.plant(`many/${index}.seg`, Buffer.alloc(index % 7));
        bench.plant('many/x.seg.part', Buffer.alloc(11));
        const files = await transport.list('many', never);
        assert.equal(files.length, 1_001);
        const sizes = new Map(files.map(({ name, size }) => [name, size]));
        for (let index = 0; index < 1_000; index++) assert.equal(sizes.get(`${index}.seg`), index % 7);
        assert.equal(sizes.get('x.seg.part'), 11);
      });

      it('lists nothing of a folder that is missing', async () => {
        assert.deepEqual(await transport.list('missing', never), []);
      });

      it('leaves names out of a listing that it would not take itself', async () => {
        bench.plant('odd/good.seg', Buffer.alloc(1));
        bench.plant('odd/b d.seg', Buffer.alloc(1));
        bench.plant('odd/-dash', Buffer.alloc(1));
        const names = (await transport.list('odd', never)).map(({ name }) => name);
        assert.deepEqual(names, ['good.seg']);
      });

      it('removes a file, and minds none that is absent', async () => {
        bench.plant('inbox/removed.seg', Buffer.alloc(1));
        await transport.remove('inbox/removed.seg', never);
        assert.equal(bench.peek('inbox/removed.seg'), undefined);
        await transport.remove('inbox/removed.seg', never);
        await transport.remove('folderless/removed.seg', never);
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
      const source = local.make(Buffer.from('x'));
      for (const name of names) {
        await rejectsWith('BadName', transport.put(source, name, { signal: never }));
        await rejectsWith('BadName', transport.readSmall(name, 10, never));
        await rejectsWith('BadName', transport.remove(name, never));
        await rejectsWith('BadName', transport.list(name, never));
      }
      await rejectsWith('BadName', transport.list('inbox/deep', never));
    });
  });
}
