import assert from 'node:assert/strict';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { NODES_MAX, PROBLEMS_MAX } from '../../src/config/limits.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Problem } from '../../src/config/problems.ts';
import { GOOD_SOURCE, makeFixture, PASSWORD, withGroup, type Fixture } from './fixture.ts';

describe('Loading a hostile configuration:', () => {
  let fixture: Fixture;
  before(() => {
    fixture = makeFixture();
  });
  after(() => {
    fixture.remove();
  });

  function load(text: string | Uint8Array): ReturnType<typeof loadConfig> {
    return loadConfig(fixture.write('under-test.yaml', text), { env: { PASSWORD } });
  }

  function good(text: string): void {
    const loaded = load(text);
    if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems, null, 1));
  }

  function problems(text: string | Uint8Array): readonly Problem[] {
    const loaded = load(text);
    assert.ok('problems' in loaded);
    return loaded.problems;
  }

  describe('Limits of the configuration file:', () => {
    it('a file that is not there, a folder, and one that is too large are told', () => {
      const missing = loadConfig(join(fixture.folder, 'none.yaml'));
      assert.match(
        'problems' in missing ? (missing.problems[0]?.message ?? '') : '',
        /none\.yaml does not exist$/,
      );
      const folder = loadConfig(fixture.folder);
      assert.match('problems' in folder ? (folder.problems[0]?.message ?? '') : '', /is a folder$/);
      assert.match(
        problems('#'.repeat(1_048_577))[0]?.message ?? '',
        /has 1048577 bytes, and at most 1048576/,
      );
    });

    it('text that is not UTF-8 is told for what it is', () => {
      assert.equal(problems(Buffer.from('\ufeffstate: x', 'utf16le'))[0]?.message, 'is UTF-16 text');
      assert.equal(problems(Buffer.from('state: K\xf6ln', 'latin1'))[0]?.message, 'is not UTF-8 text');
    });

    it('a byte order mark in front of UTF-8 does no harm', () => {
      good(`\ufeff${withGroup(GOOD_SOURCE)}`);
    });

    it('an alias bomb ends at the limit of values', () => {
      const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
      for (let level = 1; level < 12; level++) {
        lines.push(
          `a${level}: &a${level} [${Array(10)
            .fill(`*a${level - 1}`)
            .join(', ')}]`,
        );
      }
      const started = performance.now();
      const told = problems(`${lines.join('\n')}\n`).map((problem) => problem.message);
      assert.ok(told.includes(`the file has more than ${NODES_MAX} values`), told.join('\n'));
      assert.ok(performance.now() - started < 20_000);
    });

    it('deep nesting and a hundred thousand names are told, not suffered', () => {
      const started = performance.now();
      assert.match(problems('['.repeat(100_000))[0]?.message ?? '', /^not readable as YAML/);
      const names = Array.from({ length: 100_000 }, (_, index) => `k${index}: 1\n`).join('');
      assert.equal(problems(names).length, PROBLEMS_MAX);
      assert.ok(performance.now() - started < 20_000);
    });

    it('at most a hundred problems are told, the last saying how many more there are', () => {
      const told = problems(Array.from({ length: 150 }, (_, index) => `k${index}: 1\n`).join(''));
      assert.equal(told.length, PROBLEMS_MAX);
      // 150 names that are no settings, and two settings that are missing.
      assert.equal(told.at(-1)?.message, 'and 53 more');
    });

    it('at most 64 groups of 64 volumes, 16 destinations and 64 markers', () => {
      const list = (count: number, line: (index: number) => string): string =>
        Array.from({ length: count }, (_, index) => line(index)).join(', ');
      const volumes = (count: number): string => list(count, (index) => `v${index}: v${index}`);
      const group = (index: number): string =>
        `g${index}: { role: destination, buffer: b, quota: 1 GiB, volumes: { v: g${index} } }`;
      const destination = (extra: string, count: number): string =>
        `state: s\ngroups:\n  a: { role: destination, buffer: b, quota: 1 GiB, volumes: { ${volumes(count)} }${extra} }\n`;
      good(`state: s\ngroups: { ${list(64, group)} }\n`);
      const told = (text: string): string[] =>
        problems(text).map(({ path, message }) => `${path} ${message}`);
      assert.deepEqual(told(`state: s\ngroups: { ${list(65, group)} }\n`), [
        'groups has 65 consistency groups',
      ]);
      good(destination('', 64));
      assert.deepEqual(told(destination('', 65)), ['groups.a.volumes has 65 volumes']);
      const markers = list(65, (index) => `m${index}: { run: [/bin/true] }`);
      assert.deepEqual(told(destination(`, markers: { ${markers} }`, 1)), [
        'groups.a.markers has 65 markers',
      ]);
      const links = list(17, (index) => `d${index}: { folder: f${index} }`);
      const source = withGroup(GOOD_SOURCE.replace(/destinations: .*/, `destinations: { ${links} }`));
      assert.deepEqual(told(source), ['groups.oracle.destinations has 17 destinations']);
      const argv = withGroup(
        `role: destination\nbuffer: b\nquota: 1 GiB\nvolumes: { v: v }\nmarkers: { m: { run: [/bin/true${', x'.repeat(64)}] } }`,
      );
      assert.deepEqual(told(argv), ['groups.oracle.markers.m.run has more than 64 entries']);
    });
  });

  describe('Whatever the file holds,', () => {
    const word = fc.constantFrom(
      ...[
        'state',
        'groups',
        'oracle',
        'role',
        'source',
        'destination',
        'volumes',
        'nbd',
        'ftp',
        'log',
        'api',
      ],
      ...[
        'receiver',
        'tls',
        'markers',
        'run',
        '20 GiB',
        '2 s',
        '127.0.0.1:1',
        '/v',
        '*a',
        '&a',
        '!x',
        '__proto__',
      ],
      ...[
        'constructor',
        'toString',
        '~',
        '',
        '-1',
        '1e400',
        '.nan',
        '0x1F',
        "'",
        '"',
        '"\\x',
        '|',
        '>',
        '%YAML 9.9',
      ],
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ': ',
        ':\n',
        '\n  ',
        '\n    ',
        '\n- ',
        '\n',
        '? ',
        '<<',
        '\t',
        '#',
        '---',
        '\ufeff',
      ],
    );
    const garbage = fc.array(
      fc.oneof({ weight: 9, arbitrary: word }, fc.string({ unit: 'binary', maxLength: 8 })),
      {
        maxLength: 60,
      },
    );

    it('loading gives problems and never throws', () => {
      fc.assert(
        fc.property(garbage, (parts) => {
          for (const problem of problems(parts.join(''))) {
            assert.ok(problem.line >= 1 && problem.column >= 1);
            assert.ok(problem.message !== '' && problem.fix !== '');
          }
        }),
        { numRuns: 400 },
      );
    });

    it('one setting put out of shape gives problems or a configuration, and never throws', () => {
      const whole = JSON.stringify({
        state: 's',
        log: { level: 'info', file: 'f', size: '1 MiB', files: 3 },
        api: { listen: '127.0.0.1:0' },
        receiver: {
          listen: '127.0.0.1:2121',
          'passive-ports': '1-2',
          tls: { certificate: 'cert.pem', key: 'key.pem' },
        },
        groups: {
          a: {
            role: 'source',
            buffer: 'b',
            quota: '1 GiB',
            'when-full': 'refuse-writes',
            'key-file': 'good.key',
            segment: { size: '1 MiB', age: '1 s' },
            volumes: { v: 'v', w: { path: 'w', size: 512 } },
            nbd: { listen: '127.0.0.1:0', socket: 'n' },
            destinations: { x: { ftp: { host: 'h', user: 'u', 'password-file': 'password', path: '/' } } },
          },
          b: {
            role: 'destination',
            buffer: 'b',
            quota: '1 GiB',
            volumes: { v: 'bv' },
            markers: { m: { run: ['/bin/true'] } },
            login: { user: 'u', 'password-env': 'PASSWORD' },
          },
        },
      });
      good(whole);
      const tokens = whole.match(/"[^"]*"|\d+|[{}[\],:]/g) ?? [];
      const replacement = fc.oneof(fc.json(), word);
      fc.assert(
        fc.property(fc.nat(tokens.length - 1), replacement, (index, value) => {
          load([...tokens.slice(0, index), value, ...tokens.slice(index + 1)].join(' '));
        }),
        { numRuns: 400 },
      );
    });
  });
});
