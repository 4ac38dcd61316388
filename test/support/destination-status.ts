import assert from 'node:assert/strict';
import type { DestinationStatus } from '../../src/journal/status.ts';
import { decodeStatus } from '../../src/journal/status-codec.ts';

/** The word of a side that follows. */
export function decodeDestinationStatus(
  bytes: Buffer,
  key: Buffer | undefined,
  group: string,
): DestinationStatus {
  const status = decodeStatus(bytes, key, group);
  assert.ok(status.role === 'destination');
  return status;
}
