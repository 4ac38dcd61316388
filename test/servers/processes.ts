import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Those that must not outlive this process, however it ends. */
const running = new Set<ServerProcess>();
process.once('exit', () => {
  for (const server of running) server.signal('SIGKILL');
});

/** A server under test: started once, its children found through /proc, so that a freeze or a kill reaches all of them. */
export class ServerProcess {
  readonly #pid: number;
  readonly #output: string[] = [];
  #exited = false;

  constructor(argv: readonly [string, ...string[]], environment: Readonly<Record<string, string>>) {
    const [program, ...rest] = argv;
    const child = spawn(program, rest, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => void this.#output.push(chunk.toString());
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => keep(Buffer.from(error.message)));
    child.on('exit', () => (this.#exited = true));
    this.#pid = child.pid ?? 0;
    running.add(this);
  }

  signal(name: NodeJS.Signals): void {
    for (const pid of this.#family()) send(pid, name);
  }

  signalChildren(name: NodeJS.Signals): void {
    for (const pid of this.#family()) if (pid !== this.#pid) send(pid, name);
  }

  async kill(): Promise<void> {
    // A child that was forked between the listing and the kill is met in the next round.
    for (;;) {
      const family = this.#family();
      if (family.length === 0) break;
      for (const pid of family) send(pid, 'SIGKILL');
      await sleep(5);
    }
    running.delete(this);
  }

  /** Resolves when the port takes connections. @throws Error with the server's output when it does not within a minute */
  async listening(port: number): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!(await takesConnections(port))) {
      if (this.#exited || Date.now() > deadline) {
        throw new Error(`the server does not listen on port ${port}: ${this.#output.join('')}`);
      }
      await sleep(20);
    }
  }

  readonly #known = new Set<number>();

  /** The processes that live, this one first. Those seen once are kept: a child outlives its killed parent. */
  #family(): number[] {
    if (!this.#exited && this.#pid !== 0) this.#known.add(this.#pid);
    const parents = runningProcesses();
    for (let before = -1; before !== this.#known.size;) {
      before = this.#known.size;
      for (const [pid, parent] of parents) if (this.#known.has(parent)) this.#known.add(pid);
    }
    for (const pid of this.#known) if (!parents.has(pid)) this.#known.delete(pid);
    return [...this.#known];
  }
}

/** Process id → its parent's; zombies left out. */
function runningProcesses(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state !== 'Z') parents.set(Number(name), Number(parent));
    } catch {
      // It ended while this looked.
    }
  }
  return parents;
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A port that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
