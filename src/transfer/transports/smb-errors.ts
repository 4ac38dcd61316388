/** What an SMB server answered, or its connection did, as a transport says it. */
import type { SmbErrorCode } from '../../smb/index.ts';
import type { TransportErrorCode } from '../transport.ts';

interface Meaning {
  readonly code: TransportErrorCode;
  readonly remedy: string;
}

const AWAY = 'see that the server is up, can be reached, and offers SMB on this port; it is tried again';
const IN_BETWEEN =
  'somebody may be changing what goes over the network: see that this is the server that you expect, and what lies between';

export const SMB_MEANINGS: Readonly<Record<SmbErrorCode, Meaning>> = {
  NOT_FOUND: {
    code: 'NotFound',
    remedy:
      'make the folder on the share, or mount the disk that holds it (it is not made for you, lest a disk that is not mounted is missed)',
  },
  SHARE_NOT_FOUND: {
    code: 'NotFound',
    remedy: 'see that the share has this name, and that the server offers it to this user',
  },
  EXISTS: { code: 'Exists', remedy: 'move what is no ordinary file or folder away from there' },
  IS_FOLDER: { code: 'Exists', remedy: 'move the folder away from there' },
  NOT_A_FOLDER: { code: 'Exists', remedy: 'move the file away that lies where a folder goes' },
  ACCESS_DENIED: {
    code: 'Auth',
    remedy:
      'let this user read, write, rename and delete there, in the share’s rights and in those of its folder',
  },
  LOGON_FAILURE: { code: 'Auth', remedy: 'see that user, domain and password are right' },
  ACCOUNT_RESTRICTED: {
    code: 'Auth',
    remedy: 'see that the account is enabled, not locked, and may log on now and from here',
  },
  PASSWORD_EXPIRED: {
    code: 'Auth',
    remedy:
      'give the account a new password, best one that does not expire, and put it into the password file',
  },
  DISK_FULL: {
    code: 'NoSpace',
    remedy: 'make room on the server, or raise the quota; sending goes on by itself',
  },
  SHARING_VIOLATION: {
    code: 'Busy',
    remedy: 'see what holds the file open at the server; it is tried again',
  },
  BUSY: { code: 'Busy', remedy: 'the server has no room for this now; it is tried again' },
  TOO_LARGE: { code: 'TooLarge', remedy: 'see what fills the folder, and move away what is not ours' },
  TIMEOUT: { code: 'Timeout', remedy: AWAY },
  CONNECTION_LOST: { code: 'ConnectionLost', remedy: AWAY },
  CANCELLED: { code: 'Cancelled', remedy: 'nothing was published; try again' },
  INTEGRITY: { code: 'Integrity', remedy: IN_BETWEEN },
  UNSUPPORTED: {
    code: 'Protocol',
    remedy: 'let the server speak SMB 2.1 or later with NTLMv2 log-ons, and SMB 3 where it is to encrypt',
  },
  MALFORMED: { code: 'Protocol', remedy: 'see that this is an SMB server' },
  REFUSED: { code: 'Protocol', remedy: 'see what the server’s log says of it' },
};
