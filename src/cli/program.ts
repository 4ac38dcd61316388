/**
 * The command line. Every command's own module is imported when it is called, so that `status` need not load a daemon.
 */
import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { OperatorError } from '../platform/errors.ts';
import { CommandError } from './command-error.ts';
import { EXIT_CODES_HELP, ExitCode } from './exit-codes.ts';
import { configOption, example, name, stateOption, type Finish } from './program-parts.ts';
import { addRecovery } from './program-recovery.ts';
import { addRoles } from './program-roles.ts';
import { addSeed } from './program-seed.ts';
import { addVerify } from './program-verify.ts';
import { addVolume } from './program-volume.ts';
import { printable } from './text.ts';

/** Runs one command and resolves with its exit code; never rejects for what an operator can mend. */
export async function run(args: readonly string[]): Promise<number> {
  let exitCode: number = ExitCode.ok;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its own.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    if (!(error instanceof OperatorError)) throw error;
    printError(error);
    return error instanceof CommandError ? error.exitCode : ExitCode.failure;
  }
}

function printError({ message, remedy }: OperatorError): void {
  process.stderr.write(`blockferry: ${sentence(message)}\n`);
  if (remedy !== '') process.stderr.write(`What to do: ${sentence(remedy)}\n`);
}

const sentence = (text: string): string => `${printable(text).replace(/\.$/, '')}.`;

function createProgram(finish: Finish): Command {
  const program = new Command('blockferry')
    .description(manifest.description)
    .version(manifest.version)
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .addHelpText('afterAll', EXIT_CODES_HELP);
  addDaemonCommands(program, finish);
  addReload(program, finish);
  addLink(program, finish);
  addStatus(program, finish);
  addVerify(program, finish);
  addMarker(program, finish);
  addInitialize(program, finish);
  addSeed(program, finish);
  addVolume(program, finish);
  addSnapshot(program, finish);
  addRecovery(program, finish);
  addRoles(program, finish);
  addInspect(program, finish);
  return program;
}

function addDaemonCommands(program: Command, finish: Finish): void {
  program
    .command('serve')
    .description('run the daemon, until SIGTERM or Ctrl-C')
    .addOption(configOption('configuration'))
    .addHelpText('after', example('blockferry serve --config /etc/blockferry/blockferry.yaml'))
    .action(async (options: { config: string }) => {
      const { serve } = await import('./serve.ts');
      finish(await serve(options));
    });
  program
    .command('check')
    .description('say everything that is wrong with a configuration: line, column, cause and fix')
    .argument('<file>', 'configuration')
    .addHelpText('after', example('blockferry check /etc/blockferry/blockferry.yaml'))
    .action(async (file: string) => {
      const { checkConfiguration } = await import('./check.ts');
      const { text, exitCode } = checkConfiguration(file);
      (exitCode === ExitCode.ok ? process.stdout : process.stderr).write(text);
      finish(exitCode);
    });
  program
    .command('demo')
    .description('replicate two volumes between two sites on this machine, and prove that they are equal')
    .option('--json', 'end with one line of JSON', false)
    .addHelpText('after', example('blockferry demo --json'))
    .action(async (options: { json: boolean }) => {
      const { demo } = await import('./demo.ts');
      finish(await demo(options));
    });
}

function addReload(program: Command, finish: Finish): void {
  program
    .command('reload')
    .description(
      'the running daemon reads its configuration again: schedules, rates, weights, quotas; as SIGHUP does',
    )
    .addOption(stateOption())
    .addHelpText('after', example('blockferry reload'))
    .action(async (options: { state: string }) => {
      const { reload } = await import('./reload.ts');
      finish(await reload(options));
    });
}

function addLink(program: Command, finish: Finish): void {
  program
    .command('link')
    .description('links to destinations')
    .command('test')
    .description('try everything that a link needs of its file server, measure it, and say what is wrong')
    .argument('<group>', 'a group that this daemon is the source of', name)
    .argument('<destination>', 'of the group', name)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry link test oracle bern'))
    .action(async (group: string, destination: string, options: { state: string; json: boolean }) => {
      const { testLink } = await import('./link-test.ts');
      finish(await testLink({ ...options, group, destination }));
    });
}

interface StatusFlags {
  readonly state: string;
  readonly json: boolean;
  readonly watch: boolean;
  readonly codes: boolean;
}

function addStatus(program: Command, finish: Finish): void {
  program
    .command('status')
    .description('how far every group is, and what it waits for')
    .argument('[group]', 'this one alone', name)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .option('--watch', 'again every second, until Ctrl-C', false)
    .option('--codes', 'instead, what each code of a wait means and what to do; no daemon is asked', false)
    .addHelpText('after', example('blockferry status oracle --watch'))
    .action(async (group: string | undefined, { codes, ...options }: StatusFlags) => {
      const { statusCodes } = await import('./status-codes.ts');
      const { status } = await import('./status.ts');
      finish(codes ? statusCodes(options) : await status({ ...options, group }));
    });
}

