import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetched, libraryPath } from './cache.ts';
import { freePort } from './processes.ts';
import { ControlledServer } from './server.ts';
import { makeOwnedFolder, type Owner } from './small-folder.ts';

/** Debian's user `backup`, by whom files are written; others of its system users have the other roles. */
const WRITER = 'backup';
export const SAMBA_OWNER: Owner = { uid: 34, gid: 34 };
/** May read, but not write. */
const READER = 'games';
/** Has a password that must be changed. */
const EXPIRED = 'news';
/** Has an account that is disabled. */
const DISABLED = 'mail';

/** The files of a private folder with all users in it. */
let accounts: ReadonlyMap<string, Buffer> | undefined;

/** A private Samba on loopback: its own configuration, users and state, none of them the machine's. */
export class SambaServer extends ControlledServer {
  readonly port: number;
  readonly share = 'share';
  readonly password = 'correct-horse-battery';
  readonly users = { writer: WRITER, reader: READER, expired: EXPIRED, disabled: DISABLED } as const;
  /** What is shared, where it lies on this machine. */
  readonly root: string;
  /** The folder of one group: where it lies on this machine, and its path on the share. */
  readonly groupFolder: string;
  readonly groupPath = '/group';
  readonly #folder: string;
  readonly #configuration: string;
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(folder: string, port: number, settings: readonly string[]) {
    const environment = { LD_LIBRARY_PATH: `${sambaLibraries()}:${libraryPath()}` };
    const configuration = join(folder, 'smb.conf');
    const options = ['-s', configuration, '-F', '--no-process-group', '--debug-stdout'];
    super({ command: { argv: [fetched('samba', 'usr/sbin/smbd'), ...options], environment }, port });
    this.port = port;
    this.#folder = folder;
    this.#environment = environment;
    this.#configuration = configuration;
    this.root = join(folder, 'root');
    this.groupFolder = join(this.root, 'group');
    chmodSync(folder, 0o755);
    for (const path of [this.root, this.groupFolder]) makeOwnedFolder(path, SAMBA_OWNER);
    this.#configure(settings);
  }

  /** `settings`: lines of its `[global]` section. */
  static async start(settings: readonly string[] = []): Promise<SambaServer> {
    const folder = mkdtempSync(join(tmpdir(), 'blockferry-samba-'));
    try {
      const server = new SambaServer(folder, await freePort(), settings);
      await server.run();
      return server;
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  /** For `smbclient`: its arguments before the share's. */
  get clientCommand(): {
    readonly program: string;
    readonly arguments: string[];
    readonly environment: NodeJS.ProcessEnv;
  } {
    return {
      program: fetched('smbclient', 'usr/bin/smbclient'),
      arguments: ['-s', this.#configuration, '-p', String(this.port), '-U', `${WRITER}%${this.password}`],
      environment: { ...process.env, ...this.#environment },
    };
  }

  /** As an administrator does who wants everybody off the share, without ending their connections. */
  closeShare(): void {
    this.#tool('samba', 'usr/bin/smbcontrol', ['smbd', 'close-share', this.share]);
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #configure(settings: readonly string[]): void {
    const state = (name: string): string => {
      const path = join(this.#folder, name);
      mkdirSync(path);
      return path;
    };
    const secrets = state('private');
    const lines = [
      '[global]',
      'server role = standalone server',
      `smb ports = ${this.port}`,
      'interfaces = 127.0.0.1/8',
      'bind interfaces only = yes',
      'disable netbios = yes',
      `private dir = ${secrets}`,
      `passdb backend = tdbsam:${secrets}/passdb.tdb`,
      `lock directory = ${state('lock')}`,
      `state directory = ${state('state')}`,
      `cache directory = ${state('cache')}`,
      `pid directory = ${state('pid')}`,
      `ncalrpc dir = ${state('ncalrpc')}`,
      `log file = ${state('log')}/%m.log`,
      'load printers = no',
      'printcap name = /dev/null',
      'disable spoolss = yes',
      ...settings,
      `[${this.share}]`,
      `path = ${this.root}`,
      'read only = no',
      `read list = ${READER}`,
      '[encrypted]',
      `path = ${this.root}`,
      'read only = no',
      'smb encrypt = required',
    ];
    writeFileSync(this.#configuration, `${lines.join('\n')}\n`);
    this.#makeAccounts(secrets);
  }

  /** Samba's tools take a second for it, so it is done once. */
  #makeAccounts(folder: string): void {
    if (accounts !== undefined) {
      for (const [name, content] of accounts) writeFileSync(join(folder, name), content, { mode: 0o600 });
      return;
    }
    for (const user of Object.values(this.users)) {
      this.#tool(
        'samba',
        'usr/bin/pdbedit',
        ['-a', '-t', '-u', user],
        `${this.password}\n${this.password}\n`,
      );
    }
    this.#tool('samba', 'usr/bin/pdbedit', ['-r', '-u', DISABLED, '-c', '[D]']);
    this.#tool('samba-common-bin', 'usr/bin/net', ['sam', 'set', 'pwdmustchangenow', EXPIRED, 'yes']);
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    accounts = new Map(files.map(({ name }) => [name, readFileSync(join(folder, name))]));
  }

  #tool(packageName: string, path: string, parameters: readonly string[], input = ''): void {
    execFileSync(fetched(packageName, path), ['-s', this.#configuration, ...parameters], {
      env: { ...process.env, ...this.#environment },
      input,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
  }
}

/** Samba's own libraries lie in folders that it knows by their absolute paths. */
function sambaLibraries(): string {
  const libraries = fetched('samba-libs', 'usr/lib');
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return [
    join(libraries, triplet),
    join(libraries, triplet, 'samba'),
    join(fetched('samba', 'usr/lib'), triplet, 'samba'),
  ].join(':');
}
