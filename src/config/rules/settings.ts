/** What the settings of one group, link or login must agree on among themselves. Pure. */
import { QUOTA_SEGMENTS_MIN, SECTOR, SOCKET_PATH_MAX } from '../limits.ts';
import type { Lenient, LenientDestination, LenientFile, LenientSource } from '../lenient.ts';
import type { Finding, SettingPath } from '../problems.ts';
import type { SourceFile } from '../schema.ts';
import { formatSize } from '../units.ts';
import { defaultApiSocket, PATH_RULES, type RuleContext } from './context.ts';

type FtpFile = NonNullable<Lenient<SourceFile['destinations'][string]>['ftp']>;

export function checkSettings(file: LenientFile, context: RuleContext): Finding[] {
  const groups = Object.entries(file.groups ?? {});
  return [
    ...checkApi(file, context),
    ...groups.flatMap(([name, group]) => {
      if (group?.role === 'source') return checkSource(['groups', name], group, context);
      return group?.role === 'destination' ? checkDestination(['groups', name], group, context) : [];
    }),
  ];
}

function checkApi(file: LenientFile, context: RuleContext): Finding[] {
  if (context.written(['api', 'socket'])) return checkSocket(['api', 'socket'], file.api?.socket, context);
  if (file.state === undefined || context.written(['api', 'listen'])) return [];
  return checkSocket(['state'], defaultApiSocket(file.state, context.platform), context);
}

function checkSource(path: SettingPath, group: LenientSource, context: RuleContext): Finding[] {
  const findings: Finding[] = [];
  const { quota, segment, nbd } = group;
  if (quota !== undefined && segment?.size !== undefined && quota < QUOTA_SEGMENTS_MIN * segment.size) {
    findings.push({
      path: [...path, 'quota'],
      message: `is less than ${QUOTA_SEGMENTS_MIN} segments of ${formatSize(segment.size)}`,
      fix: `write at least ${formatSize(QUOTA_SEGMENTS_MIN * segment.size)}, or make segment.size smaller`,
    });
  }
  if (context.written([...path, 'verify']) && context.written([...path, 'replication'])) {
    findings.push({
      path: [...path, 'verify'],
      at: 'key',
      message: 'stands beside replication: where what changed goes over on an interval, nothing is compared',
      fix: 'leave it out, or leave replication out',
    });
  }
  if (group['initial-copy'] === 'compare' && context.written([...path, 'replication'])) {
    findings.push({
      path: [...path, 'initial-copy'],
      message: 'stands beside replication: old copies are compared only where every write goes over',
      fix: 'leave replication out until the group is in mode journal, or leave initial-copy out',
    });
  }
  if (nbd !== undefined) findings.push(...checkSocket([...path, 'nbd', 'socket'], nbd.socket, context));
  findings.push(...checkOwnSnapshots(path, group, context));
  for (const [name, volume] of Object.entries(group.volumes ?? {})) {
    if (volume?.size === undefined || volume.size % SECTOR === 0) continue;
    const at = [...path, 'volumes', name, 'size'];
    findings.push({ path: at, message: `is no multiple of ${SECTOR} bytes`, fix: nearbySizes(volume.size) });
  }
  for (const [name, link] of Object.entries(group.destinations ?? {})) {
    if (link?.ftp !== undefined) findings.push(...checkFtp([...path, 'destinations', name, 'ftp'], link.ftp));
  }
  return findings;
}

/** What only a source that keeps snapshots has a use for. */
const OF_SNAPSHOTS = ['retention', 'timed-snapshots', 'views'] as const;

