import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Wait } from '../../../src/api/contract/status.ts';
import {
  nextAlarms,
  SETTLED,
  type Alarm,
  type KnownAlarms,
} from '../../../src/daemon/alarms/alarm-changes.ts';

const wait = (code: string, severity: Wait['severity'] = 'warning'): Wait => ({
  code,
  severity,
  message: 'why',
  since: 0,
  endsAt: null,
});
const DOWN: Alarm = { destination: 'bern', wait: wait('link-down') };

/** Looked at once a second; of each look, what stands then. Says what was logged and told, and at which look. */
function looks(...standing: (readonly Alarm[])[]): { logged: string[]; told: string[] } {
  let known: KnownAlarms = new Map();
  const logged: string[] = [];
  const told: string[] = [];
  for (const [look, alarms] of standing.entries()) {
    const step = nextAlarms(known, alarms, look * 1000);
    known = step.known;
    logged.push(...step.logged.map(({ kind, alarm }) => `${look} ${kind} ${alarm.wait.code}`));
    told.push(...step.told.map(({ kind, alarm }) => `${look} ${kind} ${alarm.wait.code}`));
  }
  return { logged, told };
}
const on = [DOWN];
const off: readonly Alarm[] = [];

describe('what is raised and cleared', () => {
  it('is told once each, when it has stood for a few seconds, and has been away for as long', () => {
    const expected = ['3 raise link-down', '9 clear link-down'];
    const result = looks(on, on, on, on, on, on, off, off, off, off, off);
    assert.deepEqual(result, { logged: expected, told: expected });
  });

  it('is nothing when it comes and goes within them, however often', () => {
    assert.deepEqual(looks(on, on, off, on, on, off, on, off, off), { logged: [], told: [] });
  });

  it('is not cleared by a moment without it', () => {
    assert.deepEqual(looks(on, on, on, on, off, on, off, off, on, on).told, ['3 raise link-down']);
  });

  it('is logged at once when it is an error, and told nobody unless it stays', () => {
    const full = [{ destination: undefined, wait: wait('buffer-full', 'error') }];
    const { logged, told } = looks(full, off, off, off, off);
    assert.deepEqual(logged, ['0 raise buffer-full', '4 clear buffer-full']);
    assert.deepEqual(told, []);
  });

  it('is another alarm for another destination', () => {
    const both = [DOWN, { ...DOWN, destination: 'lab' }];
    assert.deepEqual(looks(both, both, both, both).told, ['3 raise link-down', '3 raise link-down']);
  });

  it('always alternates, and ends with what stands', () => {
    const step = fc.tuple(fc.boolean(), fc.nat(2 * SETTLED));
    fc.assert(
      fc.property(fc.array(step), fc.constantFrom('error', 'info'), (steps, severity) => {
        let known: KnownAlarms = new Map();
        let now = 0;
        const heard = { logged: false, told: false };
        const look = (stands: boolean): void => {
          const next = nextAlarms(known, stands ? [{ ...DOWN, wait: wait('x', severity) }] : [], now);
          known = next.known;
          for (const to of ['logged', 'told'] as const) {
            for (const { kind } of next[to]) {
              assert.equal(kind === 'raise', !heard[to]);
              heard[to] = kind === 'raise';
            }
          }
          assert.ok(heard.logged || !heard.told, 'what is told is logged');
        };
        for (const [stands, pause] of steps) {
          now += pause;
          look(stands);
        }
        const last = steps.at(-1)?.[0] ?? false;
        for (let i = 0; i < 2; i += 1) {
          now += SETTLED;
          look(last);
        }
        assert.deepEqual(heard, { logged: last, told: last });
      }),
    );
  });
});
