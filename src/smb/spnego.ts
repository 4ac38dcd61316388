/**
 * NTLM's messages in SPNEGO's frame (RFC 4178; MS-SPNG), which is how SMB servers want them. NTLM is the only mechanism that
 * is offered, so it is the preferred one and no mechListMIC is needed (RFC 4178 5).
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
const STATE_REQUEST_MIC = 3;

/** NegTokenInit (RFC 4178 4.2.1) with the first message of NTLM. */
export function encodeNegTokenInit(mechToken: Buffer): Buffer {
  return der(
    TAG_APPLICATION,
    der(TAG_OID, OID_SPNEGO),
    der(
      context(0),
      der(
        TAG_SEQUENCE,
        der(context(0), der(TAG_SEQUENCE, der(TAG_OID, OID_NTLM))),
        der(context(2), der(TAG_OCTETS, mechToken)),
      ),
    ),
  );
}

/** NegTokenResp (RFC 4178 4.2.2) with a further message. */
export function encodeNegTokenResp(responseToken: Buffer): Buffer {
  return der(context(1), der(TAG_SEQUENCE, der(context(2), der(TAG_OCTETS, responseToken))));
}

/** The mechanism's message in a NegTokenResp, undefined when there is none. @throws SmbError `MALFORMED`, `UNSUPPORTED` */
export function decodeNegTokenResp(token: Buffer): Buffer | undefined {
  const fields = derElements(derOnly(derOnly(token, context(1)), TAG_SEQUENCE));
  const field = (number: number): Buffer | undefined =>
    fields.find(({ tag }) => tag === context(number))?.content;
  const state = field(0);
  const mechanism = field(1);
  const response = field(2);
  const number = state === undefined ? undefined : derOnly(state, TAG_ENUMERATED)[0];
  const isOther = mechanism !== undefined && !derOnly(mechanism, TAG_OID).equals(OID_NTLM);
  if (number === STATE_REJECT || number === STATE_REQUEST_MIC || isOther) {
    throw new SmbError('UNSUPPORTED', 'the server takes no NTLM log-on');
  }
  return response === undefined ? undefined : derOnly(response, TAG_OCTETS);
}
