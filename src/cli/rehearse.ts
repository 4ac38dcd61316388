import {
  rehearsalBegunSchema,
  rehearsalProgressSchema,
  type RehearsalProgress,
  type RehearsalRequest,
} from '../api/contract/rehearsals.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { wantedPoint } from './mount.ts';
import { paint, print, printJson } from './output.ts';
import { rehearsalLines } from './rehearsal-text.ts';

/** Milliseconds between looks at whether it has ended. */
const LOOK = 500;

export interface RehearseOptions {
  readonly state: string;
  readonly group: string;
  /** A time, an LSN or a snapshot's name; undefined: the newest recovery point. */
  readonly at: string | undefined;
  readonly json: boolean;
}

/** It goes on when this is ended. */
export async function rehearse({ state, group, at, json }: RehearseOptions): Promise<ExitCode> {
  const path = `/groups/${encodeURIComponent(group)}/rehearsals`;
  const body: RehearsalRequest = at === undefined ? {} : { point: wantedPoint(undefined, at) };
  const { number } = await ask(state, { method: 'POST', path, body, answer: rehearsalBegunSchema });
  const look = (): Promise<RehearsalProgress> =>
    ask(state, { method: 'GET', path: `${path}/${number}`, answer: rehearsalProgressSchema });
  let progress = await look();
  while (progress.state !== 'ended') {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    progress = await look();
  }
  const { rehearsal } = progress;
  if (json) printJson(rehearsal);
  else print(rehearsalLines(group, rehearsal, paint));
  return rehearsal.failure === undefined ? ExitCode.ok : ExitCode.notProven;
}
