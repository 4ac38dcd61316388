/**
 * The status file's bytes. Without a key: a line {"blockferry":"status","version":1,"crc"}, the CRC-32 of what follows, and then
 * JSON. With one: a JSON envelope {"blockferry":"status","version":1,"salt","data"} whose `data` is the JSON encrypted with AES-256-GCM under HKDF-SHA-256(key, salt, "blockferry status 1"), with the
 * group's name as associated data (I12). What keeps an old one from being used again is its sequence number.
 */
import { crc32 } from '@node-rs/crc32';
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { OperatorError } from '../platform/errors.ts';
import { shortList, whyInvalid } from '../platform/invalid.ts';
import type { Random } from '../platform/random.ts';
import { attachedVolumesSchema } from './attached-volumes.ts';
import { epochSchema, forkSchema } from './fork.ts';
import { compareAnswerSchema } from './compare-answer.ts';
import type { Epoch, Lsn } from './ids.ts';
import { resyncSchema } from './packed-regions.ts';
import { STATUS_SIZE_MAX, type SiteStatus } from './status.ts';
import { verificationSchema } from './verification.ts';

const SALT_SIZE = 16;
const TAG_SIZE = 16;
/** A key for each file, drawn with its salt: a fixed nonce is used once. */
const NONCE = Buffer.alloc(12);

/** JSON has a -0, which would not be the same once it is written again. */
const count = z
  .number()
  .int()
  .nonnegative()
  .overwrite((value) => value + 0);
const lsnSchema = count.transform((value) => value as Lsn);
const hexId = z.string().regex(/^[0-9a-f]{32}$/);
const epochNumber = count.max(0xffffffff).transform((value) => value as Epoch);

const common = {
  version: z.literal(3),
  groupId: z.union([hexId, z.literal('')]),
  sequence: count,
  writtenAt: count,
};

const servingSchema = z.strictObject({
  ...common,
  role: z.literal('source'),
  epoch: epochSchema,
  fork: forkSchema,
  at: count,
  volumes: attachedVolumesSchema,
});

const destinationSchema = z.strictObject({
  ...common,
  role: z.literal('destination'),
  epoch: epochSchema.optional(),
  received: lsnSchema,
  applied: lsnSchema,
  appliedTime: count,
  missing: shortList(z.strictObject({ first: lsnSchema, last: lsnSchema }), 1000),
  refused: shortList(
    z.strictObject({
      epoch: epochNumber,
      first: lsnSchema,
      last: lsnSchema,
      reason: z.string().max(1000),
      at: count,
    }),
    100,
  ),
  full: z.boolean(),
  consistent: z.boolean(),
  waiting: z
    .strictObject({
      code: z.string().max(64),
      message: z.string().max(1000),
      since: count,
      endsAt: count.optional(),
    })
    .optional(),
  verification: verificationSchema.optional(),
  resync: resyncSchema.optional(),
  comparison: compareAnswerSchema.optional(),
});

const statusSchema = z.discriminatedUnion('role', [destinationSchema, servingSchema]);

const marked = { blockferry: z.literal('status'), version: z.literal(1) };

const headSchema = z.strictObject({ ...marked, crc: count.max(0xffffffff) });

const envelopeSchema = z.strictObject({
  ...marked,
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  data: z.base64(),
});

export function encodeStatus(
  status: SiteStatus,
  key: Buffer | undefined,
  groupName: string,
  random: Random,
): Buffer {
  const plain = Buffer.from(JSON.stringify(status), 'utf8');
  if (key === undefined) {
    const head = { blockferry: 'status', version: 1, crc: crc32(plain) };
    return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`, 'utf8'), plain]);
  }
  const salt = random.bytes(SALT_SIZE);
  const cipher = createCipheriv('aes-256-gcm', derive(key, salt), NONCE, { authTagLength: TAG_SIZE });
  cipher.setAAD(Buffer.from(groupName, 'utf8'));
  const data = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  const envelope = {
    blockferry: 'status',
    version: 1,
    salt: salt.toString('hex'),
    data: data.toString('base64'),
  };
  return Buffer.from(JSON.stringify(envelope), 'utf8');
}

/**
 * @throws OperatorError `STATUS_DAMAGED` not a status file, or cut; `STATUS_FORGED` not authentic, or sealed with another
 * key, or with none where one is configured, or with one where none is
 */
export function decodeStatus(bytes: Buffer, key: Buffer | undefined, groupName: string): SiteStatus {
  if (bytes.length > STATUS_SIZE_MAX) throw damaged(`it has ${bytes.length} bytes`);
  const end = bytes.indexOf('\n');
  const [line, rest] = end === -1 ? [bytes] : [bytes.subarray(0, end), bytes.subarray(end + 1)];
  const first = parseJson(line);
  const envelope = envelopeSchema.safeParse(first);
  if (key === undefined) {
    if (envelope.success) throw forged('it is encrypted, but this group has no key');
    return parsePlain(first, rest);
  }
  if (!envelope.success) throw forged('it is not encrypted, but this group has a key');
  return parseStatus(parseJson(decrypt(envelope.data, key, groupName)));
}

function parsePlain(first: unknown, rest: Buffer = Buffer.alloc(0)): SiteStatus {
  const head = headSchema.safeParse(first);
  if (!head.success) throw damaged('it does not begin with its checksum');
  if (crc32(rest) !== head.data.crc) throw damaged('it is not what its checksum is of');
  return parseStatus(parseJson(rest));
}

function decrypt(envelope: z.infer<typeof envelopeSchema>, key: Buffer, groupName: string): Buffer {
  const data = Buffer.from(envelope.data, 'base64');
  if (data.length < TAG_SIZE) throw damaged('it is cut');
  const body = data.subarray(0, data.length - TAG_SIZE);
  const decipher = createDecipheriv('aes-256-gcm', derive(key, Buffer.from(envelope.salt, 'hex')), NONCE, {
    authTagLength: TAG_SIZE,
  });
  decipher.setAAD(Buffer.from(groupName, 'utf8'));
  decipher.setAuthTag(data.subarray(data.length - TAG_SIZE));
  try {
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    throw forged('it was sealed with another key or for another group, or changed on the way');
  }
}

function parseStatus(json: unknown): SiteStatus {
  const parsed = statusSchema.safeParse(json);
  if (!parsed.success) throw damaged(whyInvalid(parsed.error));
  if (parsed.data.role === 'source') return parsed.data;
  return { ...parsed.data, epoch: parsed.data.epoch, waiting: parsed.data.waiting };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : 'not JSON');
  }
}

/** KeyObjects: each raw buffer costs 10 to 20 µs more on Node 24, and a status is written and read all the time. */
function derive(key: Buffer, salt: Buffer): KeyObject {
  const derived = hkdfSync('sha256', createSecretKey(key), salt, 'blockferry status 1', 32);
  return createSecretKey(Buffer.from(derived));
}

function damaged(why: string): OperatorError {
  return new OperatorError('STATUS_DAMAGED', `the destination's status file cannot be read: ${why}`, {
    remedy: 'it is written anew every few seconds; if this stays, see what else writes there',
    retryable: true,
  });
}

function forged(why: string): OperatorError {
  return new OperatorError('STATUS_FORGED', `the destination's status file is refused: ${why}`, {
    remedy: `give both sides the same key-file, and find out who can write to the file server`,
    retryable: true,
  });
}
