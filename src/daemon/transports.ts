/** From the configuration to what carries files. */
import type { LinkConfig } from '../config/config.ts';
import { DepotTransport } from '../transfer/depot-transport.ts';
import type { Transport } from '../transfer/transport.ts';
import { FolderTransport } from '../transfer/transports/folder.ts';
import { FtpTransport } from '../transfer/transports/ftp.ts';
import { SftpTransport } from '../transfer/transports/sftp.ts';
import { SmbTransport } from '../transfer/transports/smb.ts';

export function transportOf({ transport, parallel }: LinkConfig): Transport {
  // One connection more than there are transfers, for the status.
  const connections = parallel + 1;
  switch (transport.kind) {
    case 'folder':
      return new FolderTransport(transport);
    case 'depot':
      return new DepotTransport(new FolderTransport(transport));
    case 'ftp':
      return new FtpTransport({ ...transport, connections });
    case 'sftp':
      return new SftpTransport({ ...transport, connections });
    case 'smb':
      return new SmbTransport(transport);
  }
}
