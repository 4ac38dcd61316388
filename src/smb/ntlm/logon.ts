import { randomBytes } from 'node:crypto';
import { rc4 } from '../crypto/rc4.ts';
import { malformed, SmbError } from '../errors.ts';
import { encodeText } from '../wire/text.ts';
import { fileTime } from '../wire/time.ts';
import {
  AV_CHANNEL_BINDINGS,
  AV_FLAG_MIC,
  AV_FLAGS,
  AV_TARGET_NAME,
  AV_TIMESTAMP,
  decodeAvPairs,
  encodeAvPairs,
  type AvPair,
} from './av-pairs.ts';
import {
  decodeChallenge,
  encodeAuthenticate,
  encodeNegotiate,
  MIC_OFFSET,
  NEEDED_FLAGS,
  NTLM_FLAGS,
  WANTED_FLAGS,
} from './messages.ts';
import { hmacMd5, ntlmV2Response, responseKey, type Account } from './response.ts';

const KEY_LENGTH = 16;

export interface NtlmAnswer {
  /** AUTHENTICATE_MESSAGE. */
  readonly message: Buffer;
  /** ExportedSessionKey, 16 bytes: what both sides sign and encrypt with, when the password was right. */
  readonly sessionKey: Buffer;
  /** Whether it was made by the client and not from the password. */
  readonly keyExchange: boolean;
}

/** Handed in by tests that compare with published examples. */
export interface NtlmEntropy {
  readonly random: (length: number) => Buffer;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const REAL: NtlmEntropy = { random: randomBytes, now: () => Date.now() };

/** One NTLMv2 log-on with extended session security (MS-NLMP 3.1.5.1). */
export class NtlmLogon {
  readonly #account: Account;
  /** The service that is logged on to, `cifs/HOST`. */
  readonly #target: string;
  readonly #entropy: NtlmEntropy;
  readonly #negotiate = encodeNegotiate(WANTED_FLAGS);

  constructor(account: Account, target: string, entropy: NtlmEntropy = REAL) {
    this.#account = account;
    this.#target = target;
    this.#entropy = entropy;
  }

  /** NEGOTIATE_MESSAGE. */
  first(): Buffer {
    return this.#negotiate;
  }

  /** @throws SmbError `MALFORMED`, or `UNSUPPORTED` when the server speaks nothing that can be trusted */
  answer(challengeMessage: Buffer): NtlmAnswer {
    const challenge = decodeChallenge(challengeMessage);
    if ((challenge.flags & NEEDED_FLAGS) >>> 0 !== NEEDED_FLAGS) {
      throw new SmbError('UNSUPPORTED', 'the server offers no NTLMv2 with 128-bit session security');
    }
    const pairs = decodeAvPairs(challenge.targetInfo);
    const stamp = pairs.find(({ id }) => id === AV_TIMESTAMP)?.value;
    if (stamp !== undefined && stamp.length !== 8) throw malformed('a time stamp that is none');
    const response = ntlmV2Response(responseKey(this.#account), {
      serverChallenge: challenge.serverChallenge,
      clientChallenge: this.#entropy.random(8),
      time: stamp?.readBigUInt64LE() ?? fileTime(this.#entropy.now()),
      targetInfo: encodeAvPairs(stamp === undefined ? pairs : this.#protectedPairs(pairs)),
    });
    const keyExchange = (challenge.flags & NTLM_FLAGS.keyExchange) !== 0;
    const sessionKey = keyExchange ? this.#entropy.random(KEY_LENGTH) : response.sessionBaseKey;
    const message = encodeAuthenticate({
      flags: (challenge.flags & WANTED_FLAGS) >>> 0,
      // MS-NLMP 3.1.5.1.2: no LMv2 response to a server that sends a time.
      lm: stamp === undefined ? response.lm : Buffer.alloc(response.lm.length),
      nt: response.nt,
      domain: encodeText(this.#account.domain),
      user: encodeText(this.#account.user),
      workstation: Buffer.alloc(0),
      encryptedSessionKey: keyExchange ? rc4(response.sessionBaseKey, sessionKey) : Buffer.alloc(0),
    });
    if (stamp !== undefined) {
      message.set(hmacMd5(sessionKey, this.#negotiate, challengeMessage, message), MIC_OFFSET);
    }
    return { message, sessionKey, keyExchange };
  }

  /** What the client adds where a MIC covers it (MS-NLMP 3.1.5.1.2). */
  #protectedPairs(pairs: readonly AvPair[]): AvPair[] {
    const ours = new Set([AV_FLAGS, AV_CHANNEL_BINDINGS, AV_TARGET_NAME]);
    const given = pairs.find(({ id }) => id === AV_FLAGS)?.value;
    const flags = Buffer.alloc(4);
    flags.writeUInt32LE(((given?.length === 4 ? given.readUInt32LE() : 0) | AV_FLAG_MIC) >>> 0);
    return [
      ...pairs.filter(({ id }) => !ours.has(id)),
      { id: AV_FLAGS, value: flags },
      { id: AV_CHANNEL_BINDINGS, value: Buffer.alloc(16) },
      { id: AV_TARGET_NAME, value: encodeText(this.#target) },
    ];
  }
}
