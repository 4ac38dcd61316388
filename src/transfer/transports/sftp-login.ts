import type { SftpServerOptions } from './sftp-options.ts';

export type LoginMethod = 'none' | 'publickey' | 'password' | 'keyboard-interactive';

/**
 * Which way to log in is tried next, false when none is left: the key where there is one, then the password, as the server
 * wants it. Many ask for it by keyboard-interactive alone (RFC 4256); where both are offered only one is tried, since every
 * wrong password counts towards the account's lock.
 */
export class LoginOrder {
  readonly #untried: Set<LoginMethod>;

  constructor({ password, privateKey }: Pick<SftpServerOptions, 'password' | 'privateKey'>) {
    this.#untried = new Set(['none']);
    if (privateKey !== undefined) this.#untried.add('publickey');
    if (password !== undefined) this.#untried.add('password').add('keyboard-interactive');
  }

  /** `offered` by the server; null while it was not asked yet. */
  next(offered: readonly string[] | null): LoginMethod | false {
    for (const method of this.#untried) {
      if (method !== 'none' && offered?.includes(method) !== true) continue;
      this.#untried.delete(method);
      if (method === 'password') this.#untried.delete('keyboard-interactive');
      if (method === 'keyboard-interactive') this.#untried.delete('password');
      return method;
    }
    return false;
  }
}

/** The password, to a single question whose answer is not shown. Nothing else can be answered without an operator. */
export function answers(prompts: readonly { readonly echo?: boolean }[], password: string): string[] {
  const [only] = prompts;
  return prompts.length === 1 && only?.echo === false ? [password] : [];
}
