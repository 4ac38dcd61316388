/** What a drive says of the seed files on it: `journal/seed/manifest.ts`. */
import assert from 'node:assert/strict';
import { lsn } from '../../../src/journal/ids.ts';
import {
  manifestNames,
  readManifestNamed,
  SEED_SKIPPED_MAX,
  seedFileName,
  writeManifest,
  type SeedManifest,
} from '../../../src/journal/seed/manifest.ts';
import { SEED_FILE_SIZE_MAX, SEED_FILES_MAX } from '../../../src/journal/seed/seed-file.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB, resultOrRefusal } from './expect.ts';
import { mutateJson } from './json-mutation.ts';
import { MemoryFiles } from './memory-files.ts';
import { EPOCH, GROUP } from './samples.ts';

const FOLDER = '/drive';
const NAME = `${GROUP.name}-00112233.json`;
const KEY = Buffer.alloc(32, 5);
const REFUSALS = ['SEED_MANIFEST_INVALID'];
/** First byte of an input. `plain`, `signed`: with its SHA-256, or by the key, whatever it says, as a source that is not ours would. */
const Mode = { plain: 0, signed: 1, keyed: 2, raw: 3 } as const;

export function seedManifestTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    lengthMax: 16 * 1024,
    memory: (input) => 4 * MIB + 512 * input.length,
    mutate: (input, tools) => mutateJson(input, 1, tools) ?? Buffer.from(input),
    run: (input) => {
      const mode = (input[0] ?? 0) % 4;
      const key = mode === Mode.signed || mode === Mode.keyed ? KEY : undefined;
      const text = input.subarray(1);
      check(mode === Mode.plain || mode === Mode.signed ? prove(text, key) : text, key);
    },
  };
}

function seeds(): Buffer[] {
  const files = [1, 2, 3].map((number) => ({ number, bytes: 4096 * number, sha256: '5a'.repeat(32) }));
  const seed = '00112233445566778899aabbccddeeff';
  const some: SeedManifest = { group: GROUP, epoch: EPOCH, seed, begun: lsn(7), files };
  const last: SeedManifest = { ...some, end: { total: 4, skipped: [4] } };
  return [some, last].flatMap((manifest) => [
    Buffer.concat([Buffer.from([Mode.plain]), written(manifest, undefined)]),
    Buffer.concat([Buffer.from([Mode.signed]), written(manifest, undefined)]),
    Buffer.concat([Buffer.from([Mode.keyed]), written(manifest, KEY)]),
    Buffer.concat([Buffer.from([Mode.raw]), written(manifest, undefined)]),
  ]);
}

function written(manifest: SeedManifest, key: Buffer | undefined): Buffer {
  const files = new MemoryFiles();
  writeManifest(files, FOLDER, manifest, key);
  return [...files.content.values()][0] ?? Buffer.alloc(0);
}

/** As it is where it is none that can be. */
function prove(text: Buffer, key: Buffer | undefined): Buffer {
  try {
    return written(JSON.parse(text.toString('utf8')) as SeedManifest, key);
  } catch {
    return text;
  }
}

function check(bytes: Buffer, key: Buffer | undefined): void {
  const read = (content: Buffer): SeedManifest | undefined => {
    const files = new MemoryFiles({ [`${FOLDER}/${NAME}`]: content });
    assert.deepEqual(manifestNames(files.list(), GROUP.name), [NAME]);
    return resultOrRefusal(
      () => readManifestNamed(files, FOLDER, { name: NAME, group: GROUP.name, key }),
      REFUSALS,
    );
  };
  const manifest = read(bytes);
  if (manifest === undefined) return;
  assert.equal(manifest.group.name, GROUP.name);
  assert.ok(manifest.files.length <= SEED_FILES_MAX);
  const skipped = manifest.end?.skipped ?? [];
  assert.ok(skipped.length <= SEED_SKIPPED_MAX);
  const numbers = manifest.files.map(({ number }) => number);
  assert.equal(new Set(numbers).size, numbers.length, 'each file once');
  for (const { number, bytes: size } of manifest.files) {
    assert.ok(size >= 0 && size <= SEED_FILE_SIZE_MAX);
    // No path to another folder comes of it.
    assert.match(
      seedFileName(manifest.group.name, manifest.seed, number),
      /^oracle-[0-9a-f]{8}-\d{5}\.seed$/,
    );
    assert.ok(number <= (manifest.end?.total ?? SEED_FILES_MAX), 'none behind the last');
  }
  assert.ok(
    skipped.every((number) => number <= (manifest.end?.total ?? 0)),
    'none behind the last',
  );
  // Written again and read again: the same.
  assert.deepEqual(read(written(manifest, key)), manifest);
}
