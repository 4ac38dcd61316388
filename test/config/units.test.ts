import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  collide,
  formatAddress,
  isLoopback,
  parseAddress,
  parsePortRange,
} from '../../src/config/address.ts';
import { describeProblem, formatPath, quote } from '../../src/config/problems.ts';
import { formatDuration, formatSize, parseDuration, parseSize, type Parsed } from '../../src/config/units.ts';
import { nearest } from '../../src/config/wording.ts';

function value<T>(parsed: Parsed<T>): T {
  if ('value' in parsed) return parsed.value;
  assert.fail(parsed.message);
}

describe('Sizes and times', () => {
  it('are read in binary and decimal units, exactly', () => {
    assert.equal(value(parseSize('512')), 512);
    assert.equal(value(parseSize('20 GiB')), 21_474_836_480);
    assert.equal(value(parseSize('20GB')), 20_000_000_000);
    assert.equal(value(parseSize('1.5 kib')), 1536);
    assert.equal(value(parseSize('0.7 kB')), 700);
    assert.equal(value(parseSize('7 PiB')), 7 * 2 ** 50);
    assert.equal(value(parseSize('9007199254740991')), Number.MAX_SAFE_INTEGER);
    assert.ok('message' in parseSize('9007199254740992'));
    assert.equal(value(parseDuration('500 ms')), 500);
    assert.equal(value(parseDuration('1.5 s')), 1500);
    assert.equal(value(parseDuration('10min')), 600_000);
    assert.equal(value(parseDuration('2 h')), 7_200_000);
    assert.equal(value(parseDuration('1 d')), 86_400_000);
  });

  it('are refused when they are anything else', () => {
    for (const text of [
      '',
      ' ',
      'GiB',
      '1 GiB 2',
      '1,5 GiB',
      '-1',
      '+1',
      '1e3',
      '0x10',
      '1_000',
      '1 G',
      '1 GiBs',
      '١',
    ]) {
      assert.ok('message' in parseSize(text), text);
    }
    for (const text of ['', '1', 's', '1 m', '1 S', '-1 s', '1 week', '0.5 ms']) {
      assert.ok('message' in parseDuration(text), text);
    }
  });

  it('are read back as they are shown, when they are whole', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.constantFrom(1, 60, 3600, 86_400), (count, unit) => {
        const milliseconds = count * unit;
        assert.equal(value(parseDuration(formatDuration(milliseconds))), milliseconds);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1023 }), fc.nat(4), (count, power) => {
        assert.equal(value(parseSize(formatSize(count * 1024 ** power))), count * 1024 ** power);
      }),
    );
    assert.equal(formatSize(2_000_000), '1.91 MiB');
    assert.equal(formatDuration(0), '0 ms');
  });
});

describe('Addresses', () => {
  it('are read with names, IPv4 and bracketed IPv6, and written back', () => {
    for (const text of [
      '127.0.0.1:10809',
      '[::1]:1',
      '[fe80::1%eth0]:2',
      'bern.example:65535',
      'localhost:0',
    ]) {
      assert.equal(formatAddress(value(parseAddress(text))), text);
    }
    assert.deepEqual(value(parsePortRange('1-65535')), { first: 1, last: 65_535 });
  });

  it('of one port collide on the same address, on any address, and never at port 0', () => {
    const at = (text: string) => value(parseAddress(text));
    assert.ok(collide(at('127.0.0.1:1'), at('LOCALHOST:1')));
    assert.ok(collide(at('0.0.0.0:1'), at('10.0.0.1:1')));
    assert.ok(collide(at('10.0.0.1:1'), at('[::]:1')));
    assert.ok(!collide(at('10.0.0.1:1'), at('10.0.0.2:1')));
    assert.ok(!collide(at('10.0.0.1:1'), at('10.0.0.1:2')));
    assert.ok(!collide(at('10.0.0.1:0'), at('10.0.0.1:0')));
  });

  it('are loopback only where nobody else can reach them', () => {
    assert.ok(['localhost', '127.0.0.1', '127.255.0.1', '::1'].every(isLoopback));
    assert.ok(!['0.0.0.0', '::', '128.0.0.1', '127.0.0.1.example', '::2'].some(isLoopback));
  });
});

describe('Problems', () => {
  it('are one line: file, line, column, path, what is wrong, what to do', () => {
    const problem = {
      file: 'a.yaml',
      line: 3,
      column: 7,
      path: 'groups.a',
      message: 'is wrong',
      fix: 'mend it',
    };
    assert.equal(describeProblem(problem), 'a.yaml:3:7: groups.a: is wrong; mend it');
    assert.equal(describeProblem({ ...problem, path: '' }), 'a.yaml:3:7: is wrong; mend it');
  });

  it('show names and values without anything that a terminal acts on', () => {
    assert.equal(formatPath(['groups', 'a.b', 'run', 0]), 'groups."a.b".run[0]');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        // eslint-disable-next-line no-control-regex -- these are what is looked for
        assert.doesNotMatch(quote(text) + formatPath([text]), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        assert.ok(quote(text).length < 500);
      }),
    );
  });

  it('propose a name that is near, and none that is not', () => {
    const names = ['when-full', 'quota', 'buffer', 'path', 'port'];
    assert.equal(nearest('when_full', names), 'when-full');
    assert.equal(nearest('qouta', names), 'quota');
    assert.equal(nearest('bufer', names), 'buffer');
    assert.equal(nearest('prot', names), 'port');
    assert.equal(nearest('colour', names), undefined);
    assert.equal(nearest('x'.repeat(10_000), names), undefined);
  });
});
