/** The commands of a seed. */
import type { Command } from 'commander';
import { example, name, stateOption, type Finish } from './program-parts.ts';

interface Common {
  readonly state: string;
  readonly json: boolean;
}

export function addSeed(program: Command, finish: Finish): void {
  const seed = program
    .command('seed')
    .description('carry what a group’s volumes hold to its destinations on drives, while hosts write');
  seed
    .command('export')
    .description('at the source: write it to a drive, or go on with it on another one')
    .argument('<group>', 'a group that this daemon is the source of', name)
    .argument('<folder>', 'on the drive')
    .option('--file-size <size>', 'of one file at most, such as 8 GiB')
    .option('--yes', 'do not ask before a new one', false)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry seed export oracle /mnt/usb'))
    .action(async (group: string, folder: string, options: Common & { fileSize?: string; yes: boolean }) => {
      const { exportSeed } = await import('./seed.ts');
      finish(await exportSeed({ ...options, group, folder, fileSize: options.fileSize }));
    });
  seed
    .command('import')
    .description('at a destination: bring in what is on drives, in any order')
    .argument('<group>', 'a group that this daemon is a destination of', name)
    .argument('<folder...>', 'on the drives')
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry seed import oracle /mnt/usb'))
    .action(async (group: string, folders: string[], options: Common) => {
      const { importSeed } = await import('./seed.ts');
      finish(await importSeed({ ...options, group, folders }));
    });
  seed
    .command('status')
    .description('how far it is, on either side')
    .argument('<group>', 'of this daemon', name)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry seed status oracle'))
    .action(async (group: string, options: Common) => {
      const { showSeed } = await import('./seed.ts');
      finish(await showSeed({ ...options, group }));
    });
  seed
    .command('cancel')
    .description('at the source: all goes over the links instead; at a destination: wait for it no longer')
    .argument('<group>', 'of this daemon', name)
    .option('--yes', 'do not ask', false)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry seed cancel oracle'))
    .action(async (group: string, options: Common & { yes: boolean }) => {
      const { cancelSeed } = await import('./seed.ts');
      finish(await cancelSeed({ ...options, group }));
    });
}
