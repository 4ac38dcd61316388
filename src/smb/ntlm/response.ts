/** What proves the password (MS-NLMP 3.3.2: NTLMv2). LM and NTLMv1 are not spoken. */
import { createHmac } from 'node:crypto';
import { md4 } from '../crypto/md4.ts';
import { encodeText } from '../wire/text.ts';
import { Writer } from '../wire/writer.ts';

export interface Account {
  readonly user: string;
  readonly password: string;
  /** Empty for an account of the server itself. */
  readonly domain: string;
}

export interface ResponseInputs {
  readonly serverChallenge: Buffer;
  readonly clientChallenge: Buffer;
  /** FILETIME. */
  readonly time: bigint;
  /** The AV_PAIR list. */
  readonly targetInfo: Buffer;
}

export interface NtlmResponse {
  /** NtChallengeResponse (MS-NLMP 2.2.2.8). */
  readonly nt: Buffer;
  /** LmChallengeResponse (MS-NLMP 2.2.2.4), wanted by servers that send no time. */
  readonly lm: Buffer;
  /** SessionBaseKey, which with NTLMv2 is the KeyExchangeKey too. */
  readonly sessionBaseKey: Buffer;
}

export function hmacMd5(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac('md5', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** NTOWFv2: the key that a password comes down to. */
export function responseKey({ user, password, domain }: Account): Buffer {
  return hmacMd5(md4(encodeText(password)), encodeText(upperCase(user) + domain));
}

/** Character by character, as servers do it: `ß` stays as it is. */
function upperCase(text: string): string {
  const characters = Array.from(text, (character) => {
    const upper = character.toUpperCase();
    return upper.length === character.length ? upper : character;
  });
  return characters.join('');
}

export function ntlmV2Response(key: Buffer, inputs: ResponseInputs): NtlmResponse {
  const { serverChallenge, clientChallenge, time, targetInfo } = inputs;
  // NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7).
  const proven = new Writer(28 + targetInfo.length + 4)
    .u8(1)
    .u8(1)
    .zeros(6)
    .u64(time)
    .bytes(clientChallenge)
    .zeros(4)
    .bytes(targetInfo)
    .zeros(4)
    .done();
  const proof = hmacMd5(key, serverChallenge, proven);
  return {
    nt: Buffer.concat([proof, proven]),
    lm: Buffer.concat([hmacMd5(key, serverChallenge, clientChallenge), clientChallenge]),
    sessionBaseKey: hmacMd5(key, proof),
  };
}
