/** Whether a text is a private key that the SFTP transport can use. A fix says `<file>` where the file's name belongs. Pure. */
import { createPrivateKey } from 'node:crypto';
import type { Parsed } from './units.ts';

/** OpenSSH's PROTOCOL.key: the magic, then the name of the cipher that the private part is encrypted with. */
const OPENSSH =
  /^-----BEGIN OPENSSH PRIVATE KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END OPENSSH PRIVATE KEY-----\s*$/;
const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');
const NOT_ENCRYPTED = 'none';
/** What ssh-keygen wrote before OpenSSH 7.8. */
const OLD = /^-----BEGIN (?:RSA|EC) PRIVATE KEY-----/;

const KEYGEN = 'make one with: ssh-keygen -t ed25519 -N "" -f NEW-FILE';

export function parseSshKey(text: string): Parsed<string> {
  const encoded = OPENSSH.exec(text)?.[1];
  if (encoded !== undefined) return parseOpenSsh(text, Buffer.from(encoded, 'base64'));
  if (!OLD.test(text)) {
    const fix = `write the path of a private key in OpenSSH’s form (ssh-keygen -p -f <file> turns others into it), or ${KEYGEN}`;
    return { message: 'holds no private key of ssh-keygen’s', fix };
  }
  if (text.includes('ENCRYPTED')) return encrypted();
  try {
    createPrivateKey(text);
    return { value: text };
  } catch {
    return { message: 'holds a damaged private key', fix: KEYGEN };
  }
}

function parseOpenSsh(text: string, key: Buffer): Parsed<string> {
  const start = MAGIC.length + 4;
  if (key.length < start || !key.subarray(0, MAGIC.length).equals(MAGIC)) {
    return { message: 'holds a damaged private key', fix: KEYGEN };
  }
  const cipher = key.subarray(start, start + key.readUInt32BE(MAGIC.length)).toString('latin1');
  return cipher === NOT_ENCRYPTED ? { value: text } : encrypted();
}

function encrypted(): Parsed<string> {
  return {
    message: 'holds a private key with a passphrase, which nobody could type into a service',
    fix: 'take the passphrase away from a key that only this service uses: ssh-keygen -p -N "" -f <file>',
  };
}
