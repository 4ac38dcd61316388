/** Where things are when nobody says: `/etc` and `/var/lib`, on Windows `%ProgramData%`. */
import { posix, win32 } from 'node:path';

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export function defaultConfigFile({ platform, environment }: Machine): string {
  if (platform === 'win32') return win32.join(programData(environment), 'blockferry', 'blockferry.yaml');
  return posix.join('/etc', 'blockferry', 'blockferry.yaml');
}

export function defaultStateFolder({ platform, environment }: Machine): string {
  if (platform === 'win32') return win32.join(programData(environment), 'blockferry', 'state');
  return posix.join('/var/lib', 'blockferry');
}

function programData(environment: Machine['environment']): string {
  return environment['ProgramData'] ?? String.raw`C:\ProgramData`;
}
