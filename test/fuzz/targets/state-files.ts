/** The small JSON files that each side keeps for itself. */
import assert from 'node:assert/strict';
import { endpointSchema } from '../../../src/api/contract/endpoint.ts';
import { statusReportSchema } from '../../../src/api/contract/status-schema.ts';
import {
  DESTINATION_START,
  readDestinationState,
  writeDestinationState,
} from '../../../src/destage/state-file.ts';
import { lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import { SEAL_START } from '../../../src/journal/seal.ts';
import {
  readCheckpoint,
  readGroupFile,
  writeCheckpoint,
  writeGroupFile,
} from '../../../src/journal/source-files.ts';
import { readTwoCopies, writeTwoCopies } from '../../../src/platform/two-copy-file.ts';
import { Catalogue } from '../../../src/recovery/catalogue.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB, resultOrRefusal } from './expect.ts';
import { mutateJson } from './json-mutation.ts';
import { MemoryFiles } from './memory-files.ts';
import { EPOCH, GROUP, TIME } from './samples.ts';

const FOLDER = '/group';
/** In an input's first byte: what follows is the file, its copies parted by a line `--`. */
const AS_IT_IS = 0x80;
const PARTED = Buffer.from('\n--\n');
/** Of a copy in a file of two. */
const COPY_SIZE = 64 * 1024;

interface Kind {
  readonly path: string;
  readonly code: string;
  /** A file with this content. */
  pack(text: Buffer): Buffer;
  read(files: MemoryFiles): unknown;
  write(files: MemoryFiles, value: never): void;
}

const KINDS: readonly Kind[] = [
  {
    path: `${FOLDER}/destination-state.json`,
    code: 'STATE_DAMAGED',
    pack: packTwice,
    read: (files) => readDestinationState(files, FOLDER),
    write: (files, value) => writeDestinationState(files, FOLDER, value),
  },
  {
    path: `${FOLDER}/group.json`,
    code: 'STATE_DAMAGED',
    pack: packTwice,
    read: (files) => readGroupFile(files, FOLDER),
    write: (files, value) => writeGroupFile(files, FOLDER, value),
  },
  {
    path: `${FOLDER}/checkpoint.json`,
    code: 'STATE_DAMAGED',
    pack: packTwice,
    read: (files) => readCheckpoint(files, FOLDER),
    write: (files, value) => writeCheckpoint(files, FOLDER, value),
  },
  {
    path: `${FOLDER}/catalogue.json`,
    code: 'SNAPSHOT_CATALOGUE_DAMAGED',
    pack: (text) => text,
    read: (files) => contentOf(Catalogue.read(files, FOLDER)),
    write: (files) => Catalogue.read(files, FOLDER)?.change({}),
  },
];

export function stateFilesTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    lengthMax: 16 * 1024,
    memory: (input) => 8 * MIB + 512 * input.length,
    mutate: (input, tools) => mutateJson(input, 1, tools) ?? Buffer.from(input),
    run: (input) => {
      const first = input[0] ?? 0;
      const text = input.subarray(1);
      const kind = KINDS[(first & ~AS_IT_IS) % (KINDS.length + 1)];
      if (kind === undefined) checkSchemas(text);
      else check(kind, (first & AS_IT_IS) === 0 ? kind.pack(text) : twoCopies(text));
    },
  };
}

function packTwice(text: Buffer): Buffer {
  const files = new MemoryFiles();
  writeTwoCopies(files, 'file', text);
  return files.content.get('file') ?? Buffer.alloc(0);
}

function twoCopies(text: Buffer): Buffer {
  const parted = text.indexOf(PARTED);
  if (parted < 0) return text;
  const file = Buffer.alloc(2 * COPY_SIZE);
  text.copy(file, 0, 0, parted);
  text.copy(file, COPY_SIZE, parted + PARTED.length);
  return file;
}

function contentOf(catalogue: Catalogue | undefined): unknown {
  return (
    catalogue && {
      kind: catalogue.kind,
      store: catalogue.store,
      entries: catalogue.entries,
      list: catalogue.list(),
      removing: catalogue.removing,
    }
  );
}

