/** Names, addresses, sizes, times and command lines: texts of one line, each with a parser of its own. */
import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { formatAddress, isHost, parseAddress, parsePortRange } from '../../../src/config/address.ts';
import { formatPath, quote } from '../../../src/config/problems.ts';
import { formatDuration, parseDuration, parseSize } from '../../../src/config/units.ts';
import { judge, planInbox, type InboxEntry } from '../../../src/destage/inbox-plan.ts';
import { lsn, LSN_MAX } from '../../../src/journal/ids.ts';
import { openName, parseOpenName, parseSealedName, sealedName } from '../../../src/journal/names.ts';
import { limitKey, plainAddress } from '../../../src/transfer/receiver/addresses.ts';
import { LineBuffer, parseCommand } from '../../../src/transfer/receiver/command.ts';
import { COMMAND_LINE_MAX } from '../../../src/transfer/receiver/limits.ts';
import { inboxPlace, isAnswer, resolvePlace } from '../../../src/transfer/receiver/tree.ts';
import { isLegalPart, parseName } from '../../../src/transfer/transports/names.ts';
import { TransportError } from '../../../src/transfer/transport.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB } from './expect.ts';

type Parse = (text: string, bytes: Buffer) => void;

const PARSERS: readonly Parse[] = [
  inbox,
  transportName,
  place,
  commands,
  size,
  duration,
  address,
  network,
  quoted,
];

export function textTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    dictionary: ['USER ', 'ABOR\r\n', '\r\n', '../', '/inbox/', '.seg.part', ' GiB', ' min', '::'].map(
      (word) => Buffer.from(word),
    ),
    lengthMax: 1536,
    memory: (input) => 2 * MIB + 2048 * input.length,
    run(input) {
      const bytes = input.subarray(1);
      PARSERS[(input[0] ?? 0) % PARSERS.length]?.(bytes.toString('utf8'), bytes);
    },
  };
}

function seeds(): Buffer[] {
  const segment = '00000001-0000000000000001-0000000000000009.seg';
  const later = '00000001-000000000000000b-001fffffffffffff.seg';
  const texts: readonly (readonly string[])[] = [
    [
      `0\n${segment}\n${later}\n`,
      `9\n${segment}\n00000002-0000000000000001-0000000000000009.seg\n00000001-0000000000000001.open`,
    ],
    [`inbox/${segment}`, 'status/destination.json', 'con.txt'],
    [`/inbox/${segment}.part`, '../status/destination.json', './inbox//'],
    [
      `USER oracle\r\nPASS x y\r\nSTOR ${segment}\r\n`,
      'NOOP\nabor\r\n',
      `STOR ${'x'.repeat(507)}\r\nSTOR ${'x'.repeat(508)}\r\n`,
    ],
    ['1.5 GiB', '512', '20 TB', '3 k'],
    ['500 ms', '1.5 h', '2 d'],
    ['127.0.0.1:10809', '[::1]:10809', '30000-30049', 'ftp.bern.example:21'],
    ['2001:db8::1', '::ffff:10.0.0.1', 'fe80::1%eth0', '::'],
    ['C:\\Logs \u202e', 'a'.repeat(70)],
  ];
  return texts.flatMap((some, kind) =>
    some.map((text) => Buffer.concat([Buffer.from([kind]), Buffer.from(text)])),
  );
}

/** The first line: what is received. The others: what lies in the inbox. */
function inbox(text: string): void {
  const [first = '', ...names] = text.split('\n');
  const received = lsn(Math.min(Number.parseInt(first, 10) || 0, LSN_MAX) >>> 0);
  const entries: InboxEntry[] = [];
  for (const name of names) {
    const range = parseSealedName(name);
    if (range !== undefined) {
      assert.equal(sealedName(range), name);
      entries.push({ name, range });
    }
    const open = parseOpenName(name);
    if (open !== undefined) assert.equal(openName(open), name);
  }
  const plan = planInbox(entries, received, undefined);
  assert.equal(plan.foreign.length + plan.queue.length, entries.length);
  let reached: number = received;
  for (const hole of plan.missing) {
    assert.ok(hole.first > reached && hole.last >= hole.first);
    // What begins inside what was received fills no hole: it is refused.
    const filling = plan.queue.filter(({ range }) => range.first > received);
    for (const { range } of filling) assert.ok(range.last < hole.first || range.first > hole.last);
    reached = hole.last;
  }
  for (const entry of entries) judge(entry, received);
}

