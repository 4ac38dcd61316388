import { unmountedSchema } from '../api/contract/mounts.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { countText } from './text.ts';

export interface UnmountOptions {
  readonly state: string;
  readonly group: string;
  readonly mount: string;
  readonly json: boolean;
}

export async function unmount({ state, group, mount, json }: UnmountOptions): Promise<ExitCode> {
  const unmounted = await ask(state, {
    method: 'DELETE',
    path: `/groups/${encodeURIComponent(group)}/mounts/${encodeURIComponent(mount)}`,
    answer: unmountedSchema,
  });
  const { name, hungUp } = unmounted;
  if (json) printJson(unmounted);
  else print([`Unmounted ${name}${hungUp === 0 ? '' : `; ${countText(hungUp, 'connection')} hung up`}.`]);
  return ExitCode.ok;
}
