/** `POST /groups/:name/destinations/:destination/test` */
import { z } from 'zod';

const stepSchema = z.object({
  name: z.enum(['connect', 'write', 'read', 'replace', 'list', 'speed', 'delete']),
  milliseconds: z.number().nonnegative(),
  /** Why it failed and what to do about it. */
  failure: z.string().exactOptional(),
});

export const linkTestReportSchema = z.object({
  /** Without a password. */
  server: z.string(),
  /** In order, up to the first that failed. */
  steps: z.array(stepSchema).readonly(),
  /** Milliseconds of a small request. */
  latency: z.number().nonnegative().exactOptional(),
  speed: z.object({ bytes: z.number().positive(), bytesPerSecond: z.number().nonnegative() }).exactOptional(),
});

export type LinkTestReport = z.infer<typeof linkTestReportSchema>;
