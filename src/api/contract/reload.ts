/** `POST /reload` */
import { z } from 'zod';

export const reloadAnswerSchema = z.object({
  /** The settings that are in force now and were not before, as they are named in the file. */
  changed: z.array(z.string()),
});

export type ReloadAnswer = z.infer<typeof reloadAnswerSchema>;
