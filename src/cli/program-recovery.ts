/** The commands of recovery. */
import { InvalidArgumentError, type Command } from 'commander';
import { MOUNT_NAME_PATTERN } from '../api/contract/mounts.ts';
import { example, name, stateOption, type Finish } from './program-parts.ts';

interface MountFlags {
  readonly state: string;
  readonly at?: string;
  readonly writable: boolean;
  readonly device: boolean;
  readonly newUuid: boolean;
  readonly json: boolean;
}

export function addRecovery(program: Command, finish: Finish): void {
  const recover = program.command('recover').description('what a group can be brought back to');
  recover
    .command('points')
    .description('the recovery points that this side holds, oldest first, and where its volumes are now')
    .argument('<group>', 'a group that this daemon keeps snapshots of', name)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry recover points oracle'))
    .action(async (group: string, options: { state: string; json: boolean }) => {
      const { recoverPoints } = await import('./recover-points.ts');
      finish(await recoverPoints({ ...options, group }));
    });
  program
    .command('mount')
    .description(
      'serve a recovery point over NBD, to look at it, to copy out of it or to try something on it',
    )
    .argument('<group>', 'a group that this daemon keeps snapshots of', name)
    .argument('[point]', 'the name or id of a snapshot, or the name of a marker in reach')
    .option(
      '--at <point>',
      'the newest state at or before a time (2026-11-20T14:03:07Z) or an LSN; or a name',
    )
    .option('--writable', 'what is written to it is thrown away when it is unmounted', false)
    .option('--device', 'as block devices, by nbdfuse and losetup (Linux, root)', false)
    .option(
      '--new-uuid',
      'with --device and --writable: file systems (ext4, XFS, NTFS) and partition tables get other UUIDs or serial numbers, so that they can be beside their originals',
      false,
    )
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry mount oracle --at 2026-11-20T14:03:07Z'))
    .action(async (group: string, point: string | undefined, options: MountFlags) => {
      const { mount } = await import('./mount.ts');
      finish(await mount({ ...options, group, point, at: options.at }));
    });
  program
    .command('unmount')
    .description('serve it no longer; who uses it is hung up')
    .argument('<group>', 'a group that this daemon keeps snapshots of', name)
    .argument('<mount>', 'its name, as mount and status tell it', mountName)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry unmount oracle before-upgrade'))
    .action(async (group: string, mount: string, options: { state: string; json: boolean }) => {
      const { unmount } = await import('./unmount.ts');
      finish(await unmount({ ...options, group, mount }));
    });
  addRehearse(program, finish);
}

function addRehearse(program: Command, finish: Finish): void {
  program
    .command('rehearse')
    .description(
      'mount a recovery point on a scratch file, run the group’s check on it and throw it away, while replication goes on',
    )
    .argument('<group>', 'a group that this daemon is a destination of, with a rehearsal', name)
    .option('--at <point>', 'the newest state at or before a time or an LSN; or a name; otherwise the newest')
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry rehearse oracle'))
    .action(async (group: string, options: { state: string; at?: string; json: boolean }) => {
      const { rehearse } = await import('./rehearse.ts');
      finish(await rehearse({ ...options, group, at: options.at }));
    });
}

function mountName(value: string): string {
  if (MOUNT_NAME_PATTERN.test(value)) return value;
  throw new InvalidArgumentError('A mount is called as its recovery point.');
}
