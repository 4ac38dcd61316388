/** What an object in a thread has of the world: it is given back when the object ends, as the thread may go on with others. */
import type { HostVolume } from '../../nbd/front-end.ts';
import { NbdServer } from '../../nbd/server.ts';
import type { Log, LogFields } from '../../platform/log.ts';
import { LentClock, nodeClock } from '../../platform/node/clock.ts';
import { LentFiles } from '../../platform/node/files.ts';
import { nodePlatform } from '../../platform/node/platform.ts';
import type { Emit, Lodging } from '../../platform/node/thread-objects.ts';
import type { Platform } from '../../platform/platform.ts';

export interface Lent {
  readonly platform: Platform;
  readonly log: Log;
  readonly serve: (volumes: readonly HostVolume[]) => NbdServer;
}

/** `connectionsMax`: of each server. */
export function lend({ emit, onEnd }: Lodging, connectionsMax: number): Lent {
  const [clock, files] = [new LentClock(), new LentFiles()];
  const servers: NbdServer[] = [];
  const log = threadLog(emit);
  onEnd(async () => {
    clock.end();
    await Promise.all(servers.map((server) => server.close()));
    files.end();
  });
  const serve = (volumes: readonly HostVolume[]): NbdServer => {
    const server = new NbdServer({ volumes, log, clock: nodeClock, connectionsMax });
    servers.push(server);
    return server;
  };
  return { platform: { ...nodePlatform, clock: clock.clock, files: files.files }, log, serve };
}

/** Lines of a worker thread go to the main thread's log as `log` events. */
function threadLog(emit: Emit): Log {
  const line =
    (level: keyof Log) =>
    (message: string, fields?: LogFields): void =>
      emit('log', level, message, fields);
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
