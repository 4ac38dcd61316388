/** `POST /groups/:name/verifications`, `GET /groups/:name/verifications/:pass` */
import { z } from 'zod';

/** `full`: from the beginning; otherwise what is left of the pass under way. */
export const verificationRequestSchema = z.strictObject({ full: z.boolean() });

export const verificationBegunSchema = z.object({ pass: z.int().positive() });

const count = z.int().nonnegative();

/** Times are milliseconds since 1970, by the source's clock; bytes are of volume. */
export const verificationReportSchema = z.object({
  kind: z.literal('blockferry verification'),
  version: z.literal(1),
  /** Every destination compared all of it, and nothing differs. */
  identical: z.boolean(),
  group: z.object({
    name: z.string(),
    id: z.string(),
    epoch: z.object({ number: count, id: z.string() }),
    volumes: z.array(z.object({ name: z.string(), size: count })).readonly(),
  }),
  /** Name of the machine. */
  source: z.string(),
  pass: count,
  beganAt: count,
  endedAt: count,
  /** What lies between them was compared, each range at the record that speaks of it. */
  firstLsn: count,
  lastLsn: count,
  totalBytes: count,
  /** What this pass is about: less where it went on with what an earlier one had left. */
  bytes: count,
  outcomes: z
    .array(
      z.object({
        destination: z.string(),
        comparedBytes: count,
        skippedBytes: count,
        differed: count,
        fromMedium: z.boolean(),
      }),
    )
    .readonly(),
  /**
   * HMAC-SHA-256, in hexadecimal digits, of this object's JSON without it and without white space, under HKDF-SHA-256 of the
   * group's key (no salt, "blockferry verification 1"); undefined without a key.
   */
  signature: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .exactOptional(),
});

export const verificationProgressSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('reading'), doneBytes: count, totalBytes: count }),
  /** Everything is in the journal; these destinations have not applied all of it. */
  z.object({ state: z.literal('comparing'), waitsFor: z.array(z.string()).readonly() }),
  z.object({ state: z.literal('complete'), report: verificationReportSchema }),
]);

export type VerificationRequest = z.infer<typeof verificationRequestSchema>;
export type VerificationBegun = z.infer<typeof verificationBegunSchema>;
export type VerificationReport = z.infer<typeof verificationReportSchema>;
export type VerificationProgress = z.infer<typeof verificationProgressSchema>;
