/** The endpoint file: where a running daemon is reached, and the token that proves that one may. */
import { z } from 'zod';

/** In the daemon's state folder, readable by the daemon's user alone. */
export const ENDPOINT_FILE = 'api.json';

export const TOKEN_PATTERN = /^[0-9a-f]{64}$/;

const addressSchema = z.union([
  z.strictObject({ socket: z.string().min(1) }),
  z.strictObject({ host: z.enum(['127.0.0.1', '::1']), port: z.int().min(1).max(65535) }),
]);

export const endpointSchema = z.object({
  address: addressSchema,
  /** Sent as `Authorization: Bearer TOKEN` with every request. Drawn anew at every start of the daemon. */
  token: z.string().regex(TOKEN_PATTERN),
});

/** A unix socket's path, or a loopback address. */
export type EndpointAddress = z.infer<typeof addressSchema>;
export type Endpoint = z.infer<typeof endpointSchema>;
