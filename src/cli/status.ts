import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusReport } from '../api/contract/status.ts';
import { statusReportSchema } from '../api/contract/status-schema.ts';
import { describeError } from '../platform/errors.ts';
import { ask } from './client.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { paint, print, printJson } from './output.ts';
import { statusLines } from './status-text.ts';

/** Milliseconds between two looks of `--watch`. */
const WATCH_INTERVAL = 1000;

const CLEAR_SCREEN = '\u001b[H\u001b[2J';

export interface StatusOptions {
  readonly state: string;
  readonly group: string | undefined;
  readonly json: boolean;
  readonly watch: boolean;
}

export async function status(options: StatusOptions): Promise<ExitCode> {
  show(await fetchReport(options), options);
  while (options.watch && process.stdout.writable) {
    await sleep(WATCH_INTERVAL);
    try {
      show(await fetchReport(options), options);
    } catch (error) {
      // A daemon that is being restarted comes back; who watches wants to see that.
      if (!(error instanceof CommandError && error.exitCode === ExitCode.unreachable)) throw error;
      if (options.json) process.stderr.write(`${describeError(error)}\n`);
      else showLines([describeError(error)], true);
    }
  }
  return ExitCode.ok;
}

function fetchReport({ state, group }: StatusOptions): Promise<StatusReport> {
  const path = group === undefined ? '/status' : `/groups/${encodeURIComponent(group)}/status`;
  return ask(state, { method: 'GET', path, answer: statusReportSchema });
}

function show(report: StatusReport, { json, watch }: StatusOptions): void {
  if (json) printJson(report);
  else showLines(statusLines(report, paint), watch);
}

/** On a terminal `--watch` draws over what it drew before; elsewhere it appends, with an empty line between. */
function showLines(lines: readonly string[], watch: boolean): void {
  if (watch && process.stdout.isTTY) {
    print([CLEAR_SCREEN + (lines[0] ?? ''), ...lines.slice(1)]);
  } else {
    print(watch ? [...lines, ''] : lines);
  }
}
