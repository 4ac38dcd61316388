/**
 * A log file that is rotated by size: FILE is the newest, then FILE.1, FILE.2 …
 *
 * Not winston's own File transport: version 3.19 loses lines when it rotates under load, and when the disk is full it
 * stops every other transport of its logger and keeps all further lines in memory. Here each chunk is one line, appended
 * with a system call of its own before the next is taken: nothing waits in memory, nothing is lost by rotating or by a
 * crash. What a full disk refuses is counted, and the count written when there is room again.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { errorCode, OperatorError } from '../../platform/errors.ts';

export interface RotatingFileOptions {
  readonly path: string;
  /** Bytes at which the file is rotated. */
  readonly size: number;
  /** Rotated files kept. */
  readonly files: number;
  /** The line that tells how many were lost. */
  readonly lostLine: (count: number) => string;
  /** Called when the first of several lines is lost. */
  readonly onLost: (error: unknown) => void;
}

const NEWLINE = 0x0a;

export class RotatingFile extends Writable {
  readonly #options: RotatingFileOptions;
  #fd: number | undefined;
  #size = 0;
  #lost = 0;

  /** @throws OperatorError `LOG_FILE_UNUSABLE`, unless only room is lacking, which may come back */
  constructor(options: RotatingFileOptions) {
    super({ decodeStrings: true });
    this.#options = options;
    try {
      fs.mkdirSync(dirname(options.path), { recursive: true, mode: 0o750 });
      this.#open();
    } catch (error) {
      if (errorCode(error) === 'ENOSPC') return;
      throw new OperatorError(
        'LOG_FILE_UNUSABLE',
        `the log file ${options.path} cannot be written: ${String(error)}`,
        {
          remedy:
            'make its folder writable for the user that runs the daemon, or set log.file to another path',
          cause: error,
        },
      );
    }
  }

  /** Never fails: a log that cannot be written must not stop what it tells of. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    try {
      if (this.#lost > 0) {
        this.#append(Buffer.from(this.#options.lostLine(this.#lost), 'utf8'));
        this.#lost = 0;
      }
      this.#append(chunk);
    } catch (error) {
      // Opened anew for the next line: whatever is mended is noticed then.
      this.#close();
      this.#lost += 1;
      if (this.#lost === 1) this.#options.onLost(error);
    }
    done();
  }

  override _final(done: () => void): void {
    this.#close();
    done();
  }

  #append(line: Buffer): void {
    if (this.#size > 0 && this.#size + line.length > this.#options.size) this.#rotate();
    const fd = this.#fd ?? this.#open();
    const written = fs.writeSync(fd, line);
    if (written < line.length) {
      // A full disk takes what still fits; half a line would spoil the next one.
      fs.ftruncateSync(fd, this.#size);
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    }
    this.#size += written;
  }

  #open(): number {
    const fd = fs.openSync(this.#options.path, 'a+', 0o640);
    this.#fd = fd;
    this.#size = fs.fstatSync(fd).size;
    const last = Buffer.of(NEWLINE);
    if (this.#size > 0) fs.readSync(fd, last, 0, 1, this.#size - 1);
    // A power failure may have left half a line.
    if (last[0] !== NEWLINE) this.#size += fs.writeSync(fd, '\n');
    return fd;
  }

  #close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** When a name cannot be changed the file grows past its size instead: lines matter more. */
  #rotate(): void {
    this.#close();
    const { path, files } = this.#options;
    const numbered = (number: number): string => (number === 0 ? path : `${path}.${number}`);
    try {
      fs.rmSync(numbered(files), { force: true });
      for (let number = files - 1; number >= 0; number -= 1) {
        if (fs.existsSync(numbered(number))) fs.renameSync(numbered(number), numbered(number + 1));
      }
    } catch {
      // Open again what is there.
    }
    this.#open();
  }
}
