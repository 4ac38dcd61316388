/**
 * `npm run rates`: how a window's rate and a window's edges are kept on the real clock, through each transport to a real
 * server, measured by what arrives there. First so many seconds of backlog at the rate; then a window that is closed for a
 * minute. Ends with 1 when an average is off by more than 3 %, a second carries more than the rate and the stated burst, or
 * an edge is obeyed later than after a second. All run at the same time in one
 * process, which a busy machine shows in the averages: then one by one. `--rate BYTES` a second, `--seconds N`, `--only TEXT`
 * (in a row's name).
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { INBOX_FOLDER } from '../src/journal/names.ts';
import { sleep, type Clock } from '../src/platform/clock.ts';
import { nodeClock } from '../src/platform/node/clock.ts';
import type { Week } from '../src/transfer/schedule/schedule.ts';
import { SharedLink } from '../src/transfer/shared-link.ts';
import { ThrottledTransport } from '../src/transfer/throttled-transport.ts';
import { Turns } from '../src/transfer/turns.ts';
import { ENTRIES, makeFolders, type Contender } from './bench/contenders.ts';

const SEGMENT = 16 * 1024 * 1024;
const PARALLEL = 2;
const MINUTE = 60_000;
/** Milliseconds. */
const SAMPLING = 20;
const LEAD = 5000;

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '60' },
    only: { type: 'string', default: '' },
  },
});
// No disk sets the measure: where there is a folder in memory, servers put what they are sent there.
if (existsSync('/dev/shm')) process.env.TMPDIR = '/dev/shm';
const rate = Number(values.rate);
const seconds = Number(values.seconds);
const source = mkdtempSync(join(tmpdir(), 'blockferry-rates-'));
const segment = { path: join(source, 'segment'), size: SEGMENT };

/** What is at the server, again and again. */
class Arrivals {
  readonly #folder: string;
  /** `written`: when a file was last written to, by the file system's clock. */
  readonly #samples: { readonly at: number; readonly bytes: number; readonly written: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(folder: string) {
    this.#folder = join(folder, INBOX_FOLDER);
    this.#timer = setInterval(() => this.#sample(), SAMPLING);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Bytes that arrived between two times of the monotonic clock. */
  between(from: number, to: number): number {
    return this.#at(to) - this.#at(from);
  }

  worstSecond(): number {
    return Math.max(...this.#samples.map(({ at, bytes }) => bytes - this.#at(at - 1000)));
  }

  /** The first time behind `from` at which anything had been written since, be it what was there already. */
  firstBehind(from: number): number {
    const before = this.#samples.findLast(({ at }) => at <= from)?.written ?? 0;
    return this.#samples.find(({ at, written }) => at > from && written > before)?.at ?? Infinity;
  }

  lastBefore(to: number): number {
    const end = this.#at(to);
    return this.#samples.find(({ bytes }) => bytes === end)?.at ?? Infinity;
  }

  #at(time: number): number {
    return this.#samples.findLast(({ at }) => at <= time)?.bytes ?? 0;
  }

  #sample(): void {
    const found = readdirSync(this.#folder).flatMap((name) => {
      const stat = statSync(join(this.#folder, name), { throwIfNoEntry: false });
      return stat === undefined ? [] : [stat];
    });
    // A file that is renamed while this looks may be missed.
    const bytes = Math.max(
      this.#samples.at(-1)?.bytes ?? 0,
      found.reduce((sum, { size }) => sum + size, 0),
    );
    const written = Math.max(0, ...found.map(({ mtimeMs }) => mtimeMs));
    this.#samples.push({ at: performance.now(), bytes, written });
  }
}

