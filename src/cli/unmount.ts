import { unmountedSchema, type Unmounted } from '../api/contract/mounts.ts';
import { errorCode } from '../platform/errors.ts';
import { ask } from './client.ts';
import { detachDevices, devicesFolder } from './devices.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { countText } from './text.ts';

export interface UnmountOptions {
  readonly state: string;
  readonly group: string;
  readonly mount: string;
  readonly json: boolean;
}

/** Devices first: also those of a mount that ended with its daemon. */
export async function unmount({ state, group, mount, json }: UnmountOptions): Promise<ExitCode> {
  const hadDevices = await detachDevices(devicesFolder(state, group, mount));
  const unmounted = await ask(state, {
    method: 'DELETE',
    path: `/groups/${encodeURIComponent(group)}/mounts/${encodeURIComponent(mount)}`,
    answer: unmountedSchema,
  }).catch((error: unknown): Unmounted => {
    if (!hadDevices || errorCode(error) !== 'MOUNT_NOT_FOUND') throw error;
    return { name: mount, hungUp: 0 };
  });
  const { name, hungUp } = unmounted;
  if (json) printJson(unmounted);
  else print([`Unmounted ${name}${hungUp === 0 ? '' : `; ${countText(hungUp, 'connection')} hung up`}.`]);
  return ExitCode.ok;
}
