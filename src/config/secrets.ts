/** Keys, passwords and certificates that the configuration names by their files: read, and checked for what they are. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { LenientFile } from './lenient.ts';
import { KEY_LENGTH, PEM_FILE_MAX, SECRET_FILE_MAX } from './limits.ts';
import { formatPath, quote, type Finding, type SettingPath } from './problems.ts';
import { parseSshKey } from './ssh-key.ts';
import type { ConfigWorld } from './world.ts';

export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly world: ConfigWorld;
}

/** By the place of the settings that name them: a group, a link's `ftp`, `sftp` or `smb`, a `login`, `receiver.tls`. */
export interface Secrets {
  readonly keys: ReadonlyMap<string, Buffer>;
  readonly passwords: ReadonlyMap<string, string>;
  /** PEM text, by the setting itself. */
  readonly certificates: ReadonlyMap<string, string>;
  /** Text of SSH keys, by the setting itself. */
  readonly privateKeys: ReadonlyMap<string, string>;
}

export function readSecrets(
  file: LenientFile,
  sources: SecretSources,
): { secrets: Secrets; findings: Finding[] } {
  const reader = new SecretReader(sources);
  for (const [name, group] of Object.entries(file.groups ?? {})) {
    if (group === undefined) continue;
    const path = ['groups', name];
    reader.key(path, group['key-file']);
    if (group.role === 'destination' && group.login !== undefined)
      reader.password([...path, 'login'], group.login);
    if (group.role !== 'source') continue;
    for (const [destination, link] of Object.entries(group.destinations ?? {})) {
      const at = [...path, 'destinations', destination];
      if (link?.ftp !== undefined) {
        const { ftp } = link;
        reader.password([...at, 'ftp'], ftp);
        reader.authority([...at, 'ftp', 'certificate-authority'], ftp['certificate-authority']);
      }
      if (link?.smb !== undefined) reader.password([...at, 'smb'], link.smb);
      if (link?.sftp !== undefined) {
        reader.password([...at, 'sftp'], link.sftp);
        reader.privateKey([...at, 'sftp', 'private-key'], link.sftp['private-key']);
      }
    }
  }
  const tls = file.receiver?.tls;
  if (tls !== undefined) reader.serverCertificate(['receiver', 'tls'], tls.certificate, tls.key);
  return { secrets: reader, findings: reader.findings };
}

interface PasswordSettings {
  readonly 'password-file'?: string | undefined;
  readonly 'password-env'?: string | undefined;
}

const HEXADECIMAL_KEY = /^[0-9a-f]{64}$/i;
const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/;
const KEY_FIX = 'make one with: openssl rand -hex 32, and use the same at both sites';
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const PEM_FIX = 'write the path of a PEM file: it has a line -----BEGIN CERTIFICATE-----';
// eslint-disable-next-line no-control-regex -- these are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

class SecretReader implements Secrets {
  readonly keys = new Map<string, Buffer>();
  readonly passwords = new Map<string, string>();
  readonly certificates = new Map<string, string>();
  readonly privateKeys = new Map<string, string>();
  readonly findings: Finding[] = [];
  readonly #sources: SecretSources;

  constructor(sources: SecretSources) {
    this.#sources = sources;
  }

  key(group: SettingPath, file: string | undefined): void {
    const path = [...group, 'key-file'];
    const text = this.#secretText(path, file);
    if (text === undefined) return;
    if (HEXADECIMAL_KEY.test(text)) this.keys.set(formatPath(group), Buffer.from(text, 'hex'));
    else if (BASE64_KEY.test(text)) this.keys.set(formatPath(group), Buffer.from(text, 'base64'));
    else {
      const message = `${file ?? ''} holds ${text.length} characters that are no key: a key is ${2 * KEY_LENGTH} hexadecimal digits, or ${KEY_LENGTH} bytes in base64`;
      this.#refuse(path, message, KEY_FIX);
    }
  }

  password(owner: SettingPath, settings: PasswordSettings): void {
    const file = settings['password-file'];
    const name = settings['password-env'];
    if (file !== undefined) {
      const path = [...owner, 'password-file'];
      this.#acceptPassword(owner, path, this.#secretText(path, file), file);
    } else if (name !== undefined) {
      const path = [...owner, 'password-env'];
      const value = this.#sources.env[name];
      if (value === undefined)
        this.#refuse(path, `the environment has no ${name}`, 'set it for the daemon, or use password-file');
      else this.#acceptPassword(owner, path, value, name);
    }
  }

