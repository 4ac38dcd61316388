import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Wait } from '../../../src/api/contract/status.ts';
import type { AlarmsConfig } from '../../../src/config/config.ts';
import {
  AlarmHook,
  alarmEnvironment,
  QUEUE_MAX,
  type GroupAlarm,
} from '../../../src/daemon/alarms/alarm-hook.ts';
import { nodeProcesses } from '../../../src/platform/node/processes.ts';
import type { Command, CommandResult, Processes } from '../../../src/platform/processes.ts';
import { MemoryLog } from '../../api/fixture.ts';
import { temporaryFolder } from '../../support/folder.ts';

const MINUTE = 60_000;

function change(code: string, options: Partial<Omit<GroupAlarm, 'alarm'>> & Partial<Wait> = {}): GroupAlarm {
  const { kind = 'raise', group = 'oracle', severity = 'warning', message = 'why' } = options;
  const wait: Wait = { code, severity, message, since: Date.UTC(2026, 0, 2), endsAt: null };
  return { kind, group, alarm: { destination: 'bern', wait } };
}

/** Programs that end when they are told to. */
class HeldProcesses implements Processes {
  readonly commands: Command[] = [];
  readonly #ends: ((result: CommandResult) => void)[] = [];

  run(command: Command): Promise<CommandResult> {
    this.commands.push(command);
    command.signal.addEventListener('abort', () => void this.end({ kind: 'aborted' }));
    return new Promise((resolve) => this.#ends.push(resolve));
  }

  get told(): string[] {
    return this.commands.map(
      ({ environment }) => `${environment['BLOCKFERRY_ALARM'] ?? ''} ${environment['BLOCKFERRY_CODE'] ?? ''}`,
    );
  }

  async end(result: CommandResult = { kind: 'exited', exitCode: 0 }): Promise<void> {
    this.#ends.shift()?.(result);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the program for alarms', () => {
  let log: MemoryLog;
  let processes: HeldProcesses;
  beforeEach(() => {
    log = new MemoryLog();
    processes = new HeldProcesses();
  });
  const hook = (config: Partial<AlarmsConfig> = {}, run: Processes = processes): AlarmHook =>
    new AlarmHook(run, log, { run: ['/bin/alarm', 'x'], timeLimit: MINUTE, atLeast: 'warning', ...config });

  it('is told of one alarm after the other, never two at a time', async () => {
    const alarms = hook();
    for (const code of ['lag', 'hole', 'disk-full']) alarms.push(change(code));
    assert.deepEqual(processes.told, ['raise lag']);
    await processes.end();
    assert.deepEqual(processes.told, ['raise lag', 'raise hole']);
    await processes.end();
    await processes.end();
    alarms.push(change('lag', { kind: 'clear' }));
    assert.deepEqual(processes.told.slice(2), ['raise disk-full', 'clear lag']);
    assert.deepEqual(processes.commands[0]?.argv, ['/bin/alarm', 'x']);
  });

  it('is told of those that are as bad as was asked for', () => {
    const alarms = hook({ atLeast: 'error' });
    alarms.push(change('lag'));
    alarms.push(change('backlog', { severity: 'info' }));
    assert.deepEqual(processes.told, []);
    alarms.push(change('disk-full', { severity: 'error' }));
    assert.deepEqual(processes.told, ['raise disk-full']);
  });

  it('is not told of what is over before its turn', async () => {
    const alarms = hook();
    alarms.push(change('lag'));
    alarms.push(change('hole'));
    alarms.push(change('hole', { group: 'mail' }));
    alarms.push(change('hole', { kind: 'clear' }));
    for (let i = 0; i < 3; i += 1) await processes.end();
    assert.deepEqual(
      processes.commands.map(({ environment }) => environment['BLOCKFERRY_GROUP']),
      ['oracle', 'mail'],
    );
  });

  it('that hangs lets no more than so many wait, and the log says of which it was not told', () => {
    const alarms = hook();
    for (let i = 0; i < QUEUE_MAX + 3; i += 1) alarms.push(change('lag', { group: `g${i}` }));
    assert.equal(processes.told.length, 1);
    assert.equal(log.lines.length, 2);
    assert.match(log.lines[0] ?? '', /256 alarms wait for .*not run for another one \(lag of g257\)/);
  });

  it('that fails is logged, whatever way, and the next one is told', async () => {
    const alarms = hook();
    const results: readonly CommandResult[] = [
      { kind: 'exited', exitCode: 3 },
      { kind: 'killed', signal: 'SIGSEGV' },
      { kind: 'timed-out' },
      { kind: 'not-started', reason: 'ENOENT' },
    ];
    for (const [i, result] of results.entries()) {
      alarms.push(change(`c${i}`));
      await processes.end(result);
    }
    assert.equal(processes.told.length, 4);
    const words = [
      'exit code 3',
      'killed by SIGSEGV',
      'did not end within 60000 ms',
      'not be started: ENOENT',
    ];
    for (const [i, word] of words.entries()) assert.ok(log.lines[i]?.includes(word), log.lines[i]);
  });

  it('is ended, and not run again, when blockferry stops', async () => {
    const alarms = hook();
    for (const code of ['lag', 'hole']) alarms.push(change(code));
    await alarms.stop();
    assert.deepEqual(processes.told, ['raise lag']);
  });

  it('gets one line of message, whatever a destination said', () => {
    const message = `down\r\nBcc: all\u0000\u2028\u001b[31m${'x'.repeat(5000)}`;
    const environment = alarmEnvironment(change('destination: x\ny', { message }));
    assert.match(environment['BLOCKFERRY_MESSAGE'] ?? '', /^down Bcc: all x{900,}$/);
    assert.ok((environment['BLOCKFERRY_MESSAGE'] ?? '').length <= 1000);
    assert.equal(environment['BLOCKFERRY_CODE'], 'destination: x y');
  });

  it('is run as it stands, without a shell, with what there is to tell in its environment', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'out');
    const script = 'env | grep ^BLOCKFERRY_ | sort > "$0"; echo "$1"';
    const run = ['/bin/sh', '-c', script, out, '$(id) done'] as const;
    const alarms = hook({ run: [...run] }, nodeProcesses);
    alarms.push(change('link-down'));
    for (const end = Date.now() + 200_000; !log.lines.join().includes('$(id) done');) {
      assert.ok(Date.now() < end, log.lines.join('\n'));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(existsSync(out));
    assert.deepEqual(readFileSync(out, 'utf8').trim().split('\n'), [
      'BLOCKFERRY_ALARM=raise',
      'BLOCKFERRY_CODE=link-down',
      'BLOCKFERRY_DESTINATION=bern',
      'BLOCKFERRY_GROUP=oracle',
      'BLOCKFERRY_MESSAGE=why',
      'BLOCKFERRY_SEVERITY=warning',
      'BLOCKFERRY_SINCE=2026-01-02T00:00:00.000Z',
    ]);
    await alarms.stop();
  });
});
