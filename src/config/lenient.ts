/**
 * A faulty file's right parts: everything that its schema takes, undefined in the place of what it does not. The rules
 * between settings run on it, so that one mistake does not hide another. Pure.
 */
import { z } from 'zod';
import type { Address, PortRange } from './address.ts';
import type { ConfigFile, FileSchema, GroupFile } from './schema.ts';

type Whole = string | number | boolean | undefined | readonly unknown[];

/** An address and a range of ports are taken whole; settings that have more than they have are not. */
export type Lenient<T> = T extends Whole
  ? T
  : Address extends T
    ? T
    : PortRange extends T
      ? T
      : { readonly [K in keyof T]?: Lenient<T[K]> | undefined };

export type LenientFile = Lenient<ConfigFile>;
export type LenientGroup = Lenient<GroupFile>;
export type LenientSource = Extract<LenientGroup, { role?: 'source' | undefined }>;
export type LenientDestination = Extract<LenientGroup, { role?: 'destination' | undefined }>;

export function readLeniently(schema: FileSchema, value: unknown): LenientFile {
  return lenient(schema, value) ?? {};
}

function lenient(schema: z.core.$ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodOptional)
    return value === undefined ? undefined : lenient(schema.unwrap(), value);
  if (schema instanceof z.ZodPrefault) {
    return lenient(schema.unwrap(), value === undefined ? schema.def.defaultValue : value);
  }
  // Made by `preprocess`: a transform in front of the schema proper.
  if (schema instanceof z.ZodPipe) return lenient(schema.out, z.safeParse(schema.in, value).data);
  if (schema instanceof z.ZodObject) return eachSetting(schema, value);
  if (schema instanceof z.ZodRecord) {
    const valueType = schema.valueType;
    return isSettings(value)
      ? mapSettings(Object.keys(value), (name) => lenient(valueType, value[name]))
      : undefined;
  }
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const option = schema.options.find((candidate) => fitsDiscriminator(schema, candidate, value));
    return option === undefined ? undefined : lenient(option, value);
  }
  const result = z.safeParse(schema, value);
  return result.success ? result.data : undefined;
}

function eachSetting(schema: z.ZodObject, value: unknown): unknown {
  if (!isSettings(value)) return undefined;
  return mapSettings(Object.keys(schema.shape), (name) => {
    const setting = (schema.shape as z.core.$ZodShape)[name];
    return setting === undefined ? undefined : lenient(setting, value[name]);
  });
}

function fitsDiscriminator(union: z.ZodDiscriminatedUnion, option: z.core.$ZodType, value: unknown): boolean {
  if (!(option instanceof z.ZodObject) || !isSettings(value)) return false;
  const name = union.def.discriminator;
  const setting = (option.shape as z.core.$ZodShape)[name];
  return setting !== undefined && z.safeParse(setting, value[name]).success;
}

function mapSettings(names: readonly string[], read: (name: string) => unknown): Record<string, unknown> {
  const result = Object.create(null) as Record<string, unknown>;
  for (const name of names) result[name] = read(name);
  return result;
}

/** Objects of a document have no prototype, so a name is one that was written. */
export function isSettings(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
