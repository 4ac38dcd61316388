import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { encodeRecord, RecordFlag, RecordKind } from '../../src/journal/record.ts';
import {
  readManifest,
  seedFileName,
  writeManifest,
  type SeedManifest,
} from '../../src/journal/seed/manifest.ts';
import { openSeedFile, seedWriter } from '../../src/journal/seed/seed-file.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';

const GOLDEN = join(import.meta.dirname, '../golden/seed');
const KEY = Buffer.alloc(32, 7);
const RECORD_SEED = 0x1234_5678;
const FACTS = {
  group: { name: 'oracle', id: '0123456789abcdef0123456789abcdef' },
  epoch: { number: epoch(3), id: 'fedcba9876543210fedcba9876543210' },
  seed: '00112233445566778899aabbccddeeff',
  number: 2,
  begun: lsn(41),
};

function contentOf(at: number): Buffer {
  return Buffer.alloc(1024, `seed ${at} `);
}

/** A file of two records. */
function writtenFile(folder: string, key: Buffer | undefined): Buffer {
  const path = join(folder, 'file');
  nodeFiles.remove(path);
  const file = nodeFiles.open(path, 'create-new');
  const options = { key, compression: 0, random: seededRandom('salt') };
  const writer = seedWriter(file, FACTS, RECORD_SEED, options);
  for (const offset of [4096, 65536]) {
    const header = { kind: RecordKind.write, flags: RecordFlag.fromVolume, volume: 0 as VolumeIndex };
    writer.add(encodeRecord({ ...header, lsn: FACTS.begun, offset }, contentOf(offset), RECORD_SEED));
  }
  writer.finish(2048);
  file.close();
  return readFileSync(path);
}

function manifestOf(file: Buffer): SeedManifest {
  const { group, epoch, seed, begun, number } = FACTS;
  const sha256 = createHash('sha256').update(file).digest('hex');
  const files = [{ number, bytes: file.length, sha256 }];
  return { group, epoch, seed, begun, files, end: { total: 3, skipped: [1, 3] } };
}

/** In both directions: what is written is what lies there, and that is read. */
function compare(name: string, bytes: Buffer): string {
  const path = join(GOLDEN, name);
  if (process.env.UPDATE_GOLDEN === '1' || !existsSync(path)) {
    nodeFiles.makeDirectory(GOLDEN);
    writeFileSync(path, bytes);
  }
  assert.deepEqual(bytes, readFileSync(path), `${name}: the format changed; bump its version`);
  return path;
}

describe('a drive of a seed', () => {
  const folder = temporaryFolder();

  for (const [shape, key] of [
    ['plain', undefined],
    ['encrypted', KEY],
  ] as const) {
    it(`keeps the bytes of its golden file, in both directions: ${shape}`, () => {
      const path = compare(`file-v1-${shape}.seed`, writtenFile(folder, key));
      const reader = openSeedFile(nodeFiles, path, key, FACTS);
      const records = Array.from(reader.frames()).flat();
      reader.close();
      const read = records.map(({ offset, payload }) => [offset, payload]);
      assert.deepEqual(
        read,
        [4096, 65536].map((at) => [at, contentOf(at)]),
      );
    });

    it(`keeps the bytes of its golden manifest, in both directions: ${shape}`, () => {
      const { seed, group } = FACTS;
      const manifest = manifestOf(writtenFile(folder, key));
      writeManifest(nodeFiles, folder, manifest, key);
      const name = 'oracle-00112233.json';
      compare(`manifest-v2-${shape}.json`, readFileSync(join(folder, name)));
      writeFileSync(join(folder, name), readFileSync(join(GOLDEN, `manifest-v2-${shape}.json`)));
      const read = readManifest(nodeFiles, folder, { group: group.name, seed, key });
      assert.partialDeepStrictEqual(read, manifest);
    });

    it(`has a manifest in which nothing may have changed: ${shape}`, () => {
      const { seed, group } = FACTS;
      writeManifest(nodeFiles, folder, manifestOf(writtenFile(folder, key)), key);
      const path = join(folder, 'oracle-00112233.json');
      const text = readFileSync(path, 'utf8');
      for (const [what, instead] of [
        ['"begun":41', '"begun":43'],
        ['"skipped":[1,3]', '"skipped":[1]'],
      ] as const) {
        assert.ok(text.includes(what));
        writeFileSync(path, text.replace(what, instead));
        const read = (): unknown => readManifest(nodeFiles, folder, { group: group.name, seed, key });
        assert.throws(read, { code: 'SEED_MANIFEST_INVALID' }, what);
      }
    });
  }

  it('has names that other versions find', () => {
    assert.equal(seedFileName('oracle', FACTS.seed, 2), 'oracle-00112233-00002.seed');
  });

  it('gives no file for another one of it, of another seed, group, epoch or beginning (I12)', () => {
    const path = compare('file-v1-encrypted.seed', writtenFile(folder, KEY));
    const { group, epoch } = FACTS;
    for (const other of [
      { number: 1 },
      { seed: `1${FACTS.seed.slice(1)}` },
      { group: { ...group, id: FACTS.seed } },
      { group: { ...group, name: 'oracl' } },
      { epoch: { ...epoch, id: FACTS.seed } },
      { begun: lsn(40) },
    ]) {
      const open = (): unknown => openSeedFile(nodeFiles, path, KEY, { ...FACTS, ...other });
      assert.throws(open, { code: 'FOREIGN' }, JSON.stringify(other));
    }
  });
});
