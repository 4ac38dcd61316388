/** Parses what `GET /status` answers. Fields that a newer daemon adds are passed over. */
import { z } from 'zod';
import { rehearsalsStatusSchema } from './rehearsals.ts';
import { seedExportStatusSchema, seedImportStatusSchema } from './seed.ts';
import type { StatusReport } from './status.ts';
import { sourceChangeSchema, verificationPassSchema } from './verification.ts';

const amount = z.number().nonnegative();
/** Signed where two clocks are compared. */
const time = z.number();

const waitSchema = z.object({
  code: z.string(),
  severity: z.enum(['info', 'warning', 'error']),
  message: z.string(),
  since: time,
  nextTryAt: time.exactOptional(),
  endsAt: time.nullable(),
});

const volumeSchema = z.object({ name: z.string(), size: amount });

const bufferSchema = z.object({
  folder: z.string(),
  used: amount,
  quota: amount,
  room: amount,
  fullAt: time.exactOptional(),
});

const edges = { burst: amount.exactOptional(), until: time.exactOptional(), opensAt: time.exactOptional() };
const limitSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('closed'), ...edges }),
  z.object({ kind: z.literal('unlimited'), ...edges }),
  z.object({ kind: z.literal('rate'), bytesPerSecond: amount, ...edges }),
  z.object({ kind: z.literal('delay'), milliseconds: amount, ...edges }),
]);

const streamSchema = z.object({
  destination: z.string(),
  link: z.string(),
  limit: limitSchema,
  state: z.enum(['idle', 'sending', 'waiting', 'failed']),
  received: amount,
  applied: amount,
  lagSeconds: z.number().exactOptional(),
  lagBytes: amount,
  backlogSegments: amount,
  rate: amount,
  timeLeftSeconds: amount.exactOptional(),
  segmentsSent: amount,
  bytesSent: amount,
  lastStatusAt: time.exactOptional(),
  waits: z.array(waitSchema),
});

const verificationSchema = z.object({
  totalBytes: amount,
  current: z.object({ beganAt: time, done: amount }).exactOptional(),
  last: verificationPassSchema.exactOptional(),
  sourceChanges: z.array(sourceChangeSchema),
  destinations: z.array(z.object({ name: z.string(), differing: amount, found: amount, mended: amount })),
});

const replicaSchema = z.object({
  found: amount,
  mended: amount,
  differing: z.array(z.object({ volume: z.string(), offset: amount, length: amount, lsn: amount })),
});

const mountsSchema = z.array(
  z.object({ name: z.string(), lsn: amount, time, writable: z.boolean(), mountedAt: time }),
);

const sourceSchema = z.object({
  role: z.literal('source'),
  name: z.string(),
  mode: z.enum(['initializing', 'journal', 'change-map', 'delta', 'snapshot-assisted', 'stopped']),
  volumes: z.array(volumeSchema),
  epoch: amount.exactOptional(),
  lsn: amount,
  durableLsn: amount,
  checkpoint: amount,
  buffer: bufferSchema,
  copy: z
    .object({
      left: amount,
      comparing: z.literal(true).exactOptional(),
      total: amount.exactOptional(),
      rate: amount.exactOptional(),
      timeLeftSeconds: amount.exactOptional(),
    })
    .exactOptional(),
  interval: z
    .object({
      everySeconds: z.number(),
      nextAt: time,
      skipped: amount,
      point: z.object({ lsn: amount, time }).exactOptional(),
    })
    .exactOptional(),
  seed: seedExportStatusSchema.exactOptional(),
  coalesced: z
    .object({
      segments: amount,
      bytesSaved: amount,
      ranges: z.array(z.object({ first: amount, last: amount })),
    })
    .exactOptional(),
  verification: verificationSchema.exactOptional(),
  snapshots: amount.exactOptional(),
  mounts: mountsSchema.exactOptional(),
  hosts: amount,
  serves: z.boolean().exactOptional(),
  waits: z.array(waitSchema),
  streams: z.array(streamSchema),
});

const destinationSchema = z.object({
  role: z.literal('destination'),
  name: z.string(),
  volumes: z.array(volumeSchema),
  epoch: amount.exactOptional(),
  received: amount,
  applied: amount,
  appliedTime: time,
  consistent: z.boolean(),
  aheadTo: z.int().positive().optional(),
  behindSeconds: z.number().exactOptional(),
  inboxSegments: amount,
  missing: z.array(z.object({ first: amount, last: amount })),
  setAside: amount,
  snapshots: amount,
  mounts: mountsSchema,
  rehearsal: rehearsalsStatusSchema.exactOptional(),
  window: z
    .object({
      from: z.object({ lsn: amount, time }).exactOptional(),
      segments: amount,
      bytes: amount,
      size: amount,
      time: amount,
    })
    .exactOptional(),
  seed: seedImportStatusSchema.exactOptional(),
  verification: replicaSchema.exactOptional(),
  buffer: bufferSchema,
  waits: z.array(waitSchema),
});

export const statusReportSchema = z.object({
  version: z.string(),
  startedAt: time,
  now: time,
  groups: z.array(z.discriminatedUnion('role', [sourceSchema, destinationSchema])),
}) satisfies z.ZodType<StatusReport>;
