/** `POST /groups/:name/initialize` */
import { z } from 'zod';

export const initializeRequestSchema = z.strictObject({
  /** The destinations have old copies: digests are exchanged, and what differs is brought over. */
  compare: z.boolean(),
});

export type InitializeRequest = z.infer<typeof initializeRequestSchema>;

export const initializeAnswerSchema = z.object({
  /** Of the volumes: to be brought over, from now on or once the buffer has room. */
  bytes: z.number().nonnegative(),
});

export type InitializeAnswer = z.infer<typeof initializeAnswerSchema>;
