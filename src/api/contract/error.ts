/** How every request that fails is answered. */
import { z } from 'zod';

export const apiErrorSchema = z.object({
  /** Stable, upper case with underscores: `GROUP_UNKNOWN`, `TOKEN_REFUSED`, `REQUEST_INVALID`, or the daemon's own. */
  code: z.string().min(1),
  message: z.string(),
  /** The next step, a sentence; empty when there is none to name. */
  remedy: z.string(),
});

export type ApiError = z.infer<typeof apiErrorSchema>;
