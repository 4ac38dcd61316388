/** Comparing, and reading what came of it. */
import type { Command } from 'commander';
import { configOption, example, name, stateOption, type Finish } from './program-parts.ts';

interface VerifyFlags {
  readonly state: string;
  readonly full: boolean;
  readonly wait: boolean;
  readonly json: boolean;
  readonly accept: boolean;
  readonly yes: boolean;
  readonly check?: string;
  readonly config: string;
  readonly keyFile?: string;
}

export function addVerify(program: Command, finish: Finish): void {
  const command = program.command('verify');
  command
    .description(
      'compare a source group’s volumes with its destinations’, while hosts write and next to nothing is sent; what differs is sent again',
    )
    .argument(
      '[group]',
      'a group that this daemon is the source of; with --check, whom the report must be of',
      name,
    )
    .addOption(stateOption())
    .option('--full', 'from the beginning, not what is left of the comparison under way', false)
    .option('--wait', 'until every destination has compared all of it; then say what came of it', false)
    .option('--json', 'as one line of JSON, signed when the group has a key', false)
    .option(
      '--accept',
      'instead: where the source’s own disk changed outside any write, what it holds is right',
      false,
    )
    .option('--yes', 'with --accept: do not ask', false)
    .addOption(
      command
        .createOption(
          '--check <report>',
          'instead: whether what --json printed is as it was signed, and what it says; - for standard input; no daemon is asked',
        )
        .conflicts(['full', 'wait', 'accept', 'yes']),
    )
    .option('--key-file <file>', "with --check: the group's key; no configuration is read then")
    .addOption(configOption('with --check: where the group has its key'))
    .addHelpText(
      'after',
      example('blockferry verify oracle --full --wait\n  blockferry verify --check report.json'),
    )
    .action(async (group: string | undefined, { check, ...options }: VerifyFlags) => {
      if (check !== undefined) {
        const { checkReport } = await import('./check-report.ts');
        finish(await checkReport({ ...options, group, report: check }));
        return;
      }
      if (group === undefined) return command.error("error: missing required argument 'group'");
      const { verify, acceptSourceChanges } = await import('./verify.ts');
      finish(await (options.accept ? acceptSourceChanges : verify)({ ...options, group }));
    });
}
