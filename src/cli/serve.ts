import { flushCompileCache } from 'node:module';
import { loadConfig } from '../config/load.ts';
import { ReloadableConfig } from '../config/reload.ts';
import { startDaemon } from '../daemon/daemon.ts';
import { createLog } from '../daemon/log/log.ts';
import { describeError, errorCode } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { collectDeadBuffersRegularly } from '../platform/node/garbage.ts';
import { returnFreedMemory } from '../platform/node/native.ts';
import { ExitCode } from './exit-codes.ts';

/** Runs the daemon until it is told to stop; resolves with the exit code. */
export async function serve(options: { readonly config: string }): Promise<number> {
  const loaded = loadConfig(options.config);
  if ('problems' in loaded) {
    const { describeProblem } = await import('../config/problems.ts');
    for (const problem of loaded.problems) process.stderr.write(`${describeProblem(problem)}\n`);
    return ExitCode.invalid;
  }
  returnFreedMemory();
  collectDeadBuffersRegularly();
  const daemonLog = createLog(loaded.config.log);
  const { log } = daemonLog;
  // Before it runs there is nothing to change: it has just read its configuration.
  let hangUp = (): void => undefined;
  process.on('SIGHUP', () => hangUp());
  const stopped = signalled(['SIGTERM', 'SIGINT']);
  try {
    const reloadable = new ReloadableConfig(loaded, () => loadConfig(options.config));
    const child = (part: string): Log => daemonLog.child(part);
    const daemon = await startDaemon(loaded.config, log, child, (prepare) => reloadable.reload(prepare));
    hangUp = () => {
      try {
        daemon.control.reload();
      } catch (error) {
        log.error(describeError(error), { code: errorCode(error) });
      }
    };
    log.info('blockferry is running', { groups: loaded.config.groups.length });
    // Now, and not at its end, which may be a crash: the next start then needs 30 MiB less.
    flushCompileCache();
    const signal = await stopped;
    log.info(`${signal}: stopping`);
    await daemon.stop();
    log.info('stopped: everything taken is durable');
    return ExitCode.ok;
  } finally {
    await daemonLog.close();
  }
}

function signalled(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve(signal));
  });
}
