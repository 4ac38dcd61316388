/** The daemon's log: lines for people on standard error, JSON lines in a file that is rotated. */
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { styleText } from 'node:util';
import winston from 'winston';
import type { LogConfig } from '../../config/config.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log, LogFields } from '../../platform/log.ts';
import { humanLine, jsonLine, LOG_LEVELS, type LogEntry, type LogLevel, type Paint } from './log-lines.ts';
import { RotatingFile } from './rotating-file.ts';

export interface DaemonLog {
  readonly log: Log;
  /** A log whose lines say which part of the program they come from. */
  child(part: string): Log;
  /** Everything that was logged is in the file when this resolves. */
  close(): Promise<void>;
}

const LEVELS = Object.fromEntries(LOG_LEVELS.map((level, index) => [level, index]));
const COLOURS = { error: 'red', warn: 'yellow', info: 'green', debug: 'gray' } as const;

/** Colours only on a terminal, and not where NO_COLOR is set. */
const paint: Paint = (level, text) => styleText(COLOURS[level], text, { stream: process.stderr });

/** @throws OperatorError `LOG_FILE_UNUSABLE` */
export function createLog(config: LogConfig): DaemonLog {
  const outputs = [output(new StandardError(), (entry) => humanLine(entry, paint))];
  if (config.file !== undefined) {
    const options = { path: config.file, size: config.size, files: config.files };
    const onLost = (error: unknown): void => {
      log.error('the log file cannot be written; its lines are counted until it can', {
        error: describeError(error),
      });
    };
    const lostLine = (count: number): string =>
      `${jsonLine(entryOf('error', undefined, `${count} lines could not be written here`))}\n`;
    outputs.push(output(new RotatingFile({ ...options, lostLine, onLost }), jsonLine));
  }
  const logger = winston.createLogger({
    levels: LEVELS,
    level: config.level,
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston types an instance as its class
    transports: outputs.map(({ transport }) => transport),
  });
  const log = logInto(logger, undefined);
  return {
    log,
    child: (part) => logInto(logger, part),
    async close() {
      const finished = outputs.map(({ transport }) => once(transport, 'finish'));
      logger.end();
      await Promise.all(finished);
      await Promise.all(outputs.map(({ stream }) => new Promise<void>((resolve) => stream.end(resolve))));
    },
  };
}

interface Output {
  readonly transport: winston.transports.StreamTransportInstance;
  readonly stream: Writable;
}

function output(stream: Writable, line: (entry: LogEntry) => string): Output {
  const format = winston.format.printf((info) => line(info['entry'] as LogEntry));
  return { stream, transport: new winston.transports.Stream({ stream, format, eol: '\n' }) };
}

function entryOf(
  level: LogLevel,
  part: string | undefined,
  message: string,
  fields: LogFields = {},
): LogEntry {
  return { level, time: Date.now(), part, message, fields };
}

function logInto(logger: winston.Logger, part: string | undefined): Log {
  const at =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void => {
      logger.log({ level, message, entry: entryOf(level, part, message, fields) });
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A terminal or journal that went away must not end the daemon: without a listener its EPIPE would. */
class StandardError extends Writable {
  readonly #ignore = (): void => undefined;

  constructor() {
    super();
    process.stderr.on('error', this.#ignore);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    process.stderr.write(chunk);
    done();
  }
}
