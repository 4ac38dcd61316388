import { createSecretKey } from 'node:crypto';
import type SftpClient from 'ssh2-sftp-client';

/** What of a connection holds its AES-GCM keys. No part of ssh2's interface, so any of it may be missing. */
interface KeyHolders {
  readonly client?: {
    readonly _protocol?: {
      readonly _cipher?: { _encKey?: unknown };
      readonly _decipher?: { _decipherKey?: unknown };
    };
  };
}

/**
 * Has a connection keep its keys as key objects. ssh2 makes a cipher for every packet and hands its key over as bytes; that
 * these are no key object Node 24 finds out at a price above that of encrypting the packet. It is two fifths of an upload's
 * processor time, for which ssh2 has no setting. A connection without these fields is as slow as ssh2 makes it.
 */
export function keepKeyObjects(client: SftpClient): void {
  // Told of every exchange of keys, the later ones of a long connection too.
  client.on('handshake', () => {
    const { _cipher: cipher, _decipher: decipher } = (client as KeyHolders).client?._protocol ?? {};
    if (cipher?._encKey instanceof Buffer) cipher._encKey = createSecretKey(cipher._encKey);
    const key = decipher?._decipherKey;
    if (decipher !== undefined && key instanceof Buffer) decipher._decipherKey = createSecretKey(key);
  });
}
