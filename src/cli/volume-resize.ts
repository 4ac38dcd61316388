import { resizeAnswerSchema, type ResizeAnswer } from '../api/contract/volumes.ts';
import { ask } from './client.ts';
import { confirm } from './confirm.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { bytesText, printable } from './text.ts';

export interface VolumeResizeOptions {
  readonly state: string;
  readonly group: string;
  readonly volume: string;
  /** Bytes; undefined: what its file or device has. */
  readonly size: number | undefined;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export async function resizeVolume(options: VolumeResizeOptions): Promise<ExitCode> {
  const { state, group, volume, size, yes, dryRun, json } = options;
  const path = `/groups/${encodeURIComponent(group)}/volumes/${encodeURIComponent(volume)}/size`;
  const request = (trial: boolean): Promise<ResizeAnswer> => {
    const body = { dryRun: trial, ...(size === undefined ? {} : { size }) };
    return ask(state, { method: 'POST', path, body, answer: resizeAnswerSchema });
  };
  let answer: ResizeAnswer;
  if (dryRun) answer = await request(true);
  else {
    if (!yes) await confirm(consequences(await request(true), group));
    answer = await request(false);
  }
  if (json) printJson({ resized: !dryRun, group, ...answer });
  else if (dryRun) print([...consequences(answer, group), 'Nothing was changed.']);
  else print([`Volume ${volume} of group ${group} has ${answer.size} bytes now.`, ...RECONNECT]);
  return ExitCode.ok;
}

const RECONNECT = [
  'Hosts that connect from now on see it so; those that are connected when they have connected again.',
];

function consequences({ volume, path, kind, from, size }: ResizeAnswer, group: string): string[] {
  if (size === from) return [`Volume ${volume} of group ${group} has ${size} bytes already.`];
  const grows = `Volume ${volume} of group ${group} grows from ${bytesText(from)} to ${bytesText(size)} (${size} bytes), here and at each destination; it cannot shrink again.`;
  const device = `What ${printable(path)} holds behind its first ${from} bytes is overwritten with zeros.`;
  return kind === 'block device' ? [grows, device] : [grows];
}
