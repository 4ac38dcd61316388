/**
 * NTLM's messages in SPNEGO's frame (RFC 4178; MS-SPNG), which is how SMB servers want them. NTLM is the only mechanism that
 * is offered; that nobody put it there in place of a better one, both sides prove with a signature of the list.
 */
import {
  context,
  der,
  derElements,
  derOnly,
  TAG_APPLICATION,
  TAG_ENUMERATED,
  TAG_OCTETS,
  TAG_OID,
  TAG_SEQUENCE,
} from './der.ts';
import { SmbError } from './errors.ts';

/** 1.3.6.1.5.5.2 */
const OID_SPNEGO = Buffer.from('2b0601050502', 'hex');
/** 1.3.6.1.4.1.311.2.2.10 */
const OID_NTLM = Buffer.from('2b06010401823702020a', 'hex');

const STATE_REJECT = 2;

/** MechTypeList, what a mechListMIC is the signature of (RFC 4178 5). */
export const MECHANISMS = der(TAG_SEQUENCE, der(TAG_OID, OID_NTLM));

/** NegTokenInit (RFC 4178 4.2.1) with the first message of NTLM. */
export function encodeNegTokenInit(mechToken: Buffer): Buffer {
  const fields = der(TAG_SEQUENCE, der(context(0), MECHANISMS), octets(2, mechToken));
  return der(TAG_APPLICATION, der(TAG_OID, OID_SPNEGO), der(context(0), fields));
}

export interface NegToken {
  /** The mechanism's message. */
  readonly response: Buffer | undefined;
  readonly mechListMic: Buffer | undefined;
}

/** NegTokenResp (RFC 4178 4.2.2) with a further message. */
export function encodeNegTokenResp({ response, mechListMic }: NegToken): Buffer {
  const fields = [
    ...(response === undefined ? [] : [octets(2, response)]),
    ...(mechListMic === undefined ? [] : [octets(3, mechListMic)]),
  ];
  return der(context(1), der(TAG_SEQUENCE, ...fields));
}

/** What a NegTokenResp holds. @throws SmbError `MALFORMED`, `UNSUPPORTED` */
export function decodeNegTokenResp(token: Buffer): NegToken {
  const fields = derElements(derOnly(derOnly(token, context(1)), TAG_SEQUENCE));
  const field = (number: number, tag: number): Buffer | undefined => {
    const content = fields.find((element) => element.tag === context(number))?.content;
    return content === undefined ? undefined : derOnly(content, tag);
  };
  const state = field(0, TAG_ENUMERATED)?.[0];
  const mechanism = field(1, TAG_OID);
  if (state === STATE_REJECT || (mechanism !== undefined && !mechanism.equals(OID_NTLM))) {
    throw new SmbError('UNSUPPORTED', 'the server takes no NTLM log-on');
  }
  return { response: field(2, TAG_OCTETS), mechListMic: field(3, TAG_OCTETS) };
}

function octets(number: number, content: Buffer): Buffer {
  return der(context(number), der(TAG_OCTETS, content));
}
