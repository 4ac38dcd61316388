/** What an FTP server that is not trusted says: replies and listings, as basic-ftp reads them and we take them. */
import assert from 'node:assert/strict';
import { parseControlResponse } from 'basic-ftp/dist/parseControlResponse.js';
import { parseList } from 'basic-ftp/dist/parseList.js';
import { listedFiles } from '../../../src/transfer/transports/ftp-session.ts';
import { isLegalPart } from '../../../src/transfer/transports/names.ts';
import type { FuzzTarget, MutationTools } from '../engine/target.ts';
import { MIB } from './expect.ts';

const SEGMENT = '00000001-0000000000000001-0000000000000009.seg';

export function listingTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    dictionary: [
      'type=file;',
      'type=OS.unix=slink:',
      'size=',
      'modify=',
      '20261121014600',
      '-rw-r--r--',
      '<DIR>',
      '220-',
      '220 ',
    ].map((word) => Buffer.from(word)),
    lengthMax: 16 * 1024,
    memory: (input) => 2 * MIB + 1024 * input.length,
    mutate: repeatPiece,
    run(input) {
      const text = input.toString('utf8', 1);
      if (((input[0] ?? 0) & 1) === 1) replies(text);
      else listing(text);
    },
  };
}

function seeds(): Buffer[] {
  const mlsd = `type=cdir;modify=20261121014600; .\r\ntype=file;size=1048576;modify=20261121014600.123; ${SEGMENT}\r\n`;
  const unix = `total 1\r\n-rw-r--r-- 1 ftp ftp 1048576 Nov 21 01:46 ${SEGMENT}\r\ndrwxr-xr-x 2 ftp ftp 4096 Nov 21 2025 status\r\n`;
  const dos = `11-21-26  01:46AM       <DIR>          status\r\n11-21-26  01:46AM              1048576 ${SEGMENT}\r\n`;
  const links = `type=OS.unix=slink:/x; a\r\ntype=OS.unix=symlink;unique=1g2; b\r\ntype=file;unique=1g2;size=1; c\r\n`;
  const control = [
    '220 ready\r\n',
    '211-Features\r\n MLST\r\n211 End\r\n331 password\r\n',
    '150 go\r\n226 done\r\n',
  ];
  const prefixed = (first: number, text: string): Buffer =>
    Buffer.concat([Buffer.from([first]), Buffer.from(text)]);
  return [
    ...[mlsd, unix, dos, links].map((text) => prefixed(0, text)),
    ...control.map((text) => prefixed(1, text)),
  ];
}

/** Long runs of the same are what makes regular expressions slow. */
function repeatPiece(input: Buffer, { prng }: MutationTools): Buffer {
  const start = prng.below(input.length + 1);
  const piece = input.subarray(start, start + 1 + prng.below(8));
  const run = Buffer.concat(new Array<Buffer>(1 + prng.below(500)).fill(piece));
  return Buffer.concat([input.subarray(0, start), run, input.subarray(start)]);
}

function listing(text: string): void {
  let entries;
  try {
    entries = parseList(text);
  } catch (error) {
    // The transfer fails with it.
    assert.ok(error instanceof Error);
    return;
  }
  for (const { name, size } of listedFiles(entries)) {
    assert.ok(isLegalPart(name));
    assert.ok(Number.isSafeInteger(size) && size >= 0, `a size of ${size}`);
  }
}

/** Each message begins with its code; what is not complete is kept. */
function replies(text: string): void {
  const { messages, rest } = parseControlResponse(text);
  for (const message of messages) assert.match(message, /^\d{3}/);
  assert.ok(rest.length <= text.length + 1);
}
