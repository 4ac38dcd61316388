import { createHash } from 'node:crypto';

/**
 * The running SHA-512 over every message until the log-on is complete (MS-SMB2 3.1.1: PreauthIntegrityHashValue). Keys are
 * derived from it, so that who changes one of these messages on the way shares no key with either side.
 */
export class PreauthHash {
  readonly value: Buffer;

  constructor(value: Buffer = Buffer.alloc(64)) {
    this.value = value;
  }

  /** With one more message, of which `parts` are the pieces. */
  with(parts: readonly Uint8Array[]): PreauthHash {
    const hash = createHash('sha512').update(this.value);
    for (const part of parts) hash.update(part);
    return new PreauthHash(hash.digest());
  }
}
