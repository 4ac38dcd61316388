/** A thread whose objects do what `threads.test.ts` asks of them. */
import { appendFileSync } from 'node:fs';
import { parentPort, threadId } from 'node:worker_threads';
import { OperatorError } from '../../src/platform/errors.ts';
import { LentClock } from '../../src/platform/node/clock.ts';
import { LentFiles } from '../../src/platform/node/files.ts';
import { serveObjects, type Emit } from '../../src/platform/node/thread-objects.ts';
import type { OpenFile } from '../../src/platform/files.ts';

export interface LodgerOptions {
  readonly name: string;
  /** A line is added to it at the end. */
  readonly diary: string;
  readonly fails?: boolean;
}

export class Lodger {
  readonly #options: LodgerOptions;
  readonly #emit: Emit;
  readonly #clock: LentClock;
  readonly #files: LentFiles;
  #file: OpenFile | undefined;

  constructor(options: LodgerOptions, emit: Emit, clock: LentClock, files: LentFiles) {
    this.#options = options;
    this.#emit = emit;
    this.#clock = clock;
    this.#files = files;
    if (options.fails === true)
      throw new OperatorError('NO_ROOM', `${options.name} is full`, { remedy: 'leave' });
  }

  where(): Promise<number> {
    return Promise.resolve(threadId);
  }

  tell(what: string): Promise<void> {
    this.#emit('told', `${this.#options.name}: ${what}`);
    return Promise.resolve();
  }

  open(path: string): Promise<void> {
    this.#file = this.#files.files.open(path, 'create');
    return Promise.resolve();
  }

  /** Writes to its file again and again, whatever becomes of it. */
  scribble(every: number): Promise<void> {
    const write = (): void => {
      this.#file?.write(Buffer.from('x'), 0);
      this.#emit('told', `${this.#options.name}: wrote`);
      this.#clock.clock.after(every, write);
    };
    write();
    return Promise.resolve();
  }

  never(): Promise<void> {
    return new Promise(() => undefined);
  }

  spin(): Promise<void> {
    for (;;);
  }

  throwUncaught(): Promise<void> {
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
    return this.never();
  }
}

if (parentPort !== null) {
  serveObjects(parentPort, (given, { emit, onEnd }) => {
    const options = given as LodgerOptions;
    const [clock, files] = [new LentClock(), new LentFiles()];
    onEnd(() => {
      clock.end();
      files.end();
      appendFileSync(options.diary, `${options.name} ended\n`);
      return Promise.resolve();
    });
    return new Lodger(options, emit, clock, files);
  });
}
