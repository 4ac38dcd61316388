import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { readTwoCopies, writeTwoCopies } from '../../src/platform/two-copy-file.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';
import { Crash, systemError, TamperedFiles } from '../support/tampered-files.ts';

const OLD = Buffer.from('{"what":"the old content"}\n');
const NEW = Buffer.from('{"what":"the new content, which is longer"}\n');
const SECOND_COPY = 64 * 1024;

describe('a small file of two copies', () => {
  let path: string;
  beforeEach(() => {
    path = join(temporaryFolder(), 'state');
    writeTwoCopies(nodeFiles, path, OLD);
  });

  const read = (): string | undefined => readTwoCopies(nodeFiles, path)?.toString();

  function spoil(at: number): void {
    const file = openSync(path, 'r+');
    writeSync(file, 'x', at);
    closeSync(file);
  }

  it('holds what was written last, also when that is shorter', () => {
    writeTwoCopies(nodeFiles, path, NEW);
    assert.equal(read(), NEW.toString());
    writeTwoCopies(nodeFiles, path, OLD);
    assert.equal(read(), OLD.toString());
    assert.equal(readTwoCopies(nodeFiles, `${path}2`), undefined);
  });

  it('has these bytes', () => {
    const copy = `{"number":1,"length":27,"crc":4154334875}\n${OLD.toString()}`;
    const expected = Buffer.alloc(2 * SECOND_COPY);
    for (const at of [0, SECOND_COPY]) expected.write(copy, at);
    assert.ok(readFileSync(path).equals(expected));
  });

  it('is written where it lies, so that a full disk does not refuse it (I8)', () => {
    const before = statSync(path);
    for (let i = 0; i < 20; i += 1) writeTwoCopies(nodeFiles, path, Buffer.alloc(60_000, 32));
    const { ino, size, blocks } = statSync(path);
    assert.deepEqual([ino, size, blocks], [before.ino, before.size, before.blocks]);
  });

  it('holds the old content or the new after a crash at any byte of a change (I6)', () => {
    const [a, b] = [OLD, NEW].map((content) => {
      writeTwoCopies(nodeFiles, path, content);
      return readFileSync(path);
    });
    assert.ok(a !== undefined && b !== undefined);
    const length = NEW.length + 60;
    const seen = new Set<string | undefined>();
    for (const [first, second] of [
      ...Array.from({ length }, (_, cut) => [cut, 0]),
      ...Array.from({ length }, (_, cut) => [length, cut]),
    ]) {
      const torn = Buffer.from(a);
      b.copy(torn, 0, 0, first);
      b.copy(torn, SECOND_COPY, SECOND_COPY, SECOND_COPY + (second ?? 0));
      writeFileSync(path, torn);
      const content = read();
      seen.add(content);
      if (first === length) assert.equal(content, NEW.toString(), 'the first copy is durable');
      assert.equal(read(), content);
    }
    assert.deepEqual([...seen], [OLD.toString(), NEW.toString()]);
  });

  it('makes one copy durable before it begins the other, and both before anybody is told', () => {
    const calls: string[] = [];
    const files: Files = {
      ...nodeFiles,
      syncDirectory: () => void calls.push('sync folder'),
      open: (name, mode) => {
        const file = nodeFiles.open(name, mode);
        return {
          ...file,
          path: file.path,
          size: () => file.size(),
          read: (into, position) => file.read(into, position),
          write: (from, position) => {
            calls.push(`write ${position}`);
            file.write(from, position);
          },
          syncNow: () => {
            calls.push('sync');
            file.syncNow();
          },
          close: () => file.close(),
        };
      },
    };
    const [first, second] = [
      ['write 0', 'sync'],
      [`write ${SECOND_COPY}`, 'sync'],
    ];
    writeTwoCopies(files, path, NEW);
    assert.deepEqual(calls.splice(0), ['sync folder', ...second, ...first], 'its name first, when it is new');
    writeTwoCopies(files, path, OLD);
    assert.deepEqual(calls.splice(0), [...first, ...second], 'they take turns');
    readTwoCopies(files, path);
    assert.deepEqual(
      calls.splice(0),
      ['sync folder'],
      'equal copies are both durable, and then their name is',
    );
    spoil(SECOND_COPY + 60);
    readTwoCopies(files, path);
    assert.deepEqual(
      calls,
      [...second, 'sync folder'],
      'the one that is spoilt is made equal before it is relied on',
    );
  });

  it('holds a whole content whatever failed before the power was cut, half a write or a sync (I6)', () => {
    const contents = Array.from({ length: 4 }, (_, i) => Buffer.alloc(10_000, `content ${i} `));
    let cuts = 0;
    // One fault or two in the first calls, and the power fails at any call behind them.
    for (let one = 4; one <= 10; one += 1) {
      for (let two = one; two <= one + 4; two += 1) {
        for (let cut = two + 1; cut <= two + 6; cut += 1) {
          const disk = new MemoryDisk({ clones: false });
          const files = new TamperedFiles(disk);
          const random = seededRandom(`${one} ${two} ${cut}`);
          let told = -1;
          files.fault = ({ kind, count }) => {
            if (count >= cut) return { when: 'before', error: new Crash() };
            const when = kind === 'write' && random.fraction() < 0.5 ? 'half' : 'before';
            return count === one || count === two ? { when, error: systemError('EIO') } : undefined;
          };
          for (const [i, content] of contents.entries()) {
            for (let attempt = 0; attempt < 3 && told < i; attempt += 1) {
              try {
                writeTwoCopies(files, '/state', content);
                told = i;
              } catch {
                // It is tried again.
              }
            }
          }
          disk.cutPower(() => random.fraction() < 0.5);
          const read = readTwoCopies(disk, '/state');
          const found = contents.findIndex((content) => read?.equals(content) === true);
          assert.ok(found >= told, `faults at ${one} and ${two}, cut at ${cut}: ${found}, told ${told}`);
          cuts += 1;
        }
      }
    }
    assert.ok(cuts > 200);
  });

  it('survives the rot of either copy, and is empty when both have rotted', () => {
    for (const at of [5, 60, SECOND_COPY + 5, SECOND_COPY + 60]) {
      spoil(at);
      assert.equal(read(), OLD.toString());
    }
    spoil(60);
    spoil(SECOND_COPY + 60);
    assert.equal(read(), '');
  });

  it('refuses content that is too long', () => {
    assert.throws(() => writeTwoCopies(nodeFiles, path, Buffer.alloc(SECOND_COPY)), RangeError);
  });
});
