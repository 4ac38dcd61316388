import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { LogConfig } from '../../../src/config/config.ts';
import { humanLine } from '../../../src/daemon/log/log-lines.ts';
import { createLog } from '../../../src/daemon/log/log.ts';
import { OperatorError } from '../../../src/platform/errors.ts';

const lineSchema = z.object({
  time: z.iso.datetime(),
  level: z.string(),
  part: z.string().optional(),
  message: z.string(),
  fields: z.record(z.string(), z.unknown()).optional(),
});

const linesOf = (path: string): z.infer<typeof lineSchema>[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => lineSchema.parse(JSON.parse(line)));

/** Runs a program that has `createLog` and the log's configuration, in a process of its own. */
function runWithLog(
  config: LogConfig,
  program: string,
  closeStandardError = false,
): Promise<[number | null, string]> {
  const source = `
    const { createLog } = await import(${JSON.stringify(join(import.meta.dirname, '../../../src/daemon/log/log.ts'))});
    const { log, child, close } = createLog(${JSON.stringify(config)});
    ${program}`;
  return new Promise((resolve, reject) => {
    const running = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    if (closeStandardError) running.stderr.destroy();
    else running.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    running.on('error', reject);
    running.on('close', (exitCode) => resolve([exitCode, text]));
  });
}

describe('the daemon’s log', () => {
  let folder: string;
  let file: string;
  const config = (): LogConfig => ({ level: 'info', file, size: 20_000, files: 1000 });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'blockferry-log-'));
    file = join(folder, 'log', 'blockferry.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('loses no line when the file is rotated under load, and close waits for the last one', async () => {
    const count = 5000;
    const [exitCode] = await runWithLog(
      config(),
      `for (let i = 0; i < ${count}; i += 1) { log.info('line', { i }); if (i % 700 === 0) await null; } await close();`,
    );
    assert.equal(exitCode, 0);
    const paths = readdirSync(join(folder, 'log')).map((name) => join(folder, 'log', name));
    assert.ok(paths.length > 10, `${paths.length} files`);
    for (const path of paths) assert.ok(statSync(path).size <= 20_000, path);
    // Newest first in their names: FILE, FILE.1, FILE.2 …
    const ordered = Array.from(paths, (_, index) => (index === 0 ? file : `${file}.${index}`)).reverse();
    const seen = ordered.flatMap(linesOf).map(({ fields }) => fields?.['i']);
    assert.deepEqual(
      seen,
      Array.from({ length: count }, (_, index) => index),
    );
  });

  it('keeps as many rotated files as configured', async () => {
    const [exitCode] = await runWithLog(
      { ...config(), size: 1000, files: 2 },
      `for (let i = 0; i < 100; i += 1) log.info('line', { i }); await close();`,
    );
    assert.equal(exitCode, 0);
    assert.deepEqual(readdirSync(join(folder, 'log')).sort(), [
      'blockferry.log',
      'blockferry.log.1',
      'blockferry.log.2',
    ]);
    assert.equal(linesOf(file).at(-1)?.fields?.['i'], 99);
  });

  it('has every line in the file even when the process is killed right after', async () => {
    await runWithLog(
      config(),
      `for (let i = 0; i < 50; i += 1) log.info('line'); process.kill(process.pid, 'SIGKILL');`,
    );
    assert.equal(linesOf(file).length, 50);
  });

  it('does not stop for a full disk, tells the terminal, and tells the file how many lines it missed', async () => {
    writeFileSync(join(folder, 'real.log'), '');
    file = join(folder, 'blockferry.log');
    symlinkSync('/dev/full', file);
    const [exitCode, terminal] = await runWithLog(
      config(),
      `const fs = await import('node:fs');
       for (let i = 0; i < 5; i += 1) log.info('while full');
       fs.rmSync(${JSON.stringify(file)});
       log.info('room again');
       await close();`,
    );
    assert.equal(exitCode, 0);
    assert.equal(terminal.match(/while full/g)?.length, 5);
    assert.match(terminal, /ERROR the log file cannot be written.*ENOSPC/);
    // The terminal's complaint is lost for the file too.
    assert.deepEqual(
      linesOf(file).map(({ message }) => message),
      ['6 lines could not be written here', 'room again'],
    );
  });

  it('goes on when standard error has gone away', async () => {
    const [exitCode] = await runWithLog(
      config(),
      `for (let i = 0; i < 20; i += 1) { log.info('line'); await new Promise((r) => setTimeout(r, 5)); } await close();`,
      true,
    );
    assert.equal(exitCode, 0);
    assert.equal(linesOf(file).length, 20);
  });

  it('completes a line that a power failure cut before it writes the next', async () => {
    file = join(folder, 'blockferry.log');
    writeFileSync(file, '{"time":"2026-');
    await runWithLog(config(), `log.info('after'); await close();`);
    assert.equal(readFileSync(file, 'utf8').split('\n')[0], '{"time":"2026-');
    assert.match(readFileSync(file, 'utf8').split('\n')[1] ?? '', /"message":"after"/);
  });

  it('leaves out what is below the level, and names the part that speaks', async () => {
    const [, terminal] = await runWithLog(
      config(),
      `log.debug('unseen'); child('oracle').warn('the link is down', { host: '10.0.0.1', nothing: undefined }); await close();`,
    );
    assert.match(terminal, /^[\d-]{10} [\d:.]{12} WARN {2}oracle: the link is down host=10\.0\.0\.1\n$/);
    const [line, ...more] = linesOf(file);
    assert.deepEqual(more, []);
    assert.equal(line?.level, 'warn');
    assert.equal(line.part, 'oracle');
    assert.deepEqual(line.fields, { host: '10.0.0.1' });
  });

  it('lets no message forge a line or steer the terminal', () => {
    const line = humanLine(
      {
        level: 'warn',
        time: 0,
        part: undefined,
        message: 'server said \u001b[2J550 no\r\n2026 ERROR forged',
        fields: { path: 'a b', x: 'c\u009bd' },
      },
      (_level, text) => text,
    );
    assert.match(line, / WARN {2}server said 550 no 2026 ERROR forged path="a b" x=/);
    // eslint-disable-next-line no-control-regex -- their absence is what is tested
    assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f]/);
  });

  it('refuses a file that it can never write, naming it and the next step', () => {
    writeFileSync(join(folder, 'plain'), '');
    file = join(folder, 'plain', 'blockferry.log');
    assert.throws(
      () => createLog(config()),
      (error) =>
        error instanceof OperatorError &&
        error.code === 'LOG_FILE_UNUSABLE' &&
        error.message.includes(file) &&
        error.remedy !== '',
    );
  });
});
