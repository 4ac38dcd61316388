import { execFileSync } from 'node:child_process';

/** SHA-512 crypt, as password files hold it. */
export function passwordHash(password: string): string {
  return execFileSync('openssl', ['passwd', '-6', '-stdin'], { input: password, encoding: 'latin1' }).trim();
}