function addMarker(program: Command, finish: Finish): void {
  const marker = program
    .command('marker')
    .description('place a marker in the order of a source group’s writes');
  marker
    .command('snapshot')
    .description('every destination makes a recovery point there')
    .argument('<group>', 'a group that this daemon is the source of', name)
    .argument('[name]', 'of the recovery point; its UTC time when left out', name)
    .addOption(stateOption())
    .addHelpText('after', example('blockferry marker snapshot oracle before-upgrade'))
    .action(async (group: string, called: string | undefined, { state }: { state: string }) => {
      const { placeMarker } = await import('./marker.ts');
      const named = called === undefined ? {} : { name: called };
      finish(await placeMarker({ state, group, marker: { kind: 'snapshot', ...named } }));
    });
  marker
    .command('custom')
    .description('every destination runs the program that its own configuration gives to the name')
    .argument('<group>', 'a group that this daemon is the source of', name)
    .argument('<name>', 'of the marker', name)
    .addOption(stateOption())
    .addHelpText('after', example('blockferry marker custom oracle nightly-backup'))
    .action(async (group: string, called: string, { state }: { state: string }) => {
      const { placeMarker } = await import('./marker.ts');
      finish(await placeMarker({ state, group, marker: { kind: 'custom', name: called } }));
    });
}

function addInitialize(program: Command, finish: Finish): void {
  program
    .command('initialize')
    .description('bring all that a group’s volumes hold over to its destinations again, while hosts go on')
    .argument('<group>', 'a group that this daemon is the source of', name)
    .addOption(stateOption())
    .option('--compare', 'the destinations have old copies: exchange digests, and send what differs', false)
    .option('--yes', 'do not ask', false)
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry initialize oracle --compare'))
    .action(
      async (group: string, options: { state: string; compare: boolean; yes: boolean; json: boolean }) => {
        const { initialize } = await import('./initialize.ts');
        finish(await initialize({ ...options, group }));
      },
    );
}

interface DeleteOptions {
  readonly state: string;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

function addSnapshot(program: Command, finish: Finish): void {
  const snapshot = program.command('snapshot').description('recovery points');
  snapshot
    .command('list')
    .description(
      'the recovery points that this side holds, oldest first, and what is kept for each: deleting it gives that back, less what an older one needs of it. Not known of reflink copies, whose blocks the file system shares',
    )
    .argument('<group>', 'a group of this daemon', name)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry snapshot list oracle'))
    .action(async (group: string, options: { state: string; json: boolean }) => {
      const { listSnapshots } = await import('./snapshot-list.ts');
      finish(await listSnapshots({ ...options, group }));
    });
  snapshot
    .command('create')
    .description('a recovery point at what this side has applied, in between the markers of its source')
    .argument('<group>', 'a group that this daemon keeps snapshots of', name)
    .argument('[name]', 'of the recovery point; its UTC time when left out', name)
    .addOption(stateOption())
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry snapshot create oracle before-the-drill'))
    .action(async (group: string, called: string | undefined, options: { state: string; json: boolean }) => {
      const { createSnapshot } = await import('./snapshot-create.ts');
      finish(await createSnapshot({ ...options, group, name: called }));
    });
  snapshot
    .command('prune')
    .description(
      'delete what the group’s retention does not want, at once; the daemon does so by itself every minute',
    )
    .argument('<group>', 'a group that this daemon keeps snapshots of', name)
    .addOption(stateOption())
    .option('--yes', 'do not ask', false)
    .option('--dry-run', 'say what would go and what would stay, and why; change nothing', false)
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry snapshot prune oracle --dry-run'))
    .action(async (group: string, options: DeleteOptions) => {
      const { pruneSnapshots } = await import('./snapshot-prune.ts');
      finish(await pruneSnapshots({ ...options, group }));
    });
  snapshot
    .command('delete')
    .description('one recovery point that this side holds; all others stay what they are')
    .argument('<group>', 'a group that this daemon keeps snapshots of', name)
    .argument('<snapshot>', 'its id, or its name when no other has that name')
    .addOption(stateOption())
    .option('--yes', 'do not ask', false)
    .option('--dry-run', 'say what would be lost, and change nothing', false)
    .option('--json', 'as one line of JSON', false)
    .addHelpText('after', example('blockferry snapshot delete oracle before-upgrade'))
    .action(async (group: string, called: string, options: DeleteOptions) => {
      const { deleteSnapshot } = await import('./snapshot-delete.ts');
      finish(await deleteSnapshot({ ...options, group, snapshot: called }));
    });
}

function addInspect(program: Command, finish: Finish): void {
  program
    .command('inspect')
    .description(
      'what replication files say of themselves, and whether every checksum holds; needs no daemon',
    )
    .argument('<segment...>', 'sealed segments (.seg)')
    .option('--records', 'every record too, one a line', false)
    .option('--key-file <file>', "the group's key, if it has one")
    .option('--json', 'as lines of JSON', false)
    .addHelpText(
      'after',
      example('blockferry inspect --records 00000001-0000000000000001-00000000000003e8.seg'),
    )
    .action(async (segments: string[], options: { records: boolean; keyFile?: string; json: boolean }) => {
      const { inspect } = await import('./inspect.ts');
      finish(inspect({ ...options, segments, keyFile: options.keyFile }));
    });
}
