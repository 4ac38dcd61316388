import { ServerProcess } from './processes.ts';
import type { ServerCommand } from './settings.ts';

/** The command that runs a server, and the port on which it takes connections. */
export interface RunnableServer {
  readonly command: Pick<ServerCommand, 'argv' | 'environment'>;
  readonly port: number;
}

/** A server that may be killed, frozen and started again: the troubles that a transport must tell apart. */
export class ControlledServer {
  readonly #server: RunnableServer;
  #process: ServerProcess | undefined;

  constructor(server: RunnableServer) {
    this.#server = server;
  }

  /** Also after {@link kill}: the same server again. */
  async run(): Promise<void> {
    const { command, port } = this.#server;
    this.#process = new ServerProcess(command.argv, command.environment);
    await this.#process.listening(port);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Ends the connections that are open, not the server. */
  killSessions(): void {
    this.#process?.signalChildren('SIGKILL');
  }

  /** SIGSTOP: connections stay, nothing answers. */
  freeze(): void {
    this.#process?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#process?.signal('SIGCONT');
  }
}
