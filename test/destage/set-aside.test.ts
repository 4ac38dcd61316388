import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { countSetAside, setAside, SET_ASIDE_BYTES_MAX, SET_ASIDE_MAX } from '../../src/destage/set-aside.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';

const BEGIN = Date.UTC(2026, 10, 21);

describe('what is set aside', () => {
  function refuse(folder: string, name: string, bytes: number, at: number): string {
    const path = join(folder, name);
    writeFileSync(path, '');
    truncateSync(path, bytes);
    setAside(nodeFiles, folder, { path, reason: `DAMAGED: ${name}`, at });
    assert.ok(!existsSync(path), 'it is out of the way');
    return join(folder, 'set-aside');
  }

  function dataIn(aside: string): string[] {
    return readdirSync(aside)
      .filter((name) => !name.endsWith('.txt'))
      .map((name) => name.slice(name.lastIndexOf('-') + 1))
      .sort();
  }

  it('is bounded in number: the oldest go first, with their reasons (I4)', () => {
    const folder = temporaryFolder();
    let aside = '';
    for (let i = 0; i < SET_ASIDE_MAX + 6; i += 1) aside = refuse(folder, `n${100 + i}`, 10, BEGIN + i);
    assert.equal(countSetAside(nodeFiles, folder), SET_ASIDE_MAX);
    assert.equal(readdirSync(aside).length, 2 * SET_ASIDE_MAX);
    assert.equal(dataIn(aside)[0], 'n106');
  });

  it('is bounded in bytes: as many of the oldest go as the newest needs', () => {
    const folder = temporaryFolder();
    const third = SET_ASIDE_BYTES_MAX / 3;
    for (let i = 0; i < 3; i += 1) refuse(folder, `n${i}`, Math.floor(third), BEGIN + i);
    const aside = refuse(folder, 'n3', Math.floor(third * 1.5), BEGIN + 3);
    assert.deepEqual(dataIn(aside), ['n2', 'n3']);
    assert.equal(countSetAside(nodeFiles, folder), 2);
  });

  it('of a file larger than all that may be kept, is the reason alone, and costs the others nothing', () => {
    const folder = temporaryFolder();
    refuse(folder, 'small', 100, BEGIN);
    const aside = refuse(folder, 'huge', SET_ASIDE_BYTES_MAX + 1, BEGIN + 1);
    assert.deepEqual(dataIn(aside), ['small']);
    const reason = readdirSync(aside).find((name) => name.includes('huge')) ?? '';
    const text = readFileSync(join(aside, reason), 'utf8');
    assert.match(
      text,
      /^DAMAGED: huge\nIt has 268435457 bytes, more than is kept of refused files: it was removed\.\n$/,
    );
  });
});
