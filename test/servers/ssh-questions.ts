/**
 * An SSH server that asks for the password by keyboard-interactive alone (RFC 4256). OpenSSH does so only with PAM, which
 * needs root and changes to the machine; this one is ssh2's own, and shows an empty folder.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import ssh2, { type AuthContext, type Connection, type Session } from 'ssh2';

const { Server, utils } = ssh2;
const NO_SUCH_FILE = 2;
const FOLDER_MODE = 0o040755;

export interface Question {
  readonly prompt: string;
  readonly echo: boolean;
}

export class AskingServer {
  /** What was answered, in the order of the answers. */
  readonly answers: string[][] = [];
  /** The methods that clients tried. */
  readonly tried: string[] = [];
  readonly hostKey: string;
  readonly #server: InstanceType<typeof Server>;
  readonly #questions: readonly Question[];
  readonly #password: string;
  readonly #connections = new Set<Connection>();

  constructor(questions: readonly Question[], password: string) {
    this.#questions = questions;
    this.#password = password;
    const key = utils.generateKeyPairSync('ed25519');
    this.#server = new Server({ hostKeys: [key.private] }, (connection) => this.#serve(connection));
    const blob = Buffer.from(key.public.split(' ')[1] ?? '', 'base64');
    this.hostKey = `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.end();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(connection: Connection): void {
    this.#connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('close', () => this.#connections.delete(connection));
    connection.on('authentication', (login) => this.#judge(login));
    connection.on('session', (accept) => showEmptyFolder(accept()));
  }

  #judge(login: AuthContext): void {
    this.tried.push(login.method);
    if (login.method !== 'keyboard-interactive') {
      login.reject(['keyboard-interactive']);
      return;
    }
    login.prompt([...this.#questions], (answers) => {
      this.answers.push(answers);
      if (answers.length === 1 && answers[0] === this.#password) login.accept();
      else login.reject(['keyboard-interactive']);
    });
  }
}

function showEmptyFolder(session: Session): void {
  session.on('sftp', (accept) => {
    const sftp = accept();
    const attributes = { mode: FOLDER_MODE, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };
    sftp.on('STAT', (id) => sftp.attrs(id, attributes));
    sftp.on('OPENDIR', (id) => sftp.status(id, NO_SUCH_FILE));
  });
}
