/** `POST /groups/:name/volumes/:volume/size` */
import { z } from 'zod';

export const resizeRequestSchema = z.strictObject({
  /** Bytes; undefined: what the volume's file or device has now. */
  size: z.int().positive().optional(),
  /** Only says what would be done. */
  dryRun: z.boolean().default(false),
});

export type ResizeRequest = z.infer<typeof resizeRequestSchema>;

export const resizeAnswerSchema = z.object({
  volume: z.string(),
  path: z.string(),
  kind: z.enum(['image file', 'block device']),
  /** Bytes, before and after. */
  from: z.number().nonnegative(),
  size: z.number().nonnegative(),
});

export type ResizeAnswer = z.infer<typeof resizeAnswerSchema>;
