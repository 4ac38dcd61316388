/** Carries what a group's volumes hold to a destination on drives: export here, import there. */
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import {
  SEED_DRIVE_FULL,
  seedCancelledSchema,
  seedExportStatusSchema,
  seedImportStatusSchema,
  type SeedExportStatus,
  type SeedImportStatus,
} from '../api/contract/seed.ts';
import type { StatusReport } from '../api/contract/status.ts';
import { statusReportSchema } from '../api/contract/status-schema.ts';
import { ask } from './client.ts';
import { CommandError } from './command-error.ts';
import { confirm } from './confirm.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { seedText } from './seed-text.ts';
import { bytesText, countText, printable } from './text.ts';

/** Milliseconds between looks at how far it is. */
const LOOK = 500;

export interface SeedOptions {
  readonly state: string;
  readonly group: string;
  readonly json: boolean;
}

export interface SeedExportOptions extends SeedOptions {
  readonly folder: string;
  readonly fileSize: string | undefined;
  readonly yes: boolean;
}

export async function exportSeed(options: SeedExportOptions): Promise<ExitCode> {
  const { state, group, fileSize, yes, json } = options;
  const before = await seedStatus(options);
  const isNew = before === undefined || !('bytes' in before) || before.state === 'complete';
  if (isNew && !yes) {
    await confirm([
      `All that the volumes of group ${group} hold is written to drives, which every destination must import; hosts go on.`,
      'Until then what hosts write waits at the destinations; each keeps a snapshot of what it has, and has no newer recovery point.',
    ]);
  }
  let folder = resolve(options.folder);
  for (;;) {
    await ask(state, {
      method: 'POST',
      path: `${pathOf(group)}/seed/export`,
      body: { folder, ...(fileSize === undefined ? {} : { fileSize }) },
      answer: seedExportStatusSchema,
    });
    const seed = await exported(options);
    if (seed.state === 'complete') {
      if (json) printJson(seed);
      else print([`The seed is complete: ${countText(seed.files, 'file')}, ${bytesText(seed.bytes)}.`]);
      return ExitCode.ok;
    }
    const { code = '', message = '' } = seed.problem ?? {};
    if (code !== SEED_DRIVE_FULL)
      throw new CommandError(ExitCode.failure, code, message, 'say the same command again');
    const next = process.stdin.isTTY ? await nextFolder(seed) : undefined;
    if (next === undefined) {
      if (json) printJson(seed);
      else print([message]);
      return ExitCode.nextDrive;
    }
    folder = resolve(next);
  }
}

/** Follows it until it is complete or stands still. */
async function exported(options: SeedOptions): Promise<SeedExportStatus> {
  for (;;) {
    const seed = await seedStatus(options);
    if (seed === undefined || !('bytes' in seed)) {
      throw new CommandError(ExitCode.failure, 'SEED_CANCELLED', 'the seed was cancelled', '');
    }
    if (seed.state === 'stopped' || seed.state === 'complete') return seed;
    if (process.stderr.isTTY) process.stderr.write(`\r${seedText(seed)}\u001B[K`);
    await pause();
  }
}

/** Undefined: nobody answered. */
async function nextFolder(seed: SeedExportStatus): Promise<string | undefined> {
  process.stderr.write(`\n${seedText(seed)}\n`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal
    .question('The drive is full. Folder on the next one (empty to go on later): ')
    .finally(() => terminal.close());
  return answer.trim() === '' ? undefined : answer.trim();
}

export async function importSeed(
  options: SeedOptions & { readonly folders: readonly string[] },
): Promise<ExitCode> {
  const { state, group, folders, json } = options;
  let seed: SeedImportStatus | undefined;
  for (const folder of folders.map((each) => resolve(each))) {
    await ask(state, {
      method: 'POST',
      path: `${pathOf(group)}/seed/import`,
      body: { folder },
      answer: seedImportStatusSchema,
    });
    seed = await imported(options, folder);
    const problem = seed.order?.problem;
    if (problem !== undefined)
      throw new CommandError(ExitCode.failure, problem.code, problem.message, 'then import this drive again');
  }
  if (seed === undefined) return ExitCode.ok;
  if (json) printJson(seed);
  else print([seedText(seed)]);
  return ExitCode.ok;
}

async function imported(options: SeedOptions, folder: string): Promise<SeedImportStatus> {
  let isTold = false;
  for (;;) {
    const seed = await seedStatus(options);
    if (seed === undefined || 'bytes' in seed || seed.order?.folder !== folder) {
      throw new CommandError(
        ExitCode.failure,
        'SEED_SUPERSEDED',
        'another import or a cancellation came in between',
        '',
      );
    }
    if (seed.order.state === 'done' || seed.order.state === 'failed') return seed;
    if (seed.state === 'none' && !isTold) {
      isTold = true;
      process.stderr.write('Waits until what the source has sent reaches the beginning of the seed.\n');
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${seedText(seed)}\u001B[K`);
    await pause();
  }
}

export async function showSeed(options: SeedOptions): Promise<ExitCode> {
  const seed = await seedStatus(options);
  if (options.json) printJson({ group: options.group, ...(seed === undefined ? {} : { seed }) });
  else print([seed === undefined ? `Group ${printable(options.group)} has no seed.` : seedText(seed)]);
  return ExitCode.ok;
}

export async function cancelSeed({
  state,
  group,
  json,
  yes,
}: SeedOptions & { readonly yes: boolean }): Promise<ExitCode> {
  if (!yes) {
    await confirm([
      `The seed of group ${group} is dropped. At a source, all goes over the links instead; at a destination, what follows is`,
      'applied without it, and there is no recovery point until the source begins another full copy or another seed.',
    ]);
  }
  await ask(state, { method: 'DELETE', path: `${pathOf(group)}/seed`, answer: seedCancelledSchema });
  if (json) printJson({ group });
  else print([`The seed of group ${printable(group)} is dropped.`]);
  return ExitCode.ok;
}

async function seedStatus({ state, group }: SeedOptions): Promise<StatusReport['groups'][number]['seed']> {
  const path = `${pathOf(group)}/status`;
  const report = await ask(state, { method: 'GET', path, answer: statusReportSchema });
  return report.groups[0]?.seed;
}

function pathOf(group: string): string {
  return `/groups/${encodeURIComponent(group)}`;
}

function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, LOOK));
}
