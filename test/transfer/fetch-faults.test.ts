import fc from 'fast-check';
import { FAIR, type Weather } from '../simulation/pair/server.ts';
import { lossPolicy, NOTHING_KEPT } from '../simulation/platform/machine.ts';
import { FetchBench, FOLDER_B, MINUTE, settles } from './fetch-bench.ts';

type Event =
  | { readonly kind: 'seal'; readonly count: number; readonly bytes: number }
  | { readonly kind: 'weather'; readonly weather: Partial<Weather> }
  | { readonly kind: 'frozen'; readonly time: number }
  | { readonly kind: 'room'; readonly bytes: number }
  | { readonly kind: 'fair' | 'close' | 'open' | 'killed' | 'power' | 'restart' | 'lose-outbox' | 'hold' };

const chance = fc.constantFrom(0, 0.1, 0.5);
const weather = fc.record({
  cut: fc.constantFrom(0, 0.02, 0.2),
  lateAnswer: chance,
  loss: chance,
  truncation: chance,
  corruption: chance,
  nameFirst: chance,
  delay: chance,
  duplication: chance,
  stale: chance,
  full: fc.constantFrom(0, 0.5),
  speed: fc.constantFrom(20, 2000),
});
const kinds = ['fair', 'close', 'open', 'killed', 'power', 'restart', 'lose-outbox', 'hold'] as const;
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant('seal'),
    count: fc.integer({ min: 1, max: 5 }),
    bytes: fc.integer({ min: 1, max: 300_000 }),
  }),
  fc.record({ kind: fc.constant('weather'), weather }),
  fc.record({ kind: fc.constant('frozen'), time: fc.integer({ min: 0, max: 20_000 }) }),
  fc.record({ kind: fc.constant('room'), bytes: fc.integer({ min: 0, max: 1_000_000 }) }),
  fc.record({ kind: fc.constantFrom(...kinds) }),
);
const story = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 8000 })), { minLength: 1, maxLength: 12 });

async function act(bench: FetchBench, what: Event): Promise<void> {
  switch (what.kind) {
    case 'seal':
      for (let count = 0; count < what.count; count++) bench.seal(what.bytes);
      return;
    case 'weather':
      bench.server.weather = { ...FAIR, ...what.weather };
      return;
    case 'fair':
      bench.server.weather = FAIR;
      return;
    case 'frozen':
      bench.server.frozenUntil = bench.loop.now + what.time;
      return;
    case 'room':
      bench.room = what.bytes;
      return;
    case 'close':
    case 'open':
      bench.door.set(what.kind === 'open');
      return;
    case 'hold':
      bench.site.isHeld = true;
      return;
    case 'lose-outbox':
      for (const name of bench.outbox()) bench.b.disk.remove(`${FOLDER_B}/outbox/${name}`);
      return;
    case 'killed':
    case 'power':
      bench.programA.die();
      if (what.kind === 'power')
        bench.a.losePower(bench.a.dice.chance(0.5) ? NOTHING_KEPT : lossPolicy(bench.a.dice));
      bench.startSite();
      return;
    case 'restart': {
      const stopping = bench.site.stop();
      await bench.pass(1000);
      await stopping;
      bench.programA.die();
      bench.startSite();
    }
  }
}

describe('a fetcher, whatever goes wrong', () => {
  it('loses nothing that the other side frees, and has it all when everything is well again (I5, I6, I12)', async () => {
    await fc.assert(
      fc.asyncProperty(story, fc.integer(), async (events, seed) => {
        const bench = new FetchBench(String(seed));
        for (const [what, time] of events) {
          await act(bench, what);
          await bench.pass(time);
        }
        bench.server.weather = FAIR;
        bench.server.frozenUntil = 0;
        bench.room = Number.MAX_SAFE_INTEGER;
        bench.site.isHeld = false;
        bench.door.set(true);
        bench.seal(1000);
        await settles(bench, 10 * MINUTE);
      }),
      { numRuns: 20 },
    );
  });
});