function seeds(): Buffer[] {
  const files = new MemoryFiles();
  const volumes = [{ index: 0 as VolumeIndex, name: 'data', size: 65536 }];
  const pending = {
    id: GROUP.id,
    kind: 'custom',
    name: 'nightly',
    lsn: lsn(9),
    time: TIME,
    attempt: 1,
    failures: 0,
  } as const;
  writeDestinationState(files, FOLDER, {
    ...DESTINATION_START,
    groupId: GROUP.id,
    epoch: EPOCH,
    volumes,
    pending,
    background: [{ ...pending, id: EPOCH.id }],
  });
  writeGroupFile(files, FOLDER, { id: GROUP.id, epoch: EPOCH, volumes });
  writeCheckpoint(files, FOLDER, { ...SEAL_START, applied: lsn(3) });
  const catalogue = Catalogue.empty(files, FOLDER);
  catalogue.decide('reflink');
  catalogue.add({
    id: GROUP.id,
    name: 'noon',
    lsn: lsn(8),
    time: TIME,
    volumes: [{ name: 'data', size: 65536, path: '/x' }],
  });
  catalogue.add(
    { id: EPOCH.id, name: 'one', lsn: lsn(9), time: TIME, volumes: [] },
    { id: GROUP.id, kept: 4096 },
  );
  const endpoint = { address: { socket: '/run/api.sock' }, token: '0'.repeat(64) };
  return [
    ...KINDS.map((kind, i) => Buffer.concat([Buffer.from([i]), contentIn(kind, files)])),
    ...copies(files).map((copy) => Buffer.concat([Buffer.from([AS_IT_IS]), copy, PARTED, copy])),
    Buffer.concat([Buffer.from([KINDS.length]), Buffer.from(JSON.stringify(endpoint))]),
    Buffer.concat([Buffer.from([KINDS.length]), Buffer.from(JSON.stringify(report()))]),
  ];
}

function contentIn({ path }: Kind, files: MemoryFiles): Buffer {
  if (path.endsWith('catalogue.json')) return files.content.get(path) ?? Buffer.alloc(0);
  return readTwoCopies(files, path) ?? Buffer.alloc(0);
}

/** One copy of the destination's state, with the line in front of it. */
function copies(files: MemoryFiles): Buffer[] {
  const file = files.content.get(`${FOLDER}/destination-state.json`) ?? Buffer.alloc(0);
  const copy = file.subarray(0, COPY_SIZE);
  return [copy.subarray(0, copy.indexOf(0)), Buffer.from('{"number":1,"length":0,"crc":2212294583}\n')];
}

function report(): unknown {
  const buffer = { folder: '/b', used: 1, quota: 2, room: 1 };
  const waits = [{ code: 'hole', message: 'waits', since: TIME }];
  return {
    ...{ version: '0.1.0', startedAt: TIME, now: TIME },
    groups: [
      {
        ...{
          role: 'destination',
          name: 'oracle',
          volumes: [{ name: 'data', size: 1 }],
          received: 1,
          applied: 1,
        },
        ...{
          appliedTime: TIME,
          consistent: true,
          inboxSegments: 0,
          missing: [{ first: 1, last: 2 }],
          setAside: 0,
        },
        ...{ snapshots: 0, buffer, waits },
      },
    ],
  };
}

function check(kind: Kind, bytes: Buffer): void {
  const files = new MemoryFiles({ [kind.path]: Buffer.from(bytes) });
  const value = resultOrRefusal(() => kind.read(files), [kind.code]);
  if (value === undefined) return;
  // Written again and read again: the same.
  kind.write(files, value as never);
  assert.deepEqual(kind.read(files), value);
}

/** What the command line reads of a daemon. */
function checkSchemas(bytes: Buffer): void {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    return;
  }
  for (const schema of [endpointSchema, statusReportSchema]) {
    const parsed = schema.safeParse(json);
    if (parsed.success) assert.deepEqual(schema.parse(JSON.parse(JSON.stringify(parsed.data))), parsed.data);
  }
}
