import {
  mountEntrySchema,
  unmountedSchema,
  type MountEntry,
  type MountRequest,
} from '../api/contract/mounts.ts';
import { uriOf } from '../api/contract/nbd-uri.ts';
import { ask } from './client.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { attachDevices, detachDevices, devicesFolder, type AttachedDevice } from './devices.ts';
import { newIdLines, substituteIds, type NewId } from './new-ids.ts';
import { bytesText, columns, printable, timeText } from './text.ts';

export interface MountOptions {
  readonly state: string;
  readonly group: string;
  /** A snapshot's name or id. */
  readonly point: string | undefined;
  /** A time, an LSN or a snapshot's name. */
  readonly at: string | undefined;
  readonly writable: boolean;
  /** As block devices, on Linux. */
  readonly device: boolean;
  /** What is on the devices gets other UUIDs than its original has. */
  readonly newUuid: boolean;
  readonly json: boolean;
}

/** @throws CommandError `NEW_UUID_WHERE`, `POINT_INVALID`, and as attaching devices does: it is unmounted again */
export async function mount(options: MountOptions): Promise<ExitCode> {
  if (options.newUuid && !(options.device && options.writable)) {
    const message = '--new-uuid needs --device and --writable: a recovery point itself never changes';
    throw new CommandError(ExitCode.usage, 'NEW_UUID_WHERE', message, 'say all three');
  }
  const { state, group, point, at, writable, json } = options;
  const mounted = await ask(state, {
    method: 'POST',
    path: `/groups/${encodeURIComponent(group)}/mounts`,
    body: { point: wantedPoint(point, at), writable } satisfies MountRequest,
    answer: mountEntrySchema,
  });
  const devices = options.device ? await attach(options, mounted) : undefined;
  if (json) {
    const uris = mounted.exports.map(({ name }) => uriOf(mounted, name));
    printJson({ ...mounted, uris, ...(devices === undefined ? {} : { devices }) });
  } else print(mountedText(group, mounted, devices));
  return ExitCode.ok;
}

interface MountedDevice extends AttachedDevice {
  /** Undefined: nothing was to be substituted. */
  readonly ids?: readonly NewId[];
}

async function withNewIds(devices: readonly AttachedDevice[]): Promise<MountedDevice[]> {
  const renewed: MountedDevice[] = [];
  for (const one of devices) renewed.push({ ...one, ids: await substituteIds(one.device) });
  return renewed;
}

/** Without its devices it is unmounted again. */
async function attach(
  { state, group, newUuid }: MountOptions,
  mounted: MountEntry,
): Promise<MountedDevice[]> {
  const folder = devicesFolder(state, group, mounted.name);
  const exports = mounted.exports.map(({ volume, name, size }) => ({
    volume,
    size,
    uri: uriOf(mounted, name),
  }));
  try {
    const devices = await attachDevices(folder, exports, mounted.writable);
    return newUuid ? await withNewIds(devices) : devices;
  } catch (error) {
    await detachDevices(folder).catch(() => false);
    await ask(state, {
      method: 'DELETE',
      path: `/groups/${encodeURIComponent(group)}/mounts/${encodeURIComponent(mounted.name)}`,
      answer: unmountedSchema,
    });
    throw error;
  }
}

function mountedText(
  group: string,
  mounted: MountEntry,
  devices: readonly MountedDevice[] | undefined,
): string[] {
  const { name, snapshot, lsn, time, exports, writable } = mounted;
  const how = writable ? 'writable' : 'read-only';
  const rows = exports.map((one) => [
    printable(one.volume),
    bytesText(one.size),
    devices?.find(({ volume }) => volume === one.volume)?.device ?? printable(uriOf(mounted, one.name)),
  ]);
  return [
    `Mounted ${printable(name)}, ${how}: ${lsn === snapshot.lsn ? '' : 'a point in time behind '}snapshot ${printable(snapshot.name)}, LSN ${lsn}, ${timeText(time)}.`,
    ...columns(rows).map((line) => `  ${line}`),
    ...(devices ?? []).flatMap(({ volume, ids }) => (ids === undefined ? [] : newIdLines(volume, ids))),
    `It is there until "blockferry unmount ${group} ${printable(name)}", or until the daemon ends${writable ? '; what is written to it then is thrown away' : ''}.`,
  ];
}

type WantedPoint = MountRequest['point'];

const DIGITS = /^\d{1,16}$/;
/** What `recover points` shows, or ISO 8601; without a zone it is this machine's time. */
const TIME = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)?$/i;

/** @throws CommandError `POINT_INVALID` */
export function wantedPoint(point: string | undefined, at: string | undefined): WantedPoint {
  if (point !== undefined && at === undefined) return { kind: 'snapshot', called: point };
  if (at === undefined || point !== undefined) {
    throw new CommandError(
      ExitCode.usage,
      'POINT_INVALID',
      'say which recovery point, in one way',
      'name a snapshot, or say --at with a time, an LSN or the name of a snapshot or a marker',
    );
  }
  if (DIGITS.test(at)) return { kind: 'lsn', lsn: Number(at) };
  if (!TIME.test(at)) return { kind: 'snapshot', called: at };
  const time = Date.parse(at.replace(' ', 'T'));
  if (!Number.isNaN(time) && time >= 0) return { kind: 'time', time };
  throw new CommandError(
    ExitCode.usage,
    'POINT_INVALID',
    `there is no time ${at}`,
    'write it as 2026-11-20T14:03:07Z, or without the Z for this machine’s time',
  );
}