  #acceptPassword(owner: SettingPath, path: SettingPath, password: string | undefined, from: string): void {
    if (password === undefined) return;
    if (password === '') this.#refuse(path, `${from} is empty`, 'write the password into it');
    else if (CONTROL_CHARACTER.test(password)) {
      this.#refuse(
        path,
        `${from} holds more than one line, or a control character`,
        'keep the password alone, on one line',
      );
    } else this.passwords.set(formatPath(owner), password);
  }

  /** One authority or several, one behind the other. */
  authority(path: SettingPath, file: string | undefined): void {
    const pem = this.#pem(path, file);
    if (pem === undefined) return;
    const blocks = pem.match(PEM_BLOCK) ?? [];
    if (blocks.length > 0 && blocks.every((block) => parseCertificate(block) !== undefined)) {
      this.certificates.set(formatPath(path), pem);
    } else this.#refuse(path, `${file ?? ''} holds no readable certificate`, PEM_FIX);
  }

  privateKey(path: SettingPath, file: string | undefined): void {
    const text = this.#privateFile(path, file, PEM_FILE_MAX)?.toString('utf8');
    if (file === undefined || text === undefined) return;
    const parsed = parseSshKey(text);
    if ('value' in parsed) this.privateKeys.set(formatPath(path), parsed.value);
    else this.#refuse(path, `${file} ${parsed.message}`, parsed.fix.replaceAll('<file>', shellWord(file)));
  }

  serverCertificate(
    owner: SettingPath,
    certificateFile: string | undefined,
    keyFile: string | undefined,
  ): void {
    const [certificatePath, keyPath] = [
      [...owner, 'certificate'],
      [...owner, 'key'],
    ];
    const pem = this.#pem(certificatePath, certificateFile);
    const certificate = pem === undefined ? undefined : parseCertificate(pem);
    if (pem !== undefined && certificate === undefined) {
      this.#refuse(certificatePath, `${certificateFile ?? ''} holds no readable certificate`, PEM_FIX);
    }
    const keyPem = this.#privateFile(keyPath, keyFile, PEM_FILE_MAX)?.toString('utf8');
    if (keyPem === undefined) return;
    const key = parsePrivateKey(keyPem);
    if (key === undefined) {
      const fix = 'write the path of a PEM file with a private key that has no passphrase';
      this.#refuse(keyPath, `${keyFile ?? ''} holds no readable private key`, fix);
    } else if (certificate?.checkPrivateKey(key) === false) {
      this.#refuse(
        keyPath,
        `${keyFile ?? ''} is not the key of ${certificateFile ?? ''}`,
        'name the pair that was made together',
      );
    } else if (pem !== undefined && certificate !== undefined) {
      this.certificates.set(formatPath(certificatePath), pem);
      this.certificates.set(formatPath(keyPath), keyPem);
    }
  }

  #pem(path: SettingPath, file: string | undefined): string | undefined {
    if (file === undefined) return undefined;
    const read = this.#sources.world.readFile(file, PEM_FILE_MAX);
    if (read.kind === 'content') return read.content.toString('utf8');
    this.#refuse(path, `${file} ${read.reason}`, 'correct the path or the file');
    return undefined;
  }

  /** Without the line's end that an editor adds. */
  #secretText(path: SettingPath, file: string | undefined): string | undefined {
    return this.#privateFile(path, file, SECRET_FILE_MAX)
      ?.toString('utf8')
      .replace(/^\ufeff/, '')
      .replace(/\r?\n$/, '');
  }

  #privateFile(path: SettingPath, file: string | undefined, limit: number): Buffer | undefined {
    if (file === undefined) return undefined;
    const read = this.#sources.world.readFile(file, limit);
    if (read.kind === 'failed') {
      this.#refuse(path, `${file} ${read.reason}`, 'correct the path or the file');
      return undefined;
    }
    if (read.shared) {
      const mode = read.mode.toString(8).padStart(4, '0');
      this.#refuse(
        path,
        `${file} is open to others than its owner (mode ${mode})`,
        `run: chmod 600 ${shellWord(file)}`,
      );
      return undefined;
    }
    return read.content;
  }

  #refuse(path: SettingPath, message: string, fix: string): void {
    this.findings.push({ path, message, fix });
  }
}

function shellWord(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : quote(path);
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function parsePrivateKey(pem: string): ReturnType<typeof createPrivateKey> | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
