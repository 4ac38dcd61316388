/**
 * RC4, which NTLM wraps the session key with (MS-NLMP 3.1.5.1.2: KEY_EXCH) and OpenSSL 3 no longer offers. The key is used
 * for these 16 bytes alone.
 */
export function rc4(key: Uint8Array, message: Uint8Array): Buffer {
  const state = Uint8Array.from({ length: 256 }, (_, index) => index);
  const at = (index: number): number => state[index & 255] ?? 0;
  const swap = (one: number, other: number): void => {
    const kept = at(one);
    state[one & 255] = at(other);
    state[other & 255] = kept;
  };
  for (let i = 0, j = 0; i < 256; i++) {
    j = (j + at(i) + (key[i % key.length] ?? 0)) & 255;
    swap(i, j);
  }
  const result = Buffer.alloc(message.length);
  let j = 0;
  for (const [index, byte] of message.entries()) {
    const i = (index + 1) & 255;
    j = (j + at(i)) & 255;
    swap(i, j);
    result[index] = byte ^ at(at(i) + at(j));
  }
  return result;
}
