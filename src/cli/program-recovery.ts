/** The commands of recovery. */
import type { Command } from 'commander';
import { example, name, stateOption, type Finish } from './program-parts.ts';

export function addRecovery(program: Command, finish: Finish): void {
  const recover = program.command('recover').description('what a group can be brought back to');
  recover
    .command('points')
    .description('the recovery points that this side holds, oldest first, and where its volumes are now')
    .argument('<group>', 'a group that this daemon is a destination of', name)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry recover points oracle'))
    .action(async (group: string, options: { state: string; json: boolean }) => {
      const { recoverPoints } = await import('./recover-points.ts');
      finish(await recoverPoints({ ...options, group }));
    });
}