function checkOwnSnapshots(path: SettingPath, group: LenientSource, context: RuleContext): Finding[] {
  const findings = checkSocket([...path, 'views', 'socket'], group.views?.socket, context);
  if (!context.written([...path, 'snapshots'])) {
    const fix = 'add snapshots: with a folder for them, or leave it out';
    for (const name of OF_SNAPSHOTS) {
      if (!context.written([...path, name])) continue;
      const message = 'is for snapshots, of which this source keeps none';
      findings.push({ path: [...path, name], at: 'key', message, fix });
    }
  } else if (context.written([...path, 'replication'])) {
    // A marker fires there behind a delta, and the source's volumes have gone on by then.
    const message = 'cannot be kept at a source that replicates on an interval';
    const fix = 'leave it out: the destination keeps them; or leave replication out';
    findings.push({ path: [...path, 'snapshots'], at: 'key', message, fix });
  }
  return findings;
}

function nearbySizes(size: number): string {
  const below = size - (size % SECTOR);
  return `write ${below} or ${below + SECTOR}, or a binary unit such as GiB`;
}

function checkSocket(path: SettingPath, socket: string | undefined, context: RuleContext): Finding[] {
  if (socket === undefined) return [];
  if (context.platform === 'win32') {
    return [
      {
        path,
        at: 'key',
        message: 'is not served on Windows',
        fix: 'write listen: 127.0.0.1 and a port instead',
      },
    ];
  }
  const length = Buffer.byteLength(socket);
  if (length <= SOCKET_PATH_MAX) return [];
  const message = `makes a socket’s path of ${length} bytes, and at most ${SOCKET_PATH_MAX} are possible`;
  return [{ path, message, fix: 'choose a shorter path, such as /run/blockferry/NAME.sock' }];
}

function checkFtp(path: SettingPath, ftp: FtpFile): Finding[] {
  const findings: Finding[] = [];
  const authority = ftp['certificate-authority'];
  for (const name of ['fingerprint', 'certificate-authority'] as const) {
    if (ftp.tls !== 'none' || ftp[name] === undefined) continue;
    const message = 'has nothing to check: tls is none';
    findings.push({ path: [...path, name], at: 'key', message, fix: 'write tls: explicit, or leave it out' });
  }
  if (ftp.tls !== 'none' && ftp.fingerprint !== undefined && authority !== undefined) {
    const message = 'stands beside fingerprint, which is trusted instead of any authority';
    findings.push({
      path: [...path, 'certificate-authority'],
      at: 'key',
      message,
      fix: 'keep one of the two',
    });
  }
  return findings;
}

interface ProgramFile {
  readonly run?: readonly unknown[] | undefined;
}

function checkDestination(path: SettingPath, group: LenientDestination, context: RuleContext): Finding[] {
  return [
    ...checkSocket([...path, 'views', 'socket'], group.views?.socket, context),
    ...Object.entries(group.markers ?? {}).flatMap(([name, marker]) =>
      checkProgram([...path, 'markers', name, 'run', 0], marker ?? {}, context),
    ),
    ...checkProgram([...path, 'rehearsal', 'run', 0], group.rehearsal ?? {}, context),
  ];
}

/** Node refuses to start these without a shell, whose quoting rules an argument could break out of (CVE-2024-27980). */
const WINDOWS_SCRIPT = /\.(?:bat|cmd)$/i;
const POWERSHELL_SCRIPT = /\.ps1$/i;

function checkProgram(path: SettingPath, { run }: ProgramFile, context: RuleContext): Finding[] {
  const program = run?.[0];
  if (typeof program !== 'string') return [];
  if (!PATH_RULES[context.platform].isAbsolute(program)) {
    const message = 'is not a whole path: no shell looks it up';
    return [{ path, message, fix: 'write where the program is, such as /usr/local/bin/nightly' }];
  }
  if (context.platform === 'posix') return [];
  if (WINDOWS_SCRIPT.test(program)) {
    const fix = `write [C:\\Windows\\System32\\cmd.exe, /d, /c, '${program}']`;
    return [{ path, message: 'is a batch file, which Windows does not start by itself', fix }];
  }
  if (POWERSHELL_SCRIPT.test(program)) {
    const shell = 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe';
    const fix = `write [${shell}, -NoProfile, -ExecutionPolicy, Bypass, -File, '${program}']`;
    return [{ path, message: 'is a PowerShell script, which Windows does not start by itself', fix }];
  }
  return [];
}
