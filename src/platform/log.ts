/** What the engines log through; winston stands behind it in the daemon. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Never a password, a key or a token. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
