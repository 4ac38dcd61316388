import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TestCertificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Key and certificate in one file. */
  readonly bothFile: string;
  readonly pem: string;
  /** SHA-256, 64 hexadecimal digits. */
  readonly fingerprint: string;
}

/** A self-signed certificate for `localhost` and 127.0.0.1, made by openssl. */
export function makeCertificate(folder: string): TestCertificate {
  const certificateFile = join(folder, 'cert.pem');
  const keyFile = join(folder, 'key.pem');
  const bothFile = join(folder, 'both.pem');
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost']
      .concat(['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'])
      .concat(['-keyout', keyFile, '-out', certificateFile]),
    { stdio: 'pipe' },
  );
  const pem = readFileSync(certificateFile, 'latin1');
  writeFileSync(bothFile, readFileSync(keyFile, 'latin1') + pem, { mode: 0o600 });
  const fingerprint = new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
  return { certificateFile, keyFile, bothFile, pem, fingerprint };
}
