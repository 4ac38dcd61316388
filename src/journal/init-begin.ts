/**
 * What an init-begin record says: JSON, `seed` the id of the seed that brings what the volumes held before it, if one does;
 * `resync` the id of the regions that a destination asked for, which this copy brings too, and `again` that one before may have
 * named it: what that brought this one does not; `point` what the copy is as of
 * (copy-point.ts), which is nothing to whoever applies it.
 */
import { z } from 'zod';
import { OperatorError } from '../platform/errors.ts';
import { whyInvalid } from '../platform/invalid.ts';
import { copyPointSchema } from './copy-point.ts';
import type { JournalRecord } from './record.ts';

export interface InitBeginPayload {
  /** 32 hexadecimal digits. */
  readonly seed?: string;
  readonly resync?: string;
  readonly again?: true;
}

const id = z.string().regex(/^[0-9a-f]{32}$/);

const schema = z.strictObject({
  seed: id.exactOptional(),
  resync: id.exactOptional(),
  again: z.literal(true).exactOptional(),
  point: copyPointSchema.exactOptional(),
});

/** @throws OperatorError `INIT_BEGIN_INVALID` */
export function parseInitBegin({ payload, lsn }: Pick<JournalRecord, 'payload' | 'lsn'>): InitBeginPayload {
  try {
    return schema.parse(JSON.parse(payload.toString('utf8')));
  } catch (cause) {
    throw new OperatorError(
      'INIT_BEGIN_INVALID',
      `record ${lsn} begins a copy in a way that is not known: ${whyInvalid(cause)}`,
      {
        remedy: 'run the same version of blockferry on both sides',
        cause,
      },
    );
  }
}