/** Sends segment after segment while the link is open, until the signal; what a closing cuts is gone on from later. */
function load(link: SharedLink, { transport }: Contender, stop: AbortSignal): Promise<unknown> {
  const throttled = new ThrottledTransport(transport, link, () => ({
    stream: 'rates',
    weight: 1,
    copying: false,
  }));
  let cut = new AbortController();
  link.onChange(() => {
    if (link.closure() !== undefined) cut.abort();
    else cut = new AbortController();
  });
  let files = 0;
  const ended = (): boolean => stop.aborted;
  const send = async (): Promise<void> => {
    while (!ended()) {
      const name = `${INBOX_FOLDER}/${files++}.seg`;
      for (let done = false; !done && !ended();) {
        while (link.closure() !== undefined && !ended()) await pause(5);
        const signal = AbortSignal.any([stop, cut.signal]);
        done = await throttled.put(segment, name, { signal }).then(
          () => true,
          () => false,
        );
      }
    }
  };
  return Promise.all(Array.from({ length: PARALLEL }, send));
}

const linkOn = (clock: Clock, week: Week): SharedLink =>
  new SharedLink(clock, new Turns(PARALLEL, 0.5), {
    week,
    files: PARALLEL,
    copyShare: 0.5,
    burstMax: SEGMENT,
  });

async function during<T>(link: SharedLink, contender: Contender, work: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const loading = load(link, contender, stop.signal);
  try {
    return await work();
  } finally {
    stop.abort();
    await loading;
    link.stop();
  }
}

async function measure(name: string, contender: Contender): Promise<boolean> {
  makeFolders(contender);
  const arrivals = new Arrivals(contender.folder);
  const limit = { kind: 'rate', bytesPerSecond: rate } as const;
  const week: Week = { timeZone: 'UTC', windows: [], outside: limit };
  try {
    const link = linkOn(nodeClock, week);
    const burst = link.report().burst ?? 0;
    const average = await during(link, contender, async () => {
      const start = performance.now();
      await sleep(nodeClock, seconds * 1000);
      return arrivals.between(start, start + seconds * 1000) / seconds;
    });
    const worst = arrivals.worstSecond();

    // A clock on which the next minute begins in a moment: that minute is closed.
    const begin = performance.now();
    const clock: Clock = {
      ...boundTo(nodeClock),
      now: () => 2 * MINUTE - LEAD + (performance.now() - begin),
    };
    const closed = { days: [3], from: 2, to: 3, limit: { kind: 'closed' } } as const;
    const edged = linkOn(clock, { ...week, windows: [closed] });
    await during(edged, contender, () => sleep(nodeClock, LEAD + MINUTE + LEAD));
    const [closing, opening] = [begin + LEAD, begin + LEAD + MINUTE];
    const late = arrivals.lastBefore(opening - 1) - closing;
    const early = arrivals.firstBehind(opening) - opening;

    const good =
      Math.abs(average / rate - 1) <= 0.03 && worst <= rate + burst && late <= 1000 && early <= 1000;
    const percent = ((average / rate - 1) * 100).toFixed(2);
    process.stdout.write(
      `${name.padEnd(18)} average ${percent} % off  worst second ${worst} of ${rate + burst} bytes  ` +
        `last byte ${late.toFixed(0)} ms behind the closing  first ${early.toFixed(0)} ms behind the opening  ` +
        `${good ? 'kept' : 'NOT KEPT'}\n`,
    );
    return good;
  } finally {
    arrivals.stop();
  }
}

function boundTo(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delay, then) => clock.after(delay, then),
  };
}

try {
  writeFileSync(segment.path, randomBytes(SEGMENT));
  const entries = ENTRIES.filter((entry) => entry.name.includes(values.only));
  const kept = await Promise.all(
    entries.map(async ({ name, start }) => {
      const contender = await start({ connections: PARALLEL + 1 });
      try {
        return await measure(name.split(' / ')[0] ?? name, contender);
      } finally {
        await contender.transport.close();
        await contender.stop();
      }
    }),
  );
  if (kept.includes(false)) process.exitCode = 1;
} finally {
  rmSync(source, { recursive: true });
}
