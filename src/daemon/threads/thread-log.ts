import type { Log, LogFields } from '../../platform/log.ts';
import type { Emit } from '../source-host.ts';

/** Lines of a worker thread go to the main thread's log as `log` events. */
export function threadLog(emit: Emit): Log {
  const line =
    (level: keyof Log) =>
    (message: string, fields?: LogFields): void =>
      emit('log', level, message, fields);
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
