import { TransportError } from '../transport.ts';
import { withTimeLimit } from './time-limit.ts';

/**
 * Calls to the file system of a share. When its server is away a call may never return, and it holds one of the process's
 * few threads for files as long as that lasts. So every wait has a limit, and while one call hangs no other is made.
 */
export class BoundedCalls {
  readonly #path: string;
  readonly #limit: number;
  #hanging = 0;

  /** `path` is named in errors; `limit` in milliseconds. */
  constructor(path: string, limit: number) {
    this.#path = path;
    this.#limit = limit;
  }

  /** @throws TransportError `Timeout`, or what the call throws */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#hanging > 0) throw this.#noAnswer('an earlier call still waits for an answer');
    const pending = call();
    return withTimeLimit(pending, this.#limit, () => {
      this.#hanging += 1;
      const returned = (): void => void (this.#hanging -= 1);
      pending.then(returned, returned);
      return this.#noAnswer(`there was no answer within ${this.#limit / 1000} s`);
    });
  }

  /** The same, but undefined when nothing is there. */
  async unlessAbsent<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.run(call);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Closes a file or folder, without waiting where that would hang too. */
  async close(open: { close(): Promise<void> }): Promise<void> {
    const closing = open.close();
    if (this.#hanging > 0) closing.catch(() => undefined);
    else await closing;
  }

  #noAnswer(why: string): TransportError {
    return new TransportError('Timeout', `${this.#path}: ${why}`, {
      remedy: `see that the file server behind ${this.#path} is up; it is tried again`,
    });
  }
}
