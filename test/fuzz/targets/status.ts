/** The status file: `journal/status-codec.ts`. */
import assert from 'node:assert/strict';
import { lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import { decodeStatus, encodeStatus } from '../../../src/journal/status-codec.ts';
import { STATUS_SIZE_MAX, type DestinationStatus } from '../../../src/journal/status.ts';
import { VERIFICATION_START } from '../../../src/journal/verification.ts';
import { seededRandom } from '../../support/random.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB, resultOrRefusal } from './expect.ts';
import { mutateJson } from './json-mutation.ts';
import { EPOCH, GROUP, TIME } from './samples.ts';

const KEY = Buffer.alloc(32, 5);
const REFUSALS = ['STATUS_DAMAGED', 'STATUS_FORGED'];
/** First byte of an input. */
const Mode = { plain: 0, sealed: 1, keyed: 2, raw: 3 } as const;

export function statusTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    lengthMax: 16 * 1024,
    memory: (input) => 4 * MIB + 512 * input.length,
    mutate: (input, tools) => mutateJson(input, 1, tools) ?? Buffer.from(input),
    run: (input) => {
      const mode = (input[0] ?? 0) % 4;
      const key = mode === Mode.sealed || mode === Mode.keyed ? KEY : undefined;
      const text = input.subarray(1);
      check(mode === Mode.plain || mode === Mode.sealed ? encode(text, key) : text, key);
    },
  };
}

function seeds(): Buffer[] {
  const range = { first: lsn(11), last: lsn(20) };
  const status: DestinationStatus = {
    version: 3,
    groupId: GROUP.id,
    sequence: 7,
    writtenAt: TIME,
    role: 'destination',
    epoch: EPOCH,
    received: lsn(10),
    applied: lsn(9),
    appliedTime: TIME,
    missing: [range],
    refused: [{ ...range, epoch: EPOCH.number, reason: 'DAMAGED: a checksum', at: TIME }],
    full: false,
    consistent: true,
    waiting: { code: 'hole', message: 'records 11 to 20 are missing', since: TIME },
    comparison: { window: lsn(5), compared: 'Dw==', differing: 'Ag==' },
    verification: {
      ...VERIFICATION_START,
      pass: 3,
      comparedBytes: 4096,
      differing: [{ volume: 0 as VolumeIndex, offset: 512, length: 512, lsn: lsn(8) }],
    },
  };
  const empty: DestinationStatus = {
    ...status,
    groupId: '',
    epoch: undefined,
    missing: [],
    refused: [],
    waiting: undefined,
    verification: VERIFICATION_START,
  };
  const random = seededRandom('status');
  return [
    ...[Mode.plain, Mode.sealed].flatMap((mode) =>
      [status, empty].map((some) => Buffer.concat([Buffer.from([mode]), Buffer.from(JSON.stringify(some))])),
    ),
    ...[Mode.keyed, Mode.raw].flatMap((mode) =>
      [KEY, undefined].map((key) =>
        Buffer.concat([Buffer.from([mode]), encodeStatus(status, key, GROUP.name, random)]),
      ),
    ),
  ];
}

/** Anything under the right key, or checksum: what a destination that is not ours would send. Not JSON: as it is. */
function encode(text: Buffer, key: Buffer | undefined): Buffer {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch {
    return text;
  }
  return encodeStatus(value as DestinationStatus, key, GROUP.name, seededRandom('seal'));
}

function check(bytes: Buffer, key: Buffer | undefined): void {
  const status = resultOrRefusal(() => decodeStatus(bytes, key, GROUP.name), REFUSALS);
  if (status === undefined) return;
  assert.ok(bytes.length <= STATUS_SIZE_MAX);
  if (status.role === 'destination') assert.ok(status.missing.length <= 1000 && status.refused.length <= 100);
  const again = encodeStatus(status, key, GROUP.name, seededRandom('again'));
  assert.deepEqual(decodeStatus(again, key, GROUP.name), status);
}
