/** Comparing: `POST /groups/:name/verifications`, `GET /groups/:name/verifications/:pass`, and what its status tells. */
import { z } from 'zod';

/** `full`: from the beginning; otherwise what is left of the pass under way. */
export const verificationRequestSchema = z.strictObject({ full: z.boolean() });

export const verificationBegunSchema = z.object({ pass: z.int().positive() });

const count = z.int().nonnegative();

/** Ranges of an outcome that are told one by one. */
export const TOLD_RANGES_MAX = 16;

/** Whose own disk changed outside any write, when that can be known: nobody's word is taken for it. */
export const sideSchema = z.enum(['source', 'destination', 'unknown']);

const rangeSchema = z.object({ volume: z.string(), offset: count, length: count, side: sideSchema });

/** What a destination said of a pass once it had applied all of it. Bytes of volume. */
const outcomeSchema = z.object({
  destination: z.string(),
  comparedBytes: count,
  /** Could not be compared, as the replica was perhaps ahead after a crash there. */
  skippedBytes: count,
  /** Ranges, and the first {@link TOLD_RANGES_MAX} of them. */
  differed: count,
  ranges: z.array(rangeSchema).readonly(),
  /** Everything was read from the medium; false where the system cannot tell. */
  fromMedium: z.boolean(),
});

/** Times are milliseconds since 1970, by the source's clock; bytes are of volume. */
export const verificationPassSchema = z.object({
  pass: count,
  beganAt: count,
  endedAt: count,
  /** What lies between them was compared, each range at the record that speaks of it. */
  firstLsn: count,
  lastLsn: count,
  totalBytes: count,
  /** What this pass is about: less where it went on with what an earlier one had left. */
  bytes: count,
  /** Of all destinations. */
  outcomes: z.array(outcomeSchema).readonly(),
});

/** Where a source's own volume holds what no host wrote: it was something else at `knownLsn`, and not any more at `lsn`. */
export const sourceChangeSchema = z.object({
  volume: z.string(),
  offset: count,
  length: count,
  knownLsn: count,
  lsn: count,
});

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
  ...verificationPassSchema.shape,
  /** At the source, when the report was asked for. */
  sourceChanges: z.array(sourceChangeSchema).readonly(),
  /**
   * HMAC-SHA-256, in hexadecimal digits, of this object's JSON without it and without white space, under HKDF-SHA-256 of the
   * group's key (no salt, "blockferry verification 1"); undefined without a key.
   */
  signature: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .exactOptional(),
});

/** `POST /groups/:name/source-changes/accept`: what the source's volumes hold there is right, as far as it was told up to this LSN. */
export const acceptRequestSchema = z.strictObject({ upTo: count });

export const acceptedSchema = z.object({ accepted: z.array(sourceChangeSchema).readonly() });

export const verificationProgressSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('reading'), doneBytes: count, totalBytes: count }),
  /** Everything is in the journal; these destinations have not applied all of it. */
  z.object({ state: z.literal('comparing'), waitsFor: z.array(z.string()).readonly() }),
  z.object({ state: z.literal('complete'), report: verificationReportSchema }),
]);

export type VerificationRequest = z.infer<typeof verificationRequestSchema>;
export type VerificationBegun = z.infer<typeof verificationBegunSchema>;
export type Side = z.infer<typeof sideSchema>;
export type VerifiedRange = z.infer<typeof rangeSchema>;
export type VerificationOutcome = z.infer<typeof outcomeSchema>;
export type VerificationPass = z.infer<typeof verificationPassSchema>;
export type SourceChange = z.infer<typeof sourceChangeSchema>;
export type AcceptRequest = z.infer<typeof acceptRequestSchema>;
export type Accepted = z.infer<typeof acceptedSchema>;
export type VerificationReport = z.infer<typeof verificationReportSchema>;
export type VerificationProgress = z.infer<typeof verificationProgressSchema>;
