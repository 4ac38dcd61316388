/** The SMB transport against a real Samba in the four settings that servers are found in. */
import { SmbTransport, type SmbTransportOptions } from '../../src/transfer/transports/smb.ts';
import { SAMBA_OWNER, SambaServer } from '../servers/samba.ts';
import { folderView } from './folder-bench.ts';
import { describeTransport } from './transport-suite.ts';

/** Milliseconds. */
const TIMEOUT = 15_000;

function optionsFor(server: SambaServer): SmbTransportOptions {
  return {
    host: '127.0.0.1',
    port: server.port,
    share: server.share,
    path: server.groupPath,
    user: server.users.writer,
    domain: '',
    password: server.password,
    encryption: 'when-demanded',
    timeout: TIMEOUT,
  };
}

const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  stock: [],
  'signing mandatory': ['server signing = mandatory'],
  'encryption required': ['server smb encrypt = required'],
  'SMB 3.1.1 only': ['server min protocol = SMB3_11'],
};

for (const [title, settings] of Object.entries(SETTINGS)) {
  describeTransport(`Samba, ${title}`, async () => {
    const server = await SambaServer.start(settings);
    return {
      ...folderView(server.groupFolder, SAMBA_OWNER),
      open: () => new SmbTransport(optionsFor(server)),
      stop: () => server.stop(),
    };
  });
}
