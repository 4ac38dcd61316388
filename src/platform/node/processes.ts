import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Command, CommandResult, Processes } from '../processes.ts';

/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 5000;
/** Milliseconds that what a program printed last may take to be read; a child that outlives it keeps its outputs open. */
const LAST_WORDS = 500;

/** A program that is stopped takes its children with it: on POSIX it leads a process group of its own. */
function signalTree(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // It ended in between.
  }
}

function run(command: Command): Promise<CommandResult> {
  return new Promise((resolve) => {
    const [program, ...args] = command.argv;
    const child = spawn(program, args, {
      env: { ...process.env, ...command.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    let ended: CommandResult | undefined;
    const stop = (why: CommandResult): void => {
      ended ??= why;
      signalTree(child, 'SIGTERM');
      setTimeout(() => signalTree(child, 'SIGKILL'), GRACE).unref();
    };
    const timer = setTimeout(() => stop({ kind: 'timed-out' }), command.timeLimit);
    const abort = (): void => stop({ kind: 'aborted' });
    command.signal.addEventListener('abort', abort);
    if (command.signal.aborted) abort();
    const finish = (result: CommandResult): void => {
      clearTimeout(timer);
      command.signal.removeEventListener('abort', abort);
      resolve(ended ?? result);
    };
    eachLine(child.stdout, command.onLine);
    eachLine(child.stderr, command.onLine);
    child.on('error', (error) => finish({ kind: 'not-started', reason: error.message }));
    child.on('exit', (code, signal) => {
      const result: CommandResult =
        code === null ? { kind: 'killed', signal: signal ?? 'unknown' } : { kind: 'exited', exitCode: code };
      const late = setTimeout(finish, LAST_WORDS, result);
      child.on('close', () => {
        clearTimeout(late);
        finish(result);
      });
    });
  });
}

function eachLine(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Infinity }).on('line', onLine);
}

export const nodeProcesses: Processes = { run };
