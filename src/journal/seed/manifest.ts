/**
 * The manifest of one drive of a seed: a line of JSON beside the seed files, with what there is of them on this drive and their
 * SHA-256. The last drive's also has how many files the seed has in all. With a key, its signature is the HMAC-SHA-256 of the
 * rest of the line by a key of its own: HKDF-SHA-256(group key, "blockferry seed manifest 1"). Without one it has the rest's SHA-256.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readSmallFile, replaceFile } from '../../platform/atomic-file.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { shortList, whyInvalid } from '../../platform/invalid.ts';
import type { Epoch, EpochIdentity, GroupIdentity, Lsn } from '../ids.ts';
import { SEED_FILE_SIZE_MAX, SEED_FILES_MAX } from './seed-file.ts';

/** Files that are not there may be named at most: each was given up when a crash or the drive came in between. */
export const SEED_SKIPPED_MAX = 256;
const MANIFEST_SIZE_MAX = 16 * 1024 * 1024;

export interface SeedFileEntry {
  readonly number: number;
  readonly bytes: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

export interface SeedManifest {
  readonly group: GroupIdentity;
  readonly epoch: EpochIdentity;
  readonly seed: string;
  readonly begun: Lsn;
  readonly files: readonly SeedFileEntry[];
  /** On the drive with the last file: numbers go up to `total`, and those that are skipped are no part of the seed. */
  readonly end?: { readonly total: number; readonly skipped: readonly number[] } | undefined;
}

const count = z.number().int().nonnegative();
const id = z.string().regex(/^[0-9a-f]{32}$/);
const number = count.min(1).max(SEED_FILES_MAX);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const schema = z
  .strictObject({
    kind: z.literal('blockferry seed'),
    version: z.literal(2),
    group: z.strictObject({ name: z.string().min(1).max(63), id }),
    epoch: z.strictObject({ number: count.max(0xffffffff).transform((value) => value as Epoch), id }),
    seed: id,
    begun: count.min(1).transform((value) => value as Lsn),
    files: shortList(
      z.strictObject({ number, bytes: count.max(SEED_FILE_SIZE_MAX), sha256: digest }),
      SEED_FILES_MAX,
    ),
    end: z
      .strictObject({
        total: count.max(SEED_FILES_MAX),
        skipped: shortList(number, SEED_SKIPPED_MAX),
      })
      .exactOptional(),
    signature: digest.exactOptional(),
    sha256: digest.exactOptional(),
  })
  .refine(
    ({ files }) => new Set(files.map((file) => file.number)).size === files.length,
    'a file comes twice',
  )
  .refine(
    ({ files, end }) =>
      end === undefined ||
      (files.every((file) => file.number <= end.total) &&
        end.skipped.every((skipped) => skipped <= end.total)),
    'a file comes behind the last one',
  );

/** The first digits of its id tell the seeds of a group apart. */
const stemOf = (group: string, seed: string): string => `${group}-${seed.slice(0, 8)}`;

export function seedFileName(group: string, seed: string, file: number): string {
  return `${stemOf(group, seed)}-${String(file).padStart(5, '0')}.seed`;
}

/** Names in a folder that manifests of a group's seeds have. */
export function manifestNames(names: readonly string[], group: string): string[] {
  return names.filter(
    (name) => name.startsWith(`${group}-`) && /^-[0-9a-f]{8}\.json$/.test(name.slice(group.length)),
  );
}

/** Durable on return. @throws the file system's errors */
export function writeManifest(
  files: Files,
  folder: string,
  manifest: SeedManifest,
  key: Buffer | undefined,
): void {
  const { group, epoch, seed, begun, end } = manifest;
  const body = {
    kind: 'blockferry seed' as const,
    version: 2 as const,
    group: { name: group.name, id: group.id },
    epoch: { number: epoch.number, id: epoch.id },
    seed,
    begun,
    files: manifest.files.map((file) => ({ number: file.number, bytes: file.bytes, sha256: file.sha256 })),
    ...(end === undefined ? {} : { end: { total: end.total, skipped: end.skipped } }),
  };
  const proof = key === undefined ? { sha256: sha256Of(body) } : { signature: signatureOf(body, key) };
  replaceFile(
    files,
    join(folder, `${stemOf(group.name, seed)}.json`),
    Buffer.from(`${JSON.stringify({ ...body, ...proof })}\n`),
  );
}

/** Undefined when there is none of this seed. @throws OperatorError `SEED_MANIFEST_INVALID`; the file system's errors */
export function readManifest(
  files: Files,
  folder: string,
  { group, seed, key }: { readonly group: string; readonly seed: string; readonly key: Buffer | undefined },
): SeedManifest | undefined {
  const name = `${stemOf(group, seed)}.json`;
  const manifest = readManifestNamed(files, folder, { name, group, key });
  return manifest?.seed === seed ? manifest : undefined;
}

/** The same by its name, one of `manifestNames`. */
export function readManifestNamed(
  files: Files,
  folder: string,
  { name, group, key }: { readonly name: string; readonly group: string; readonly key: Buffer | undefined },
): SeedManifest | undefined {
  const path = join(folder, name);
  const refuse = (why: string, cause?: unknown): OperatorError =>
    new OperatorError('SEED_MANIFEST_INVALID', `${path} ${why}`, {
      remedy: 'bring the drive as it was written, and give both sides of the group the same key-file',
      cause,
    });
  let parsed: z.output<typeof schema>;
  try {
    const bytes = readSmallFile(files, path, MANIFEST_SIZE_MAX);
    if (bytes === undefined) return undefined;
    parsed = schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof SyntaxError || error instanceof RangeError))
      throw error;
    throw refuse(`cannot be used: ${whyInvalid(error)}`, error);
  }
  const { signature, sha256, ...body } = parsed;
  if (key !== undefined && !isSigned(body, signature, key))
    throw refuse('is not signed with this group’s key');
  if (key === undefined && signature !== undefined) throw refuse('is signed, but this group has no key here');
  if (key === undefined && sha256 !== sha256Of(body)) throw refuse('is not what its SHA-256 is of');
  if (body.group.name !== group) throw refuse(`is of group ${body.group.name}`);
  return body;
}

function isSigned(body: object, signature: string | undefined, key: Buffer): boolean {
  if (signature === undefined) return false;
  return timingSafeEqual(Buffer.from(signature, 'hex'), Buffer.from(signatureOf(body, key), 'hex'));
}

/** Of both: in the order of the contract, which is the schema's too. */
function sha256Of(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}

function signatureOf(body: object, key: Buffer): string {
  const derived = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), 'blockferry seed manifest 1', 32));
  return createHmac('sha256', derived).update(JSON.stringify(body)).digest('hex');
}
