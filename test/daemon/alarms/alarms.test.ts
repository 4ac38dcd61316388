import assert from 'node:assert/strict';
import type { SourceStatus, Wait } from '../../../src/api/contract/status.ts';
import type { SourceGroupConfig } from '../../../src/config/config.ts';
import { Alarms } from '../../../src/daemon/alarms/alarms.ts';
import type { Log, LogFields } from '../../../src/platform/log.ts';
import type { Command, CommandResult } from '../../../src/platform/processes.ts';
import { REPORTS } from '../../api/reports.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const [SOURCE] = REPORTS.healthy.groups as readonly [SourceStatus];
const SECOND = 1000;

describe('the alarms of a daemon', () => {
  let clock: SimulatedClock;
  let lines: { level: string; message: string; fields: LogFields | undefined }[];
  let told: string[];
  /** What the group waits for, and its only stream; undefined: it does not say how it is. */
  let waits: { group: readonly Wait[]; stream: readonly Wait[] } | undefined;
  let alarms: Alarms;

  const wait = (code: string, severity: Wait['severity'], endsAt: number | null = null): Wait => ({
    code,
    severity,
    message: `${code} stands`,
    since: 1_700_000_000_000,
    endsAt,
  });

  function start(): void {
    const line = (level: keyof Log) => (message: string, fields?: LogFields) =>
      void lines.push({ level, message, fields });
    const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    const run = ({ environment }: Command): Promise<CommandResult> => {
      const { BLOCKFERRY_ALARM: kind, BLOCKFERRY_CODE: code, BLOCKFERRY_DESTINATION: to } = environment;
      told.push([kind, code, to].join(' ').trim());
      return Promise.resolve({ kind: 'exited', exitCode: 0 });
    };
    const [stream] = SOURCE.streams;
    const status = (): Promise<SourceStatus> =>
      waits === undefined || stream === undefined
        ? Promise.reject(new Error('the group is starting'))
        : Promise.resolve({ ...SOURCE, waits: waits.group, streams: [{ ...stream, waits: waits.stream }] });
    const group = { name: 'oracle', objective: undefined } as unknown as SourceGroupConfig;
    const config = {
      alarms: { run: ['/bin/alarm'] as const, timeLimit: 60_000, atLeast: 'warning' as const },
      groups: [group],
    };
    alarms = new Alarms({ clock, processes: { run } }, () => log, config, [{ name: 'oracle', status }]);
    alarms.start();
  }

  beforeEach(() => {
    clock = new SimulatedClock();
    lines = [];
    told = [];
    waits = { group: [], stream: [] };
    start();
  });
  afterEach(() => alarms.stop());

  const logged = (): string[] =>
    lines.filter(({ level }) => level !== 'debug').map(({ level, message }) => `${level} ${message}`);

  it('are logged once each, at their own level and with their code, and told if they are bad enough', async () => {
    const group = [wait('volume-offline', 'error'), wait('initial-copy', 'info', 1_700_000_060_000)];
    waits = { group, stream: [wait('link-down', 'warning')] };
    await clock.pass(30 * SECOND);
    assert.deepEqual(logged().toSorted(), [
      'error alarm: volume-offline stands',
      'info alarm: initial-copy stands',
      'warn alarm: link-down stands',
    ]);
    const fieldsOf = (code: string) => lines.find(({ fields }) => fields?.['code'] === code)?.fields;
    const since = '2023-11-14T22:13:20.000Z';
    assert.deepEqual(fieldsOf('link-down'), {
      code: 'link-down',
      destination: 'dr-site',
      since,
      ends: 'not known',
    });
    assert.equal(fieldsOf('initial-copy')?.['ends'], '2023-11-14T22:14:20.000Z');
    assert.deepEqual(told, ['raise volume-offline', 'raise link-down dr-site']);
    lines = [];
    waits = { group: [], stream: [] };
    await clock.pass(30 * SECOND);
    assert.deepEqual(logged().toSorted(), [
      'error alarm over: volume-offline stands',
      'info alarm over: initial-copy stands',
      'warn alarm over: link-down stands',
    ]);
    assert.deepEqual(told.slice(2), ['clear volume-offline', 'clear link-down dr-site']);
  });

  it('that still stand after a restart are raised again', async () => {
    waits = { group: [wait('volume-offline', 'error')], stream: [] };
    await clock.pass(10 * SECOND);
    await alarms.stop();
    start();
    await clock.pass(10 * SECOND);
    assert.deepEqual(told, ['raise volume-offline', 'raise volume-offline']);
  });

  it('of a group that does not say how it is stay what they are', async () => {
    waits = { group: [wait('volume-offline', 'error')], stream: [] };
    await clock.pass(10 * SECOND);
    waits = undefined;
    await clock.pass(60 * SECOND);
    assert.deepEqual(told, ['raise volume-offline']);
    waits = { group: [], stream: [] };
    await clock.pass(10 * SECOND);
    assert.deepEqual(told, ['raise volume-offline', 'clear volume-offline']);
  });

  it('are in the status with those that the group says itself', async () => {
    const backlogged = wait('schedule-closed', 'info', 5);
    waits = { group: [], stream: [backlogged] };
    const [status] = await alarms.statuses();
    assert.ok(status?.role === 'source');
    assert.deepEqual(status.streams[0]?.waits, [backlogged]);
  });

  it('are not looked for any more once they are stopped', async () => {
    await alarms.stop();
    waits = { group: [wait('volume-offline', 'error')], stream: [] };
    await clock.pass(60 * SECOND);
    assert.deepEqual([lines, told], [[], []]);
  });
});
