import { createHmac } from 'node:crypto';

/**
 * The key derivation of SP 800-108 in counter mode with HMAC-SHA256 and a 32-bit counter (MS-SMB2 3.1.4.2). One round gives
 * 32 bytes, as many as any key here has.
 *
 * `label` includes the zero at its end that MS-SMB2 gives it; `bits` is 128 or 256.
 */
export function deriveKey(
  key: Uint8Array,
  purpose: { readonly label: string; readonly context: Uint8Array },
  bits: 128 | 256,
): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bits);
  return createHmac('sha256', key)
    .update(Buffer.from([0, 0, 0, 1]))
    .update(Buffer.from(purpose.label, 'latin1'))
    .update(Buffer.from([0]))
    .update(purpose.context)
    .update(length)
    .digest()
    .subarray(0, bits / 8);
}