function transportName(text: string): void {
  try {
    const { folder, file } = parseName(text);
    assert.equal(folder === undefined ? file : `${folder}/${file}`, text);
    for (const part of folder === undefined ? [file] : [folder, file]) {
      assert.ok(isLegalPart(part) && !part.includes('..\\') && part !== '..' && !part.includes('/'));
    }
  } catch (error) {
    if (!(error instanceof TransportError) || error.code !== 'BadName') throw error;
  }
}

/** No client's byte becomes part of a path: what comes out was put together anew. */
function place(text: string): void {
  for (const current of ['root', 'inbox', 'status', 'outbox', 'outbox-status'] as const) {
    const found = resolvePlace(current, text);
    if (found.kind === 'part' || found.kind === 'segment' || found.kind === 'kept')
      assert.ok(parseSealedName(found.name) !== undefined || isAnswer(found.name));
  }
  const found = inboxPlace(text);
  if (found !== undefined) assert.equal(found.kind === 'part' ? `${found.name}.part` : found.name, text);
}

/** However a stream is cut, the same lines come out, none of them too long. */
function commands(_text: string, bytes: Buffer): void {
  const stream = bytes.subarray(1);
  const whole = lines(stream, stream.length || 1);
  assert.deepEqual(lines(stream, 1 + ((bytes[0] ?? 0) % 9)), whole);
}

function lines(stream: Buffer, piece: number): string[] {
  const buffer = new LineBuffer();
  const found: string[] = [];
  for (let at = 0; at < stream.length; at += piece) {
    buffer.push(stream.subarray(at, at + piece));
    for (let line = buffer.take(); line !== undefined; line = buffer.take()) {
      // The connection ends there.
      if (line === 'too-long') return [...found, line];
      assert.ok(line.length <= COMMAND_LINE_MAX);
      const command = parseCommand(line);
      if (command !== undefined) assert.match(command.verb, /^[A-Z]{3,4}$/);
      found.push(JSON.stringify(command ?? line.toString('latin1')));
    }
    assert.equal(typeof buffer.holdsAbort(), 'boolean');
  }
  return found;
}

function size(text: string): void {
  const parsed = parseSize(text);
  if ('value' in parsed) assert.ok(Number.isSafeInteger(parsed.value) && parsed.value >= 0);
  else assert.ok(parsed.message !== '' && parsed.fix !== '');
}

function duration(text: string): void {
  const parsed = parseDuration(text);
  if (!('value' in parsed)) return;
  assert.ok(Number.isSafeInteger(parsed.value) && parsed.value >= 0);
  assert.deepEqual(parseDuration(formatDuration(parsed.value)), parsed);
}

function address(text: string): void {
  const parsed = parseAddress(text);
  if ('value' in parsed) {
    assert.ok(isHost(parsed.value.host) && parsed.value.port <= 65_535);
    assert.deepEqual(parseAddress(formatAddress(parsed.value)), parsed);
  }
  const range = parsePortRange(text);
  if ('value' in range) assert.ok(range.value.first >= 1 && range.value.first <= range.value.last);
}

/** As the operating system writes addresses: in their canonical form, or with a zone behind it. */
function network(text: string): void {
  assert.equal(typeof plainAddress(text), 'string');
  const [bare = '', zone] = text.split('%');
  if (!isIPv6(bare) || (zone !== undefined && !/^\w+$/.test(zone))) return;
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const key = limitKey(zone === undefined ? canonical : `${canonical}%${zone}`);
  assert.match(key, /^[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){3}::\/64$/);
  // The lower half of an address does not count.
  const upper = key.slice(0, -'::/64'.length);
  assert.equal(limitKey(new URL(`http://[${upper}:1:2:3:4]`).hostname.slice(1, -1)), key);
}

/** Nothing that a terminal would act on. */
function quoted(text: string): void {
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  assert.doesNotMatch(quote(text), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
  assert.equal(typeof formatPath([text, 0, text]), 'string');
}
