import assert from 'node:assert/strict';
import { checkConfiguration } from '../../src/cli/check.ts';
import type { Config } from '../../src/config/config.ts';
import { parseLimit } from '../../src/config/limit-text.ts';
import { loadConfig } from '../../src/config/load.ts';
import { describeProblem } from '../../src/config/problems.ts';
import type { Limit } from '../../src/transfer/schedule/limit.ts';
import { GOOD_SOURCE, makeFixture, withGroup, type Fixture } from './fixture.ts';

describe('A limit', () => {
  const limit = (text: string): Limit | string => {
    const parsed = parseLimit(text);
    return 'value' in parsed ? parsed.value : `${parsed.message}; ${parsed.fix}`;
  };
  const refused = (text: string): string => {
    const told = limit(text);
    assert.ok(typeof told === 'string', text);
    return told;
  };
  const rate = (bytesPerSecond: number): Limit => ({ kind: 'rate', bytesPerSecond });

  it('is closed, unlimited, a rate in bits or bytes, or a pause between files', () => {
    assert.deepEqual(limit('closed'), { kind: 'closed' });
    assert.deepEqual(limit('unlimited'), { kind: 'unlimited' });
    assert.deepEqual(limit('2 Mbit/s'), rate(250_000));
    assert.deepEqual(limit('512 kbit/s'), rate(64_000));
    assert.deepEqual(limit('1.5Gbit/s'), rate(187_500_000));
    assert.deepEqual(limit('250 KiB/s'), rate(256_000));
    assert.deepEqual(limit('10 MB/s'), rate(10_000_000));
    assert.deepEqual(limit('30 s between files'), { kind: 'delay', milliseconds: 30_000 });
  });

  it('is refused where bits and bytes could be meant, and where it is another thing', () => {
    assert.match(refused('2 Mb/s'), /some take for bits and some for bytes; write Mbit\/s or MB\/s/);
    assert.match(refused('2 kb/s'), /write kbit\/s or kB\/s/);
    assert.match(refused('2 Mbps'), /; write 2 Mbit\/s$/);
    assert.match(refused('2 kBps'), /; write 2 kB\/s$/);
    assert.match(refused('1 kbit/s'), /too low/);
    for (const text of [
      '',
      '0',
      '2 Mbit',
      'Mbit/s',
      '-2 Mbit/s',
      '30 s',
      'between files',
      '2 Mbit/s between files',
    ]) {
      refused(text);
    }
  });
});

describe('The links of a configuration', () => {
  let fixture: Fixture;
  before(() => {
    fixture = makeFixture();
  });
  after(() => {
    fixture.remove();
  });

  const LINKS = `transfers: 12
links:
  wan:
    files: 3
    copies: 25 %
    schedule:
      time-zone: Europe/Zurich
      outside: 10 s between files
      windows:
        - { days: mon-fri, from: 08:00, to: 18:00, limit: 2 Mbit/s }
        - { days: [fri-sun, wed], from: 22:30, to: 6:15, limit: closed }
        - { days: Sat, limit: unlimited }
        - { from: 12:00, to: 24:00, limit: 250 KiB/s }
  lan: {}
`;
  const group = GOOD_SOURCE.replace('{ folder: share }', '{ folder: share, link: wan, weight: 3 }');

  function load(text: string): Config {
    const loaded = loadConfig(fixture.write('links.yaml', text));
    if ('problems' in loaded) assert.fail(loaded.problems.map(describeProblem).join('\n'));
    return loaded.config;
  }

  it('are read as they are written, with their defaults', () => {
    const { transfers, links, groups } = load(withGroup(group, LINKS));
    assert.equal(transfers, 12);
    assert.deepEqual(links, [
      {
        name: 'wan',
        files: 3,
        copyShare: 0.25,
        week: {
          timeZone: 'Europe/Zurich',
          outside: { kind: 'delay', milliseconds: 10_000 },
          windows: [
            { days: [0, 1, 2, 3, 4], from: 480, to: 1080, limit: { kind: 'rate', bytesPerSecond: 250_000 } },
            { days: [4, 5, 6, 2], from: 1350, to: 375, limit: { kind: 'closed' } },
            { days: [5], from: 0, to: 1440, limit: { kind: 'unlimited' } },
            {
              days: [0, 1, 2, 3, 4, 5, 6],
              from: 720,
              to: 1440,
              limit: { kind: 'rate', bytesPerSecond: 256_000 },
            },
          ],
        },
      },
      { name: 'lan', files: 4, copyShare: 0.5, week: undefined },
    ]);
    assert.ok(groups[0]?.role === 'source');
    assert.deepEqual(
      groups[0].destinations.map(({ link, weight }) => ({ link, weight })),
      [{ link: 'wan', weight: 3 }],
    );
  });

  it('are not needed', () => {
    const { transfers, links, groups } = load(withGroup(GOOD_SOURCE));
    assert.deepEqual([transfers, links], [32, []]);
    assert.ok(groups[0]?.role === 'source');
    assert.deepEqual([groups[0].destinations[0]?.link, groups[0].destinations[0]?.weight], [undefined, 1]);
  });

  it('are told by blockferry check in plain words', () => {
    const summary = checkConfiguration(
      fixture.write('links.yaml', withGroup(group.replace('folder: share', 'folder: images'), LINKS)),
    ).text.replaceAll(`${fixture.folder}/`, '');
    assert.ok(
      summary.includes(`link wan
  3 files at once; initial copies keep 25 % while live writes wait
  Mon, Tue, Wed, Thu, Fri 08:00 to 18:00: 2 Mbit/s (244.1 KiB/s)
  Fri, Sat, Sun, Wed 22:30 to 06:15 of the next day: closed
  Sat 00:00 to 24:00: unlimited
  every day 12:00 to 24:00: 2.048 Mbit/s (250.0 KiB/s)
  otherwise: one file at a time, 10 s between files
  by the clock of Europe/Zurich; where windows overlap, the last of them holds

link lan
  4 files at once; initial copies keep 50 % while live writes wait
  always open, without a limit
`),
      summary,
    );
    assert.match(summary, /to bern: the folder images, 2 files at once, over link wan with weight 3/);
  });
});
