import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseSealedName } from '../../../src/journal/names.ts';
import { isLoopback, limitKey, plainAddress } from '../../../src/transfer/receiver/addresses.ts';
import { LineBuffer, parseCommand } from '../../../src/transfer/receiver/command.ts';
import { facts, listingLine } from '../../../src/transfer/receiver/listing.ts';
import { formatReply } from '../../../src/transfer/receiver/reply.ts';
import { inboxPlace, isAnswer, resolvePlace } from '../../../src/transfer/receiver/tree.ts';
import { segmentName } from './fixture.ts';

describe('the receiver reads commands', () => {
  it('takes a verb in any case and keeps its argument as it is', () => {
    assert.deepEqual(parseCommand(Buffer.from('stor  a b ')), { verb: 'STOR', argument: ' a b ' });
    assert.deepEqual(parseCommand(Buffer.from('PASS grüße')), { verb: 'PASS', argument: 'grüße' });
    assert.deepEqual(parseCommand(Buffer.from('PWD')), { verb: 'PWD', argument: '' });
  });

  it("takes an ABOR behind Telnet's interrupt", () => {
    assert.equal(parseCommand(Buffer.from([0xff, 0xf4, 0xff, 0xf2, ...Buffer.from('ABOR')]))?.verb, 'ABOR');
  });

  it('refuses control characters, broken UTF-8, and what has no verb', () => {
    for (const line of ['', ' ', 'X', 'ABCDE x', 'CWD a\0b', 'CWD a\rb', 'CWD a\x1b[2J', 'STOR\tx']) {
      assert.equal(parseCommand(Buffer.from(line)), undefined, JSON.stringify(line));
    }
    assert.equal(parseCommand(Buffer.from([...Buffer.from('CWD '), 0xc3, 0x28])), undefined);
  });

  it('finds the same lines however the bytes are cut', () => {
    const line = fc.string({ maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, '.'));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.array(fc.nat({ max: 50 })), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\r\n`).join(''));
        const buffer = new LineBuffer();
        const found: string[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          buffer.push(bytes.subarray(at, at + cut));
          at += cut;
          for (let taken = buffer.take(); Buffer.isBuffer(taken); taken = buffer.take())
            found.push(taken.toString());
        }
        assert.deepEqual(found, lines);
      }),
    );
  });

  it('gives up on a line of more than 512 bytes, ended or not', () => {
    for (const [length, end, isTaken] of [
      [512, '\r\n', true],
      [513, '\r\n', false],
      [513, '\n', false],
      [600, '', false],
    ] as const) {
      const buffer = new LineBuffer();
      buffer.push(Buffer.from('x'.repeat(length) + end));
      assert.equal(Buffer.isBuffer(buffer.take()), isTaken);
    }
  });
});

const FOLDERS = ['inbox', 'status', 'outbox', 'outbox-status'];

describe("the receiver's tree", () => {
  const name = segmentName();

  it('knows inbox and status, segments, their parts and the status file', () => {
    assert.deepEqual(resolvePlace('root', '/'), { kind: 'folder', folder: 'root' });
    assert.deepEqual(resolvePlace('inbox', '..'), { kind: 'folder', folder: 'root' });
    assert.deepEqual(resolvePlace('root', 'inbox/'), { kind: 'folder', folder: 'inbox' });
    assert.deepEqual(resolvePlace('inbox', ''), { kind: 'folder', folder: 'inbox' });
    assert.deepEqual(resolvePlace('root', `inbox/${name}.part`), { kind: 'part', name });
    assert.deepEqual(resolvePlace('inbox', name), { kind: 'segment', name });
    assert.deepEqual(resolvePlace('status', 'destination.json'), { kind: 'status-file' });
    assert.deepEqual(resolvePlace('inbox', '../status/./destination.json'), { kind: 'status-file' });
    assert.deepEqual(resolvePlace('root', `../../inbox/${name}`), { kind: 'segment', name });
  });

  it('knows the depot: its segments, and the answer that comes back', () => {
    assert.deepEqual(resolvePlace('root', 'outbox'), { kind: 'folder', folder: 'outbox' });
    assert.deepEqual(resolvePlace('outbox', name), { kind: 'kept', name });
    const answer = { kind: 'answer', name: 'destination.json' };
    assert.deepEqual(resolvePlace('outbox', '../outbox-status/destination.json'), answer);
    assert.deepEqual(resolvePlace('outbox-status', 'destination.json.part'), { ...answer, kind: 'part' });
  });

  it('knows nothing else', () => {
    for (const path of [
      '/etc/passwd',
      'inbox/../../etc/passwd',
      'journal',
      `journal/${name}`,
      `inbox/x/${name}`,
      `inbox/${name}.part.part`,
      `inbox/${name}\n`,
      `inbox/${name.toUpperCase()}`,
      `inbox/a\\..\\${name}`,
      `inbox/00000001-0000000000000000-0000000000000001.seg`,
      'inbox/00000001-0000000000000009-0000000000000001.seg',
      'status/destination.json.part',
      `outbox/${name}.part`,
      'outbox/destination.json',
      'outbox/link-test-0123456789abcdef.tmp',
      `outbox-status/${name}`,
      'outbox-status/destination.json.part.part',
      'status/x',
      'status/destination.json/x',
      `inbox/${name}.part/x`,
      name,
      'C:/inbox',
    ]) {
      assert.deepEqual(resolvePlace('root', path), { kind: 'nowhere' }, path);
    }
  });

  it('never lets a name through that the naming rules do not make themselves', () => {
    const part = fc.oneof(
      fc.constantFrom(...['..', '.', '', '.part', '\\', '%2e%2e', name], ...FOLDERS, 'destination.json'),
      fc.string(),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('root', 'inbox', 'status', 'outbox', 'outbox-status'),
        fc.array(part, { maxLength: 6 }),
        (folder, parts) => {
          const place = resolvePlace(folder, parts.join('/'));
          if (place.kind === 'part' || place.kind === 'segment' || place.kind === 'kept')
            assert(parseSealedName(place.name) !== undefined || isAnswer(place.name));
        },
      ),
    );
    assert.equal(inboxPlace('notes.txt'), undefined);
  });
});

describe('the receiver writes', () => {
  it('replies of one line and of several', () => {
    assert.equal(formatReply({ code: 200, text: 'Here' }), '200 Here\r\n');
    assert.equal(
      formatReply({ code: 211, text: 'Understood', lines: ['SIZE', 'UTF8'] }),
      '211-Understood\r\n SIZE\r\n UTF8\r\n211 End\r\n',
    );
  });

  it('listings as clients read them', () => {
    const entry = {
      name: 'x.seg',
      kind: 'file',
      size: 1234,
      modifiedAt: Date.UTC(2026, 2, 9, 4, 5, 6),
    } as const;
    assert.equal(facts(entry), 'type=file;size=1234;modify=20260309040506;');
    assert.equal(listingLine('NLST', entry, 0), 'x.seg\r\n');
    assert.equal(
      listingLine('LIST', entry, entry.modifiedAt + 1),
      '-rw------- 1 ftp ftp         1234 Mar  9 04:05 x.seg\r\n',
    );
    assert.equal(
      listingLine('LIST', { ...entry, kind: 'folder', name: 'inbox' }, Date.UTC(2027, 2, 9)),
      'drwx------ 1 ftp ftp         1234 Mar  9  2026 inbox\r\n',
    );
  });
});

describe('the receiver counts addresses', () => {
  it('by IPv4 address and by IPv6 network', () => {
    assert.equal(limitKey('192.0.2.7'), '192.0.2.7');
    assert.equal(limitKey('2001:db8:0:7:1::9'), '2001:db8:0:7::/64');
    assert.equal(limitKey('2001:db8::1'), '2001:db8:0:0::/64');
    assert.equal(limitKey('2001:0db8:0000:0000:ffff:1:2:3'), limitKey('2001:db8::1'));
    assert.equal(limitKey('fe80::1%eth0'), 'fe80:0:0:0::/64');
    assert.equal(limitKey('::1'), '0:0:0:0::/64');
    assert.equal(plainAddress('::ffff:192.0.2.7'), '192.0.2.7');
  });

  it('and knows which of them are loopback', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) assert(isLoopback(host), host);
    for (const host of ['0.0.0.0', '::', '', '10.0.0.1', '127.example.com']) assert(!isLoopback(host), host);
  });
});
