/** Numbers that both sides agree on in NEGOTIATE. */

/** Dialects (MS-SMB2 2.2.3), best first. 2.0.2 is left out: it has neither multi-credit requests nor a reason to exist. */
export const DIALECT_311 = 0x0311;
export const DIALECT_302 = 0x0302;
export const DIALECT_300 = 0x0300;
export const DIALECT_210 = 0x0210;
export const DIALECTS = [DIALECT_311, DIALECT_302, DIALECT_300, DIALECT_210] as const;
export type Dialect = (typeof DIALECTS)[number];

/** Ciphers (MS-SMB2 2.2.3.1.2). */
export type CipherName = 'AES-128-GCM' | 'AES-256-GCM' | 'AES-128-CCM' | 'AES-256-CCM';
export const CIPHER_IDS: Readonly<Record<CipherName, number>> = {
  'AES-128-CCM': 0x0001,
  'AES-128-GCM': 0x0002,
  'AES-256-CCM': 0x0003,
  'AES-256-GCM': 0x0004,
};
/** The fast ones first. */
export const CIPHERS: readonly CipherName[] = ['AES-128-GCM', 'AES-256-GCM', 'AES-128-CCM', 'AES-256-CCM'];

/** Signing algorithms (MS-SMB2 2.2.3.1.7). */
export type SigningName = 'AES-GMAC' | 'AES-CMAC' | 'HMAC-SHA256';
export const SIGNING_IDS: Readonly<Record<SigningName, number>> = {
  'HMAC-SHA256': 0x0000,
  'AES-CMAC': 0x0001,
  'AES-GMAC': 0x0002,
};
/** The fast one first. */
export const SIGNINGS: readonly SigningName[] = ['AES-GMAC', 'AES-CMAC', 'HMAC-SHA256'];

export function isDialect(value: number): value is Dialect {
  return (DIALECTS as readonly number[]).includes(value);
}

/** AES-256 ciphers have keys of 256 bits. */
export function keyBits(cipher: CipherName): 128 | 256 {
  return cipher.startsWith('AES-256') ? 256 : 128;
}
