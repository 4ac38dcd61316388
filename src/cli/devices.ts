/**
 * Mounts as block devices, on Linux: nbdfuse makes a file of each export, a loop device a disk of each file. What is made
 * can be found again in `<state>/devices/GROUP/MOUNT/VOLUME`, which is all that `unmount` needs to undo it.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode } from '../platform/errors.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { deviceFailed, programFailed, runProgram } from './programs.ts';

/** Milliseconds that nbdfuse has to show an export's size, and a device to be let go. */
const PATIENCE = 10_000;
const INTERVAL = 50;

export interface ExportToAttach {
  readonly volume: string;
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
}

export interface AttachedDevice {
  readonly volume: string;
  /** The loop device. */
  readonly device: string;
  /** What it is made of: an image file of the volume. */
  readonly file: string;
}

export const devicesFolder = (state: string, group: string, mount: string): string =>
  join(state, 'devices', group, mount);

/** @throws CommandError `DEVICE_UNSUPPORTED`, `PROGRAM_MISSING`, `DEVICE_FAILED`: nothing is left of it */
export async function attachDevices(
  folder: string,
  exports: readonly ExportToAttach[],
  writable: boolean,
): Promise<AttachedDevice[]> {
  if (process.platform !== 'linux') {
    const message = 'block devices of mounts are made on Linux only';
    throw new CommandError(
      ExitCode.declined,
      'DEVICE_UNSUPPORTED',
      message,
      'mount it without --device, and use the NBD address',
    );
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const attached: AttachedDevice[] = [];
    for (const one of exports) attached.push(await attach(folder, one, writable));
    return attached;
  } catch (error) {
    await detachDevices(folder).catch(() => undefined);
    throw error;
  }
}

/** True when there was anything. @throws CommandError `DEVICE_IN_USE`, `DEVICE_FAILED`, `PROGRAM_MISSING` */
export async function detachDevices(folder: string): Promise<boolean> {
  if (!existsSync(folder)) return false;
  const files = readdirSync(folder).map((name) => join(folder, name));
  const loops = new Map<string, string[]>();
  for (const file of files) loops.set(file, await loopsOf(file));
  for (const device of [...loops.values()].flat()) refuseMounted(device);
  for (const [file, devices] of loops) {
    for (const device of devices) await runProgram('losetup', ['-d', device]);
    await until(`the loop device of ${file} was not let go`, async () => (await loopsOf(file)).length === 0);
    if (isFuse(file)) {
      await until(`${file} is still in use`, () =>
        runProgram('fusermount3', ['-u', file]).then(() => true, isOurs),
      );
    }
    rmSync(file, { force: true });
  }
  rmdirSync(folder);
  return true;
}

async function attach(
  folder: string,
  { volume, uri, size }: ExportToAttach,
  writable: boolean,
): Promise<AttachedDevice> {
  const file = join(folder, volume);
  writeFileSync(file, '');
  await showAsFile(file, uri, { size, writable });
  const readOnly = writable ? [] : ['-r'];
  const device = (await runProgram('losetup', ['-f', '-P', '--show', ...readOnly, file])).trim();
  return { volume, device, file };
}

/** nbdfuse goes on after this process, until its file is unmounted. */
async function showAsFile(
  file: string,
  uri: string,
  { size, writable }: { readonly size: number; readonly writable: boolean },
): Promise<void> {
  const said = `${file}.log`;
  const output = openSync(said, 'w');
  let ended: string | undefined;
  try {
    const child = spawn('nbdfuse', [...(writable ? [] : ['-r']), file, uri], {
      detached: true,
      stdio: ['ignore', 'ignore', output],
    });
    let missing: Error | undefined;
    child.on('error', (error) => (missing = error));
    child.on('exit', () => (ended = readFileSync(said, 'utf8').trim()));
    const isShown = (): Promise<boolean> => {
      if (missing !== undefined) throw programFailed('nbdfuse', missing);
      if (ended !== undefined) throw deviceFailed(`nbdfuse ended: ${ended}`);
      return Promise.resolve(statSync(file).size === size);
    };
    await until(`nbdfuse did not show ${uri}`, isShown);
    child.unref();
  } finally {
    closeSync(output);
    rmSync(said, { force: true });
  }
}

async function loopsOf(file: string): Promise<string[]> {
  const output = await runProgram('losetup', ['-n', '-O', 'NAME', '-j', file]);
  return output.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
}

/** A mount of it has another device than the folder that it is in; one whose server is gone cannot be looked at. */
function isFuse(file: string): boolean {
  try {
    return statSync(file).dev !== statSync(dirname(file)).dev;
  } catch {
    return true;
  }
}

/** The device itself or a partition of it. */
function refuseMounted(device: string): void {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [source = '', place = ''] = line.split(' ');
    if (source !== device && !source.startsWith(`${device}p`)) continue;
    throw new CommandError(
      ExitCode.declined,
      'DEVICE_IN_USE',
      `${source} is mounted on ${place}`,
      `umount ${place} first`,
    );
  }
}

async function until(otherwise: string, isDone: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + PATIENCE;
  while (!(await isDone())) {
    if (performance.now() > limit) throw deviceFailed(`${otherwise} in ${PATIENCE / 1000} s`);
    await pause(INTERVAL);
  }
}

/** Tried again unless it can never be. */
function isOurs(error: unknown): boolean {
  if (errorCode(error) === 'PROGRAM_MISSING') throw error;
  return false;
}
