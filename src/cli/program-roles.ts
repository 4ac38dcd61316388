/** The commands that say which side serves hosts. */
import type { Command } from 'commander';
import { addConsent, example, name, type Finish } from './program-parts.ts';
import type { RoleOptions } from './roles.ts';

type Flags = Omit<RoleOptions, 'group'>;

const VERBS = [
  [
    'failover',
    'the source is lost: this side, its destination, serves hosts with all that it received',
    'a group that this daemon is a destination of',
  ],
  [
    'switchover',
    'hand over to the destination: nobody is served until it has everything, and nothing is lost',
    'a group that this daemon is the source of',
  ],
  [
    'rejoin',
    'the other side took over: keep aside what hosts wrote here since, and follow it; or follow it on without records that are gone',
    'a group that this daemon was the source of, or a destination that lacks what is kept no longer',
  ],
] as const;

export function addRoles(program: Command, finish: Finish): void {
  addRollback(program, finish);
  addRestore(program, finish);
  for (const [verb, description, group] of VERBS) {
    const command = addConsent(program.command(verb))
      .description(description)
      .argument('<group>', group, name)
      .addHelpText('after', example(`blockferry ${verb} oracle`))
      .action(async (of: string, options: Flags & { at?: string }) => {
        const roles = await import('./roles.ts');
        finish(await roles[verb]({ ...options, group: of }));
      });
    if (verb === 'failover')
      command.option(
        '--at <point>',
        'as it was at or before a time or an LSN, or at a snapshot or marker of this name',
      );
  }
}

function addRestore(program: Command, finish: Finish): void {
  addConsent(program.command('restore'))
    .description(
      'bring the source’s volumes back to a recovery point of this side, its destination; then it serves again',
    )
    .argument('<group>', 'a group that this daemon is a destination of', name)
    .requiredOption(
      '--at <point>',
      'as it was at or before a time or an LSN, or at a snapshot or marker of this name',
    )
    .addHelpText('after', example('blockferry restore oracle --at 2026-11-20T14:03:06Z'))
    .action(async (group: string, options: Flags & { at: string }) => {
      const { restore } = await import('./roles.ts');
      finish(await restore({ ...options, group }));
    });
}

function addRollback(program: Command, finish: Finish): void {
  addConsent(program.command('rollback'))
    .description(
      'bring the volumes back to a recovery point, here and so at the destinations; what they hold is kept',
    )
    .argument('<group>', 'a group that this daemon serves hosts of, and keeps snapshots of', name)
    .requiredOption('--at <point>', 'a snapshot’s name, or the newest at or before a time or an LSN')
    .addHelpText('after', example('blockferry rollback oracle --at before-the-upgrade'))
    .action(async (group: string, options: Flags & { at: string }) => {
      const { rollback } = await import('./roles.ts');
      finish(await rollback({ ...options, group }));
    });
}
