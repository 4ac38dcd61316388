import type { z } from 'zod';
import { whyInvalid } from '../platform/invalid.ts';
import { RequestRefused } from './refusals.ts';

/** What a request asks for. @throws RequestRefused that says why it is not `what`, and what to do */
export function checkedBody<S extends z.ZodType>(
  schema: S,
  body: unknown,
  { what, fix }: { readonly what: string; readonly fix: string },
): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new RequestRefused(400, 'REQUEST_INVALID', `not ${what}: ${whyInvalid(parsed.error)}`, fix);
}
