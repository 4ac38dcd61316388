import { createHash, timingSafeEqual } from 'node:crypto';

/** Bytes; in hexadecimal twice as many digits. */
export const TOKEN_SIZE = 32;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether an `Authorization` header carries the token. Digests are compared, so that the time taken tells nothing. */
export function bearerMatches(header: string | undefined, token: string): boolean {
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}
