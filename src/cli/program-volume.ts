/** The commands about volumes. */
import type { Command } from 'commander';
import { example, name, size, stateOption, type Finish } from './program-parts.ts';

interface ResizeFlags {
  readonly state: string;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export function addVolume(program: Command, finish: Finish): void {
  program
    .command('volume')
    .description('volumes of a source group')
    .command('resize')
    .description(
      'make a volume larger while hosts use it, here and at every destination; a device is to be made larger first',
    )
    .argument('<group>', 'a group that this daemon is the source of', name)
    .argument('<volume>', 'of the group', name)
    .argument('[size]', 'such as 20 GiB; what its file or device has now when left out', size)
    .addOption(stateOption())
    .option('--yes', 'do not ask', false)
    .option('--dry-run', 'say what would be done, and change nothing', false)
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry volume resize oracle data "20 GiB"'))
    .action(async (group: string, volume: string, bytes: number | undefined, options: ResizeFlags) => {
      const { resizeVolume } = await import('./volume-resize.ts');
      finish(await resizeVolume({ ...options, group, volume, size: bytes }));
    });
}
