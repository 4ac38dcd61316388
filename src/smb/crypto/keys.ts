import { DIALECT_210, DIALECT_311, keyBits, type CipherName, type Dialect } from './algorithms.ts';
import { deriveKey } from './kdf.ts';

/** The keys of one session, as the client uses them. */
export interface SessionKeys {
  readonly signing: Buffer;
  /** Client to server, and back; undefined when no cipher was agreed on. */
  readonly sending: Buffer | undefined;
  readonly receiving: Buffer | undefined;
}

export interface KeyInputs {
  readonly dialect: Dialect;
  /** From the log-on, 16 bytes. */
  readonly sessionKey: Buffer;
  /** Of 3.1.1: over everything up to the request that completed the log-on. */
  readonly preauth: Buffer;
  readonly cipher: CipherName | undefined;
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

/**
 * Session.SigningKey, EncryptionKey and DecryptionKey (MS-SMB2 3.2.5.3.1). "ServerIn " has a space at its end. 2.1 signs
 * with the log-on's own key and encrypts nothing.
 */
export function deriveSessionKeys({ dialect, sessionKey, preauth, cipher }: KeyInputs): SessionKeys {
  if (dialect === DIALECT_210) return { signing: sessionKey, sending: undefined, receiving: undefined };
  const modern = dialect === DIALECT_311;
  const derive = (label: string, old: { label: string; context: string }, bits: 128 | 256): Buffer =>
    modern
      ? deriveKey(sessionKey, { label: `${label}\0`, context: preauth }, bits)
      : deriveKey(sessionKey, { label: `${old.label}\0`, context: text(`${old.context}\0`) }, bits);
  const signing = derive('SMBSigningKey', { label: 'SMB2AESCMAC', context: 'SmbSign' }, 128);
  if (cipher === undefined) return { signing, sending: undefined, receiving: undefined };
  const bits = keyBits(cipher);
  return {
    signing,
    sending: derive('SMBC2SCipherKey', { label: 'SMB2AESCCM', context: 'ServerIn ' }, bits),
    receiving: derive('SMBS2CCipherKey', { label: 'SMB2AESCCM', context: 'ServerOut' }, bits),
  };
}
