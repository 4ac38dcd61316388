/** The volumes of a group as its newest attach record has them, in a file. */
import { z } from 'zod';
import { shortList } from '../platform/invalid.ts';
import { VOLUMES_PER_GROUP_MAX, type VolumeIndex } from './ids.ts';

const count = z.number().int().nonnegative();

export const attachedVolumesSchema = shortList(
  z.strictObject({
    index: count.max(VOLUMES_PER_GROUP_MAX - 1).transform((value) => value as VolumeIndex),
    name: z.string().min(1).max(255),
    size: count,
  }),
  VOLUMES_PER_GROUP_MAX,
);
