import assert from 'node:assert/strict';
import type {
  BufferStatus,
  DestinationGroupStatus,
  SourceStatus,
  StreamStatus,
  Wait,
} from '../../../src/api/contract/status.ts';
import { GroupWatch } from '../../../src/daemon/alarms/alarm-watch.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import { REPORTS } from '../../api/reports.ts';

const MINUTE = 60_000;
const MIB = 1024 * 1024;
const [SOURCE, DESTINATION] = REPORTS.healthy.groups as readonly [SourceStatus, DestinationGroupStatus];
const STREAM = SOURCE.streams[0]!;

/** One whose wall clock may be set. */
class TwoClocks implements Clock {
  wall = Date.UTC(2026, 10, 21);
  steady = 5000;
  now(): number {
    return this.wall;
  }
  monotonic(): number {
    return this.steady;
  }
  after(): never {
    throw new Error('no timers here');
  }
}

describe('a watch over a group', () => {
  let clock: TwoClocks;
  let watch: GroupWatch;
  let objective: number;
  beforeEach(() => {
    objective = 5 * MINUTE;
    clock = new TwoClocks();
    watch = new GroupWatch(clock, () => objective);
  });

  /** A look a second: `at` says what there is after so many. The last one's result. */
  function look<T extends SourceStatus | DestinationGroupStatus>(
    count: number,
    at: (second: number) => T,
    from = 0,
  ): T {
    let seen: T | undefined;
    for (let second = from; second < from + count; second += 1) {
      clock.wall += 1000;
      clock.steady += 1000;
      seen = watch.complete(at(second));
    }
    return seen!;
  }
  const buffer = (used: number, room = 1000 * MIB - used): BufferStatus => ({
    folder: '/b',
    used,
    quota: 1000 * MIB,
    room,
  });
  const source = (changes: Partial<SourceStatus>, stream: Partial<StreamStatus> = {}): SourceStatus => ({
    ...SOURCE,
    buffer: buffer(0),
    ...changes,
    streams: [{ ...STREAM, ...stream }],
  });
  const destination = (changes: Partial<DestinationGroupStatus>): DestinationGroupStatus => ({
    ...DESTINATION,
    buffer: buffer(0),
    ...changes,
  });
  const codes = ({ waits }: { readonly waits: readonly Wait[] }): string[] => waits.map(({ code }) => code);
  const waitOf = ({ waits }: { readonly waits: readonly Wait[] }, code: string): Wait => {
    const found = waits.find((wait) => wait.code === code);
    assert.ok(found, `${code} is among ${waits.map((wait) => wait.code).join()}`);
    return found;
  };
  const near = (actual: number | null | undefined, left: number): void =>
    assert.ok(Math.abs((actual ?? NaN) - clock.wall - left) <= 2000, `${actual} is not in ${left} ms`);

  for (const [role, status] of [
    ['source', (used: number) => source({ buffer: buffer(used) })],
    ['destination', (used: number) => destination({ buffer: buffer(used) })],
  ] as const) {
    it(`says of a ${role}'s buffer that it is 80 % and 95 % full, and when it will be full`, () => {
      assert.deepEqual(codes(look(79, (second) => status(10 * second * MIB))), []);
      const filling = look(3, (second) => status(10 * second * MIB), 79);
      assert.deepEqual(codes(filling), ['buffer-80']);
      near(filling.buffer.fullAt, 19_000);
      const wait = waitOf(filling, 'buffer-80');
      assert.equal(wait.severity, 'warning');
      assert.match(
        wait.message,
        /^the buffer is 81 % full.*at the present rate it is full at .* \(in 19 s\)$/,
      );
      assert.equal(wait.endsAt, null);
      const fuller = look(14, (second) => status(10 * second * MIB), 82);
      assert.deepEqual(codes(fuller), ['buffer-80', 'buffer-95']);
      assert.equal(waitOf(fuller, 'buffer-95').severity, 'error');
    });
  }

  it('says when a buffer that is emptied again is below the alarm, and ends it a little later than it began', () => {
    look(1, () => source({ buffer: buffer(990 * MIB) }));
    const emptying = look(100, (second) => source({ buffer: buffer((990 - second) * MIB) }));
    assert.deepEqual(codes(emptying), ['buffer-80']);
    near(waitOf(emptying, 'buffer-80').endsAt, 141_000);
    assert.equal(emptying.buffer.fullAt, undefined);
    assert.deepEqual(codes(look(1, () => source({ buffer: buffer(751 * MIB) }))), ['buffer-80']);
    assert.deepEqual(codes(look(1, () => source({ buffer: buffer(749 * MIB) }))), []);
  });

  it('counts what the file system has left, where that is less than the quota', () => {
    assert.deepEqual(codes(look(1, () => source({ buffer: buffer(100 * MIB, 20 * MIB) }))), ['buffer-80']);
  });

  it('estimates when refused writes and marking end', () => {
    const waits = ['buffer-full', 'change-map'].map((code): Wait => ({
      code,
      severity: 'error',
      message: '',
      since: 0,
      endsAt: null,
    }));
    const status = look(60, (second) => source({ waits, buffer: buffer((990 - second) * MIB) }));
    near(waitOf(status, 'buffer-full').endsAt, 131_000);
    near(waitOf(status, 'change-map').endsAt, 431_000);
  });

  it('tells a lag over the objective, and when it is made up', () => {
    const behind = (second: number) =>
      source({}, { lagSeconds: 299 + second, applied: STREAM.applied - 600 });
    assert.deepEqual(codes(look(2, behind).streams[0]!), []);
    const late = look(1, behind, 2);
    assert.match(waitOf(late.streams[0]!, 'lag').message, /is 5 min 1 s behind; its objective is 5 min 0 s$/);
    const better = look(60, (second) =>
      source({}, { lagSeconds: 400, applied: STREAM.applied - 600 + 5 * second }),
    );
    near(waitOf(better.streams[0]!, 'lag').endsAt, 61_000);
    assert.deepEqual(codes(look(1, () => source({}, { lagSeconds: 0 })).streams[0]!), []);
  });

  it('goes by another objective as soon as it has one', () => {
    const late = (): SourceStatus => source({}, { lagSeconds: 301, applied: STREAM.applied - 600 });
    objective = 6 * MINUTE;
    assert.deepEqual(codes(look(1, late).streams[0]!), []);
    objective = 5 * MINUTE;
    assert.deepEqual(codes(look(1, late).streams[0]!), ['lag']);
  });

  it('takes the first write after a quiet hour for no lag of an hour', () => {
    look(1, () => source({}, { lagSeconds: 0 }));
    const status = look(60, () => source({}, { lagSeconds: 3600 }));
    assert.deepEqual(codes(status.streams[0]!), []);
    assert.deepEqual(codes(look(300, () => source({}, { lagSeconds: 3900 })).streams[0]!), ['lag']);
  });

  it('tells a backlog that is being drained and when it is gone, unless the link says what it waits for', () => {
    const sent = (second: number, waits: readonly Wait[] = []) =>
      source({}, { lagSeconds: 60, backlogSegments: 9, lagBytes: (300 - second) * MIB, waits });
    const wait = waitOf(look(60, sent).streams[0]!, 'backlog');
    assert.deepEqual(
      [wait.severity, wait.message],
      ['info', '9 replication files (241.0 MiB) are still to be received'],
    );
    near(wait.endsAt, 241_000);
    const down: Wait = { code: 'link-down', severity: 'warning', message: '', since: 0, endsAt: null };
    assert.deepEqual(codes(look(1, () => sent(60, [down])).streams[0]!), ['link-down']);
    const grown = look(200, (second) =>
      source({}, { lagSeconds: 60, backlogSegments: 9, lagBytes: second * MIB }),
    );
    assert.match(waitOf(grown.streams[0]!, 'backlog').message, /and they do not get fewer$/);
    assert.equal(waitOf(grown.streams[0]!, 'backlog').endsAt, null);
  });

  it('tells how far an initial copy is and when it ends, also when the wall clock is set meanwhile', () => {
    const copying = (second: number) =>
      source({ mode: 'initializing', copy: { left: (400 - second) * MIB, total: 400 * MIB } });
    look(50, copying);
    clock.wall += 50_000;
    const wait = waitOf(look(51, copying, 50), 'initial-copy');
    assert.match(wait.message, /^existing data is being brought over: 300\.0 MiB of 400\.0 MiB are left$/);
    near(wait.endsAt, 300_000);
  });

  it('tells what of a delta is left', () => {
    const status = look(1, () => source({ mode: 'delta', copy: { left: MIB, total: 9 * MIB } }));
    assert.match(
      waitOf(status, 'delta').message,
      /^what changed while the buffer was full .*1\.0 MiB of 9\.0 MiB/,
    );
    assert.deepEqual(codes(look(1, () => source({}))), []);
    const marking = look(1, () => source({ mode: 'delta', copy: { left: MIB } }));
    assert.deepEqual([waitOf(marking, 'delta').endsAt, marking.waits.length], [null, 1]);
  });

  it('of a destination tells that it applies too slowly, and not that hosts were quiet', () => {
    look(1, () => destination({}));
    const slow = (second: number) =>
      destination({ received: 9000 + 10 * second, behindSeconds: 20 + second });
    assert.deepEqual(codes(look(300, slow)), []);
    assert.deepEqual(codes(look(10, slow, 300)), ['lag']);
    const quiet = look(1, () => destination({ behindSeconds: 400 }));
    assert.deepEqual(codes(quiet), ['source-silent']);
    assert.equal(waitOf(quiet, 'source-silent').severity, 'info');
  });

  it('of a destination tells when what it applies is applied, and nothing of what waits for a hole', () => {
    const catching = (missing: DestinationGroupStatus['missing']) => (second: number) =>
      destination({ received: 9000, applied: 8000 + 10 * second, behindSeconds: 900, missing });
    near(waitOf(look(50, catching([])), 'lag').endsAt, 51_000);
    assert.equal(waitOf(look(1, catching([{ first: 1, last: 2 }]), 50), 'lag').endsAt, null);
  });

  it('tells that a destination has no recovery point yet, with an end that is not known', () => {
    const wait = waitOf(
      look(1, () => destination({ consistent: false })),
      'not-consistent',
    );
    assert.deepEqual([wait.severity, wait.endsAt], ['info', null]);
  });

  it('tells that a destination has none where applying was cut off (I3)', () => {
    const status = destination({ consistent: false, received: 20, applied: 8, aheadTo: 12 });
    const { message } = waitOf(
      look(1, () => status),
      'not-consistent',
    );
    assert.match(message, /of records 9 to 12 a part may be in the volumes/);
  });
});
