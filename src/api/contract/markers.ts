/** `POST /groups/:name/markers` */
import { z } from 'zod';
import { NAME_PATTERN, NAME_RULE } from '../../platform/name-rule.ts';

const nameSchema = z.string().regex(NAME_PATTERN, `a marker's name has ${NAME_RULE}`);

export const markerRequestSchema = z.discriminatedUnion('kind', [
  /** Without a name it is called by its UTC time. */
  z.strictObject({ kind: z.literal('snapshot'), name: nameSchema.exactOptional() }),
  /** The name chooses the program, in the destination's own configuration. */
  z.strictObject({ kind: z.literal('custom'), name: nameSchema }),
]);

export const placedMarkerSchema = z.object({
  /** 32 hexadecimal digits, the same for ever for this marker. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  lsn: z.int().nonnegative(),
  /** The source's clock at the marker, milliseconds since 1970. */
  time: z.int().nonnegative(),
  name: z.string(),
});

export type MarkerRequest = z.infer<typeof markerRequestSchema>;
export type PlacedMarker = z.infer<typeof placedMarkerSchema>;
