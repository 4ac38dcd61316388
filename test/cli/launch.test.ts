import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { cli, LAUNCHER } from '../api/fixture.ts';

const manifest = z
  .object({ version: z.string(), engines: z.object({ node: z.string() }) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')));

/** The launcher as it runs under another version: only what it says before it loads anything is looked at. */
function launchedBy(version: string): { readonly status: number | null; readonly error: string } {
  const preload = `Object.defineProperty(process.versions, 'node', { value: ${JSON.stringify(version)} });`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(preload)}`, LAUNCHER, '--version'],
    { encoding: 'utf8' },
  );
  return { status, error: stderr };
}

/** Prints the bytes that young objects have in the end where some of many outlive a collection. */
const MAKE_OBJECTS = `
  let kept = [];
  for (let round = 0; round < 100; round += 1) {
    kept = [];
    for (let i = 0; i < 20_000; i += 1) kept.push({ i, of: [i] });
  }
  const spaces = require('node:v8').getHeapSpaceStatistics();
  console.log(spaces.find(({ space_name }) => space_name === 'new_space').space_size);
`;

describe('the launcher', () => {
  it('refuses a Node that is older than package.json’s engines, naming what it found and what to do', () => {
    for (const version of ['12.22.12', '20.20.2', '22.99.0', '24.14.9', '25.3.0']) {
      const { status, error } = launchedBy(version);
      assert.equal(status, 69, version);
      assert.ok(error.includes(`this is Node ${version}`), error);
      assert.ok(error.includes(`needs Node ${manifest.engines.node}`), error);
      assert.match(error, /What to do: /);
    }
  });

  it('takes every Node that engines allows', () => {
    for (const version of ['24.15.0', '24.21.0', '26.0.0', '28.1.0'])
      assert.equal(launchedBy(version).status, 0, version);
  });

  it('refuses a real old Node, which the machine brings', async function () {
    const old = '/usr/bin/node';
    const version = existsSync(old)
      ? spawnSync(old, ['--version'], { encoding: 'utf8' }).stdout.trim().slice(1)
      : '';
    if (version === '' || Number.parseInt(version, 10) >= 24) {
      assert.equal(process.env['CI'], undefined, 'in CI the system has an old Node at /usr/bin/node');
      this.skip();
    }
    const { exitCode, error } = await cli(['status'], { node: old });
    assert.equal(exitCode, 69);
    assert.ok(error.includes(`this is Node ${version} (${old})`), error);
  });

  it('leaves the memory of young objects as small as it begins', () => {
    const first = join(import.meta.dirname, '../../src/compile-cache.js');
    const { stdout } = spawnSync(process.execPath, ['--import', first, '-e', MAKE_OBJECTS], {
      encoding: 'utf8',
    });
    // Where it grows they have 32 MiB.
    assert.ok(Number(stdout) > 0 && Number(stdout) <= 12 * 1024 * 1024, `${stdout} bytes`);
  });

  it('stays plain enough for a Node that knows neither modules nor today’s syntax', () => {
    const source = readFileSync(LAUNCHER, 'utf8');
    // Dynamic imports are looked up when they are called; these would be refused before anything is said.
    assert.doesNotMatch(source, /^\s*(import|export)\s[^(]|\bimport\.meta\b|\?\?|\?\.|^await\b|\bnode:/m);
  });
});

describe('the command line', () => {
  const commands = [
    ['serve'],
    ['check'],
    ['status'],
    ['marker', 'snapshot'],
    ['marker', 'custom'],
    ['initialize'],
    ['snapshot', 'list'],
    ['recover', 'points'],
    ['mount'],
    ['unmount'],
    ['inspect'],
    ['demo'],
  ];

  it('has for every command a help with an example and the exit codes', async () => {
    for (const command of commands) {
      const { exitCode, out } = await cli([...command, '--help']);
      assert.equal(exitCode, 0, command.join(' '));
      assert.ok(out.includes(`Example:\n  blockferry ${command.join(' ')} `), out);
      assert.match(out, /Exit codes:\n {2}0 +done\n/);
    }
  });

  it('exits 2 with a hint for what it does not know', async () => {
    for (const args of [[], ['stauts'], ['status', '--jsn'], ['status', 'a', 'b'], ['marker'], ['inspect']]) {
      const { exitCode, out, error } = await cli(args);
      assert.deepEqual([exitCode, out], [2, ''], args.join(' '));
      assert.match(error, /--help/);
    }
  });

  it('checks a configuration: exit 5, with what is wrong on standard error', async () => {
    const { exitCode, out, error } = await cli([
      'check',
      join(import.meta.dirname, 'golden', 'no-such.yaml'),
    ]);
    assert.deepEqual([exitCode, out], [5, '']);
    assert.match(error, /no-such\.yaml/);
  });

  it('tells its version', async () => {
    assert.equal((await cli(['--version'])).out, `${manifest.version}\n`);
  });
});
